"""What the connect page says, in each language that it speaks: one table, and nothing said anywhere else.

A language is a column: to add one, fill it in. English stands in for what a language does not say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    "title": "Connect {app}",
    "title_again": "Connect {app} again",
    "lead": "{name} asks to use {app} for you.",
    "lead_again": "The connection between {name} and {app} has to be renewed.",
    "for": "For",
    "tenant": "Organisation",
    "connected_as": "Connected as",
    "provider": "Sign-in at",
    "optional": "optional",
    "token": "Access token",
    "key": "API key ({title})",
    "username": "User name",
    "password": "Password",
    "connect": "Connect",
    "continue_to": "Continue to {provider}",
    "scopes": "You will be asked to allow:",
    "others": "Other ways to connect",
    "way_consent": "Sign in at {provider}",
    "way_typed": "Use {what}",
    "way_nothing": "Connect without credentials",
    "what_key": "an API key",
    "what_token": "an access token",
    "what_login": "user name and password",
    "safe": "What you enter is sent to {host} and kept encrypted. Agents never see it.",
    "safe_consent": "You sign in at {provider} itself; {host} keeps the permission encrypted. Agents never see it.",
    "until": "This link works only in this browser, until {until} UTC.",
    "leaving": "On to {provider}",
    "leaving_lead": "You are being taken there to sign in.",
    "connected": "Connected",
    "connected_lead": "{name} can use {app} for you now.",
    "close": "You can close this window.",
    "back": "Back to {name}",
    "begin": "Open this page here?",
    "begin_lead": "From then on the link works only in this browser.",
    "go_on": "Continue",
    "window": "A window of its own opens for it.",
    "waiting": "Finish in the window that has opened; this page notices by itself.",
    "ended": "This link is not valid any more.",
    "sorry": "This does not work",
    "confirm": "Confirm at {provider}",
    "confirm_lead": "Open {url} on any device and enter this code. This page notices by itself when it is done.",
    "code": "Code",
    "open_provider": "Open {provider}",
    "look_again": "I have confirmed it",
    "anew": "Begin anew",
    "granted": "Granted already",
    "blank": "As in your address at {provider}: the name alone, such as acme.",
    "sign_in": "Sign in to go on",
}

ENGLISH_PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "error": ("Something went wrong on our side.", "Try again in a moment."),
    "refused": ("What was entered is not accepted.", "Check it, and try again."),
    "unreachable": (
        "{provider} cannot be reached or did not accept the request.",
        "Try again in a moment. If it stays so, tell whoever sent you here.",
    ),
    "connect.gone": ("This link is not valid, or not any more.", "Go back to where you got it and ask for a new one."),
    "connect.browser": (
        "This link was already opened in another browser, and works only there.",
        "Go on there, or ask for a new link.",
    ),
    "connect.form": (
        "This form was not sent from its own page, or has been open for too long.",
        "Open the link again, with cookies allowed.",
    ),
    "connect.state": (
        "This answer belongs to no question that is still open.",
        "Go back to the page you came from and begin again.",
    ),
    "connect.identity": (
        "You signed in as somebody else than this account is connected as.",
        "Sign in there as the same person; nothing was changed.",
    ),
    "connect.missing": ("Something is left to fill in.", ""),
    "connect.tries": ("This form was sent too often.", "Ask for a new link."),
    "connect.untried": ("It was tried, and did not work.", "Check what was entered, and try again."),
    "oauth.denied": ("Access was not granted.", "Nothing was connected. You can try again."),
    "oauth.expired": ("The confirmation took too long.", "Nothing was connected. Begin anew."),
    "oauth.variable": ("What was entered cannot stand in an address.", "Enter the name alone, such as acme."),
    "connect.person": ("This link is for somebody else than who signed in.", "Sign in as the person it was given to."),
    "connect.people": ("Nobody can sign in here at the moment.", "Tell whoever sent you here."),
    "connect.sign_in": ("Whoever opens this link signs in first.", "Open it again."),
    "oauth.callback": ("The answer did not come from where you were sent.", "Nothing was connected. Begin again."),
    "server.variable": ("The address is not accepted.", "Check what is asked for beside the credentials."),
}

GERMAN: Final[Mapping[str, str]] = {
    "title": "{app} verbinden",
    "title_again": "{app} neu verbinden",
    "lead": "{name} möchte {app} für Sie nutzen.",
    "lead_again": "Die Verbindung zwischen {name} und {app} muss erneuert werden.",
    "for": "Für",
    "tenant": "Organisation",
    "connected_as": "Verbunden als",
    "provider": "Anmeldung bei",
    "optional": "freiwillig",
    "token": "Zugriffstoken",
    "key": "API-Schlüssel ({title})",
    "username": "Benutzername",
    "password": "Passwort",
    "connect": "Verbinden",
    "continue_to": "Weiter zu {provider}",
    "scopes": "Sie werden gebeten, dies zu erlauben:",
    "others": "Andere Wege",
    "way_consent": "Bei {provider} anmelden",
    "way_typed": "Mit {what}",
    "way_nothing": "Ohne Zugangsdaten verbinden",
    "what_key": "API-Schlüssel",
    "what_token": "Zugriffstoken",
    "what_login": "Benutzername und Passwort",
    "safe": "Ihre Eingaben gehen an {host} und werden verschlüsselt aufbewahrt. Agenten sehen sie nie.",
    "safe_consent": (
        "Sie melden sich bei {provider} selbst an; {host} bewahrt die Erlaubnis verschlüsselt auf. "
        "Agenten sehen sie nie."
    ),
    "until": "Dieser Link gilt nur in diesem Browser, bis {until} UTC.",
    "leaving": "Weiter zu {provider}",
    "leaving_lead": "Sie werden zur Anmeldung dorthin geleitet.",
    "connected": "Verbunden",
    "connected_lead": "{name} kann {app} jetzt für Sie nutzen.",
    "close": "Sie können dieses Fenster schließen.",
    "back": "Zurück zu {name}",
    "begin": "Diese Seite hier öffnen?",
    "begin_lead": "Danach gilt der Link nur noch in diesem Browser.",
    "go_on": "Weiter",
    "window": "Dafür öffnet sich ein eigenes Fenster.",
    "waiting": "Schließen Sie es im neuen Fenster ab; diese Seite merkt es von selbst.",
    "ended": "Dieser Link gilt nicht mehr.",
    "sorry": "Das geht nicht",
    "confirm": "Bei {provider} bestätigen",
    "confirm_lead": (
        "Öffnen Sie {url} auf einem beliebigen Gerät und geben Sie diesen Code ein. Diese Seite merkt es von selbst."
    ),
    "code": "Code",
    "open_provider": "{provider} öffnen",
    "look_again": "Ich habe es bestätigt",
    "anew": "Von vorn beginnen",
    "granted": "Bereits erlaubt",
    "blank": "Wie in Ihrer Adresse bei {provider}: nur der Name, etwa acme.",
    "sign_in": "Melden Sie sich zuerst an",
}

GERMAN_PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "error": ("Bei uns ist etwas schiefgegangen.", "Versuchen Sie es gleich noch einmal."),
    "refused": ("Die Eingaben werden nicht angenommen.", "Prüfen Sie sie und versuchen Sie es noch einmal."),
    "unreachable": (
        "{provider} ist nicht erreichbar oder hat die Anfrage abgelehnt.",
        "Versuchen Sie es gleich noch einmal. Bleibt es so, sagen Sie denen Bescheid, die Sie hergeschickt haben.",
    ),
    "connect.gone": (
        "Dieser Link gilt nicht oder nicht mehr.",
        "Gehen Sie dorthin zurück, wo Sie ihn bekommen haben, und bitten Sie um einen neuen.",
    ),
    "connect.browser": (
        "Dieser Link wurde schon in einem anderen Browser geöffnet und gilt nur dort.",
        "Machen Sie dort weiter oder bitten Sie um einen neuen Link.",
    ),
    "connect.form": (
        "Dieses Formular kam nicht von seiner eigenen Seite oder war zu lange offen.",
        "Öffnen Sie den Link noch einmal und erlauben Sie Cookies.",
    ),
    "connect.state": (
        "Diese Antwort gehört zu keiner Frage, die noch offen ist.",
        "Gehen Sie zurück auf die Seite, von der Sie kamen, und beginnen Sie von vorn.",
    ),
    "connect.identity": (
        "Sie haben sich als jemand anderes angemeldet, als dieses Konto verbunden ist.",
        "Melden Sie sich dort als dieselbe Person an; es wurde nichts geändert.",
    ),
    "connect.missing": ("Es fehlt noch etwas.", ""),
    "connect.tries": ("Dieses Formular wurde zu oft gesendet.", "Bitten Sie um einen neuen Link."),
    "connect.untried": (
        "Es wurde versucht und ging nicht.",
        "Prüfen Sie die Eingaben und versuchen Sie es noch einmal.",
    ),
    "oauth.denied": (
        "Der Zugriff wurde nicht erlaubt.",
        "Es wurde nichts verbunden. Sie können es noch einmal versuchen.",
    ),
    "oauth.expired": ("Die Bestätigung hat zu lange gedauert.", "Es wurde nichts verbunden. Beginnen Sie von vorn."),
    "oauth.variable": (
        "Die Eingabe kann nicht in einer Adresse stehen.",
        "Geben Sie nur den Namen ein, etwa acme.",
    ),
    "connect.person": (
        "Dieser Link ist für jemand anderen, als sich angemeldet hat.",
        "Melden Sie sich als die Person an, die ihn bekommen hat.",
    ),
    "connect.people": (
        "Hier kann sich gerade niemand anmelden.",
        "Sagen Sie denen Bescheid, die Sie hergeschickt haben.",
    ),
    "connect.sign_in": ("Wer diesen Link öffnet, meldet sich zuerst an.", "Öffnen Sie ihn noch einmal."),
    "oauth.callback": (
        "Die Antwort kam nicht von dort, wohin Sie geschickt wurden.",
        "Es wurde nichts verbunden. Beginnen Sie von vorn.",
    ),
    "server.variable": ("Die Adresse wird nicht angenommen.", "Prüfen Sie, was neben den Zugangsdaten gefragt ist."),
}

LANGUAGES: Final = {"en": (ENGLISH, ENGLISH_PROBLEMS), "de": (GERMAN, GERMAN_PROBLEMS)}

_range = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,30})?\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*"
).fullmatch


class Say:
    """The texts of one language. Values that are put in are only text: whoever shows them escapes them."""

    __slots__ = ("_problems", "_table", "lang")

    def __init__(self, lang: str) -> None:
        self.lang = lang if lang in LANGUAGES else "en"
        self._table, self._problems = LANGUAGES[self.lang]

    def __call__(self, key: str, **values: str) -> str:
        return _filled(self._table.get(key) or ENGLISH[key], values)

    def __getattr__(self, key: str) -> str:
        if key not in ENGLISH:
            raise AttributeError(key)
        return self(key)

    def problem(self, code: str, **values: str) -> tuple[str, str]:
        """The sentence for an error's code, and what to do."""
        said, hint = self._problems.get(code) or ENGLISH_PROBLEMS[code]
        return _filled(said, values), _filled(hint, values)

    def knows(self, code: str) -> bool:
        """Whether there is a sentence for an error's code."""
        return code in ENGLISH_PROBLEMS


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def wanted(accept: str) -> str:
    """The language of a browser that the page speaks best (RFC 9110 section 12.5.4)."""
    best, most = "en", 0.0
    for part in accept[:500].split(",")[:20]:
        found = _range(part)
        quality = float(found[2] or 1) if found else 0.0
        if found and found[1].lower() in LANGUAGES and quality > most:
            best, most = found[1].lower(), quality
    return best
