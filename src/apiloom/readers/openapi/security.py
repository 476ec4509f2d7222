"""Security schemes and what operations need of them. Knows no secret and asks for none."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

from apiloom.base.values import replace
from apiloom.model.api import SecurityNeed, SecurityScheme
from apiloom.model.security import AWS_SIGNATURE, unsignable
from apiloom.model.variables import variable_name
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.spot import Dangling, Spot
from apiloom.readers.spelled import plain

_FLOWS = {
    "implicit": "implicit",
    "password": "password",
    "application": "clientCredentials",
    "accessCode": "authorizationCode",
}
"""Swagger 2.0's names of OAuth flows, by those of OpenAPI 3."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_KINDS = {kind.lower(): kind for kind in ("apiKey", "http", "oauth2", "openIdConnect", "mutualTLS")}


def read_schemes(reading: Reading, value: object, spot: Spot) -> dict[str, SecurityScheme]:
    """``securitySchemes`` or ``securityDefinitions`` by name. What cannot be read is left out with a finding."""
    if not isinstance(value, dict):
        return {}
    schemes: dict[str, SecurityScheme] = {}
    for name in sorted(value):
        here = spot.to(name)
        try:
            raw, place = reading.follow(value[name], here)
        except Dangling as fault:
            reading.note("warning", "security.invalid", f"{fault}; the security scheme was left out", here)
            continue
        scheme = _scheme(reading, name, raw, place) if isinstance(raw, dict) else None
        if scheme is None:
            reading.note("warning", "security.invalid", f'the security scheme "{name}" cannot be read', here)
        else:
            schemes[name] = scheme
            _note_how(reading, scheme, here)
    return schemes


def _note_how(reading: Reading, scheme: SecurityScheme, spot: Spot) -> None:
    """One sentence for each scheme whose credential is not simply written down."""
    name, variable = scheme.id[:80], variable_name(scheme.id[:80])
    if scheme.kind == "oauth2":
        flows = ", ".join(sorted(scheme.details.get("flows", ()))) or "no flow named"
        message = f'"{name}" is OAuth 2 ({flows[:120]}): give a client in a credentials file, or a token in {variable}'
        reading.note("note", "security.oauth", message, spot)
    elif scheme.kind == "openIdConnect":
        message = f'"{name}" is OpenID Connect: give a client in a credentials file, or a token in {variable}'
        reading.note("note", "security.open_id_connect", message, spot)
    elif scheme.kind == "mutualTLS":
        message = f'"{name}" is a client certificate: name its PEM file in APILOOM_CLIENT_CERTIFICATE'
        reading.note("note", "security.mutual_tls", message, spot)
    elif scheme.details.get("signs") == AWS_SIGNATURE:
        message = f'"{name}" is AWS Signature: give its keys in a credentials file, or at an account'
        reading.note("note", "security.aws", message, spot)
    elif unsignable(scheme):
        message = f'"{name}" {unsignable(scheme)[:160]}, and is not supported; calls go out without it'
        reading.note("warning", "security.unsupported", message, spot)


def _scheme(reading: Reading, name: str, raw: dict[str, Any], spot: Spot) -> SecurityScheme | None:
    stated = raw.get("type")
    kind = str(stated).strip().lower()
    description = reading.text(raw, "description", spot)
    if kind in ("basic", "bearer"):
        # Swagger 2.0 has type basic; in OpenAPI 3 authors write both by mistake.
        return SecurityScheme(id=name, kind="http", scheme=kind, description=description)
    if kind == "http":
        scheme = str(raw.get("scheme") or "").strip().lower()
        details = {"bearerFormat": raw["bearerFormat"]} if isinstance(raw.get("bearerFormat"), str) else {}
        if not _TOKEN.fullmatch(scheme):
            return None
        if scheme not in ("basic", "bearer"):
            details["spelled"] = str(raw["scheme"]).strip()
        return SecurityScheme(id=name, kind="http", scheme=scheme, description=description, details=details)
    if kind == "apikey":
        place, key = str(raw.get("in")).strip().lower(), raw.get("name")
        if place not in ("query", "header", "cookie") or not isinstance(key, str) or not key:
            return None
        if place != "query" and not _TOKEN.fullmatch(key):
            return None
        known = cast('Literal["query", "header", "cookie"]', place)
        signs = raw.get("x-amazon-apigateway-authtype")
        details = {"signs": AWS_SIGNATURE} if str(signs).lower() == "awssigv4" else {}
        return SecurityScheme(id=name, kind="apiKey", place=known, name=key, description=description, details=details)
    if kind == "oauth2":
        return SecurityScheme(id=name, kind="oauth2", description=description, details=_oauth(raw))
    if kind in _KINDS:
        details = {"openIdConnectUrl": raw["openIdConnectUrl"]} if isinstance(raw.get("openIdConnectUrl"), str) else {}
        other = cast('Literal["openIdConnect", "mutualTLS"]', _KINDS[kind])
        return SecurityScheme(id=name, kind=other, description=description, details=details)
    return None


def _oauth(raw: dict[str, Any]) -> dict[str, Any]:
    """The flows in OpenAPI 3's shape."""
    details: dict[str, Any] = {}
    if isinstance(raw.get("flows"), dict):
        details["flows"] = {name: flow for name, flow in raw["flows"].items() if isinstance(flow, dict)}
    elif str(raw.get("flow")) in _FLOWS:
        members = ("authorizationUrl", "tokenUrl", "refreshUrl", "scopes")
        details["flows"] = {_FLOWS[raw["flow"]]: {key: raw[key] for key in members if key in raw}}
    if isinstance(raw.get("oauth2MetadataUrl"), str):
        details["oauth2MetadataUrl"] = raw["oauth2MetadataUrl"]
    kept: dict[str, Any] = plain(details)
    return kept


def read_security(reading: Reading, value: object, spot: Spot) -> tuple[SecurityNeed, ...] | None:
    """A ``security`` list: alternatives of needs. None when it is absent or says nothing that can be read."""
    if value is None:
        return None
    if not isinstance(value, list):
        reading.note("warning", "security.invalid", "security is not a list; it was left out", spot)
        return None
    needs: dict[SecurityNeed, None] = {}
    for index, each in enumerate(value):
        if not isinstance(each, dict):
            reading.note(
                "warning", "security.invalid", "a security requirement is no object; it was left out", spot.to(index)
            )
            continue
        needs[tuple(sorted((_named(reading, name, spot), _scopes(each[name])) for name in each))] = None
    if value and not needs:
        return None
    return tuple(needs)


def _named(reading: Reading, name: str, spot: Spot) -> str:
    """The scheme that a requirement names: by its name, or by a reference to where it stands (OpenAPI 3.2)."""
    if name in reading.schemes or "/" not in name:
        return name
    try:
        raw, place = reading.follow({"$ref": name}, spot)
    except Dangling:
        return name  # told as a scheme that is not defined
    id_ = place.pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    scheme = _scheme(reading, id_, raw, place) if isinstance(raw, dict) else None
    if scheme is None:
        return name
    if reading.schemes.setdefault(id_, scheme) == scheme:
        return id_
    reading.schemes[name] = replace(scheme, id=name)  # another one has that name here
    return name


def _scopes(value: object) -> tuple[str, ...]:
    return tuple(scope for scope in value if isinstance(scope, str)) if isinstance(value, list) else ()
