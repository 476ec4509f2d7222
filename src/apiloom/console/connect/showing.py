"""What the connect page shows of a session: plain values for the templates, in the language of whoever looks.

Decides nothing: what is asked for and what may be said of it comes from the flows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader

from apiloom.base.errors import ApiloomError, UpstreamError
from apiloom.console.connect.texts import Say
from apiloom.flows.connect_page import Asked, Field
from apiloom.flows.connect_wanted import contrast
from apiloom.flows.connect_ways import Way
from apiloom.model.api import SecurityScheme

_PAGES: Final = Path(__file__).with_name("pages")
_STYLE: Final = (_PAGES / "style.css").read_text(encoding="utf-8")
_SCRIPT: Final = (_PAGES / "embed.js").read_text(encoding="utf-8")
_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(_PAGES), autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=False
)
_LONGEST = 160
_MOST_SCOPES = 40
_NAMES = ("email", "login", "name", "preferred_username", "username", "sub", "id")
"""Members of an identity by which people know themselves, the best first."""


def render(template: str, nonce: str, say: Say, **values: Any) -> str:
    """A page as HTML."""
    colours = values.pop("colours", {})
    accent = colours.get("accent", "")
    on_accent = ""
    if accent:
        on_accent = max(("#ffffff", "#0b1220"), key=lambda colour: contrast(colour, accent))
    return _ENVIRONMENT.get_template(template).render(
        nonce=nonce,
        say=say,
        style=_STYLE,
        script=_SCRIPT if template == "embed.html" else "",
        colours=colours,
        on_accent=on_accent,
        **values,
    )


def look_of(asked: Asked) -> dict[str, Any]:
    """Who asks, as the vendor wants to be shown; else the tenant by its name."""
    look = asked.session.look
    name = look.get("name") or asked.tenant.name or asked.tenant.id
    return {"name": name, "logo": look.get("logo", ""), "colours": look.get("colours", {})}


def app_of(asked: Asked) -> str:
    """What the API is called."""
    return _short(asked.connector.title or asked.needs.title or asked.connector.id)


def identity_of(identity: Mapping[str, Any]) -> str:
    """Who somebody is to the provider, in one line; empty when nobody knows."""
    found = next((identity[name] for name in _NAMES if isinstance(identity.get(name), str | int)), "")
    return _short(str(found))


def _short(text: str) -> str:
    line = " ".join(sign for sign in text.split() if sign.isprintable())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def facts_of(asked: Asked, way: Way, say: Say, granted: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What the page names: the tenant, whom it is for, where one signs in, and as whom it is connected now."""
    tenant = asked.tenant.name or asked.tenant.id
    found = [] if look_of(asked)["name"] == tenant else [(say.tenant, _short(tenant))]
    if asked.session.end_user:
        found.append((say("for"), _short(asked.session.end_user)))
    if granted:
        found.append((say.granted, ", ".join(asked.providers.get(name, name) for name in granted)))
    left = [asked.providers[name] for name in way.consents if name not in granted]
    if left:
        found.append((say.provider, ", ".join(dict.fromkeys(left))))
    if asked.account is not None and identity_of(asked.identity):
        found.append((say.connected_as, identity_of(asked.identity)))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a form was filled with before, which of its fields are wrong, the host that it is sent to, and the schemes
    for which access was granted already: what else is typed was before that.
    """

    host: str
    typed: Mapping[str, str] = field(default_factory=dict, repr=False)
    lacking: Sequence[str] = ()
    granted: Sequence[str] = ()


def form_values(asked: Asked, way: Way, say: Say, written: Written) -> dict[str, Any]:
    """The values of the form for one way. What was typed before stands there again, but for secrets."""
    lacking, host = written.lacking, written.host
    app, name = app_of(asked), look_of(asked)["name"]
    again = asked.account is not None
    scheme = way.next(written.granted)
    provider = asked.providers.get(scheme, "")
    fields = [] if written.granted else [_field(one, say, written.typed, lacking) for one in asked.fields(way)]
    _tell_apart(fields, [] if written.granted else asked.fields(way))
    first = next((one for one in fields if one["wrong"] or not lacking), None)
    for one in fields:
        one["focus"] = one is first
    return {
        **look_of(asked),
        "title": say("title_again" if again else "title", app=app),
        "lead": say("lead_again" if again else "lead", app=app, name=name),
        "facts": facts_of(asked, way, say, written.granted),
        "way": way.number,
        "fields": fields,
        "scopes": _scopes(asked, way, scheme),
        "button": say("continue_to", provider=provider) if scheme else say.connect,
        "others": _others(asked, way, say),
        "safe": say("safe_consent", provider=provider, host=host) if scheme and not fields else say("safe", host=host),
        "until": say("until", until=_moment(asked.session.expires_at)),
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _field(one: Field, say: Say, typed: Mapping[str, str], lacking: Sequence[str]) -> dict[str, Any]:
    return {
        "name": one.name,
        "label": _label(one, say),
        "described": say("blank", provider=one.provider) if one.provider else _short(one.description),
        "choices": one.choices,
        "value": "" if one.secret else typed.get(one.name, one.value),
        "required": one.required,
        "secret": one.secret,
        "wrong": one.name in lacking,
    }


def _tell_apart(fields: Sequence[dict[str, Any]], of: Sequence[Field]) -> None:
    """Fields that would be called alike say for which security scheme of the document each is."""
    times = Counter(one["label"] for one in fields)
    for shown, one in zip(fields, of, strict=True):
        if times[shown["label"]] > 1 and one.scheme is not None:
            shown["label"] = f"{shown['label']} ({_short(one.scheme.id)})"


def _label(one: Field, say: Say) -> str:
    if one.kind == "variable":
        name = _short(one.title.replace("_", " "))
        return f"{name[:1].upper()}{name[1:]}"
    if one.kind == "token" and one.scheme is not None and one.scheme.kind == "apiKey":
        return say("key", title=_short(one.title))
    return say(one.kind)


def _scopes(asked: Asked, way: Way, scheme: str) -> list[tuple[str, str]]:
    if not scheme:
        return []
    consent = asked.consent(way, scheme, {})
    told = _described(consent.scheme)
    return [(scope, _short(told.get(scope, ""))) for scope in consent.scopes[:_MOST_SCOPES]]


def _described(scheme: SecurityScheme) -> dict[str, str]:
    """What the document says of each scope."""
    found: dict[str, str] = {}
    flows = scheme.details.get("flows")
    for flow in flows.values() if isinstance(flows, Mapping) else ():
        scopes = flow.get("scopes") if isinstance(flow, Mapping) else None
        if isinstance(scopes, Mapping):
            found |= {name: text for name, text in scopes.items() if isinstance(text, str)}
    return found


def _others(asked: Asked, way: Way, say: Say) -> list[dict[str, str]]:
    others = (other for other in asked.ways if other.number != way.number)
    return [{"url": f"?way={other.number}", "label": _way(asked, other, say)} for other in others]


def _way(asked: Asked, way: Way, say: Say) -> str:
    if way.consents:
        return say("way_consent", provider=", ".join(dict.fromkeys(asked.providers[name] for name in way.consents)))
    if not way.typed:
        return say.way_nothing
    kinds = [asked.needs.schemes[name] for name in way.typed]
    words = dict.fromkeys(_what(scheme, say) for scheme in kinds)
    return say("way_typed", what=", ".join(words))


def _what(scheme: SecurityScheme, say: Say) -> str:
    if scheme.kind == "apiKey":
        return f"{say.what_key} ({_short(scheme.name)})"
    return say.what_login if scheme.scheme == "basic" else say.what_token


def problem_of(error: ApiloomError, say: Say, provider: str) -> tuple[str, str]:
    """What is said of a refusal, and what to do. What a provider or a library said is never repeated."""
    if say.knows(error.code):
        return say.problem(error.code, provider=provider or "?")
    if isinstance(error, UpstreamError) or error.code.startswith(("oauth.", "net.")):
        return say.problem("unreachable", provider=provider or "?")
    if error.actor == "house":
        return say.problem("error")
    if say.lang == "en":
        return f"{error.message[:1].upper()}{error.message[1:]}.", f"{error.hint[:1].upper()}{error.hint[1:]}"
    return say.problem("refused")


def back_to(url: str, session: str, code: str) -> str:
    """The vendor's page with what came of the session; what its query had stays."""
    if not url:
        return ""
    parts = urlsplit(url)
    more = urlencode({"connect_session": session} | ({"connect_code": code} if code else {}), quote_via=quote)
    return parts._replace(query=f"{parts.query}&{more}" if parts.query else more).geturl()
