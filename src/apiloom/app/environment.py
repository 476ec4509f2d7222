"""Credentials as the machine holds them: environment variables and a file only we can read.

The names are those of ``docs/credentials.md``. No value is ever repeated in a sentence made here; a secret stands on
no command line and in no document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apiloom.base import json, plugins
from apiloom.base.secret import InTheClear, closed
from apiloom.console.cli.platform.private import read_credentials
from apiloom.model.api import SecurityScheme
from apiloom.model.variables import variable_name
from apiloom.vault.credentials import Credential, Credentials
from apiloom.vault.given import parse_credentials, single_value
from apiloom.vault.signers import DEFAULT, default_schemes
from apiloom.vault.templates import MEMBERS

CERTIFICATE = "APILOOM_CLIENT_CERTIFICATE"
"""Names the PEM file with the certificate and key that are shown to servers which ask for one."""

_OBJECTS = (MEMBERS, frozenset({"username", "password"}), frozenset({"certificate", "private_key"}))
"""Forms whose members may all be objects: those of a template, and references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What one source was given. ``schemes`` are the document's and the one ``--auth`` defines; ``warnings`` are
    sentences for whoever started us.
    """

    credentials: Credentials
    schemes: Mapping[str, SecurityScheme]
    warnings: tuple[str, ...] = ()


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialPlaces(InTheClear):
    """Where credentials may stand. ``file`` is the path of a credentials file, empty for none; ``auth`` the value of
    ``--auth``; ``slugs`` those of all sources served together.
    """

    environment: Mapping[str, str] = field(repr=False)
    slugs: tuple[str, ...] = ()
    file: str = ""
    auth: str = ""

    @property
    def alone(self) -> bool:
        """Whether there is one source only, so that variables and file entries need not name it."""
        return len(self.slugs) <= 1


def given_credentials(schemes: Mapping[str, SecurityScheme], slug: str, places: CredentialPlaces) -> Given:
    """The credentials of one source: from the file, else the variable that names its slug, else the short one.

    With several sources the short variables and flat file entries belong to nobody: a key must never reach a source
    it was not meant for.

    Raises:
        DesignError: ``credentials.*`` for a file or value that cannot be used, ``auth.kind`` for an unknown ``--auth``.
    """
    if places.auth:
        schemes = {**schemes, **default_schemes(places.auth)}
    environment = places.environment
    found: dict[str, Credential] = {}
    told = "" if places.alone else slug
    for scheme in schemes:
        names = [variable_name(scheme, slug)] + ([variable_name(scheme)] if places.alone else [])
        value = next((environment[name] for name in names if environment.get(name)), "")
        if value:
            found[scheme] = single_value(scheme, _referred(value, environment))
        elif schemes[scheme].kind == "mutualTLS" and environment.get(CERTIFICATE):
            found[scheme] = Credential()
    written, warnings = _from_file(schemes, slug, places)
    found.update(written.by_scheme)
    for scheme in written.forms:
        found.pop(scheme, None)
    warnings += [
        f"{places.file} names {scheme}, which is no security scheme of this API: {_there_are(schemes)}"
        for scheme in sorted({*written.by_scheme, *written.forms})
        if scheme not in schemes
    ]
    warnings += _unused(schemes, slug, places)
    for scheme in default_schemes(places.auth) if places.auth else ():
        if scheme not in found and scheme not in written.forms:
            warnings.append(f"--auth {places.auth} has no secret yet: set {variable_name(scheme, told)}")
    return Given(credentials=Credentials(found, written.forms), schemes=schemes, warnings=tuple(warnings))


def _referred(value: str, environment: Mapping[str, str]) -> str:
    """The value of a variable, or what it refers to: written as in a credentials file, so that no secret looks so."""
    if not value.startswith('{"ref"'):
        return value
    try:
        told = json.loads(value)
    except ValueError:
        return value
    reference = told.get("ref") if isinstance(told, dict) and set(told) == {"ref"} else None
    return _resolved(reference, environment) if isinstance(reference, str) else value


def _from_file(
    schemes: Mapping[str, SecurityScheme], slug: str, places: CredentialPlaces
) -> tuple[Credentials, list[str]]:
    if not places.file:
        return Credentials(), []
    raw = read_credentials(Path(places.file))
    by_source = {name: value for name, value in raw.items() if _is_group(value) and name in places.slugs}
    # one file may hold what several sources want, of which only some are here
    others = [name for name, value in raw.items() if _is_group(value) and name not in {*by_source, *schemes}]
    flat = {name: value for name, value in raw.items() if name not in {*by_source, *others}}
    warnings = []
    if others:
        listed, here = ", ".join(sorted(others)[:20]), ", ".join(places.slugs[:20])
        warnings.append(f"{places.file} speaks of sources that are not here: {listed}; there is {here}")
    if flat and not places.alone:
        flat = {}
        warnings.append(
            f"{places.file} has entries that name no source; with several sources write "
            f'{{"{slug}": {{"SCHEME": {{…}}}}}}'
        )
    chosen = {**flat, **by_source.get(slug, {})}
    return parse_credentials(chosen, lambda reference: _resolved(reference, places.environment)), warnings


def _is_group(value: Any) -> bool:
    """Whether a member holds schemes of one source rather than the parts of one credential."""
    if not isinstance(value, dict) or set(value) in _OBJECTS:
        return False
    return bool(value) and all(isinstance(part, dict) for part in value.values())


def _resolved(reference: str, environment: Mapping[str, str]) -> str:
    """What a reference stands for, read once: what follows it is loaded when there is one."""
    found: str = plugins.load("apiloom.app.references:follow_now")(reference, environment)
    return found


def _unused(schemes: Mapping[str, SecurityScheme], slug: str, places: CredentialPlaces) -> list[str]:
    """A sentence for each variable that looks like ours and is used by nothing, most often a misspelt scheme."""
    prefixes = [variable_name("", slug), *([variable_name("")] if places.alone else [])]
    known = {variable_name(scheme, part) for scheme in schemes for part in ("", slug)}
    told = "" if places.alone else slug
    sentences = []
    for name in sorted(places.environment):
        if name in known or not places.environment[name]:
            continue
        if any(name.startswith(prefix) and len(name) > len(prefix) for prefix in prefixes):
            if name in {variable_name(DEFAULT), variable_name(DEFAULT, slug)}:
                sentences.append(f"{name} is set, but nothing says how to send it: add --auth bearer (or header:NAME)")
            else:
                sentences.append(f"{name} names no security scheme of this API, which {_takes(schemes, told)}")
    if not places.alone:
        shorts = sorted(name for name in {variable_name(scheme) for scheme in schemes} if places.environment.get(name))
        sentences += [f"{name} is not used: with several sources write {variable_name('', slug)}…" for name in shorts]
    return sentences


def _takes(schemes: Mapping[str, SecurityScheme], slug: str) -> str:
    names = sorted(
        {CERTIFICATE if given.kind == "mutualTLS" else variable_name(name, slug) for name, given in schemes.items()}
    )
    return f"takes {', '.join(names[:20])}" if names else "declares none (--auth defines one)"


def _there_are(schemes: Mapping[str, SecurityScheme]) -> str:
    return f"there are {', '.join(sorted(schemes)[:20])}" if schemes else "it declares none (--auth defines one)"
