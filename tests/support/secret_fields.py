"""Every field that takes a secret, and the canary that the hunt puts into it: a new one is missed here, not forgotten.

``test_leak_fields.py`` compares this with the code's own tables; the hunts check that each canary was put in, and
that each place which makes a secret was really reached.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from support.source import modules

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "token": ("bearer", "custom scheme"),
    "key": ("header key", "query key", "cookie key"),
    "password": ("password",),
    "values": ("template value",),
    "access_key_id": ("AWS key id",),
    "secret_access_key": ("AWS secret key",),
    "session_token": ("AWS session token",),
    "private_key": ("certificate key line 0", "client key line 0", "house client key line 0"),
    "service_account": ("service key line 0",),
    "client_secret": ("own client secret", "other client secret", "house client secret"),
    "access_token": ("brought access token",),
    "refresh_token": ("brought refresh token",),
    "ref": ("referenced file", "referenced MIRROR_SECRET", "referenced MIRROR_CLIENT"),
}
"""Members of credentials and of OAuth clients that are secrets, and canaries that stand there."""

OPEN: Mapping[str, str] = {
    "username": "names whose password it is; where the password is empty it is one, and is hidden like one",
    "certificate": "every server is shown it (RFC 8446 section 4.4.2)",
    "headers": "the places in them are filled with values; the rest is shown by the dry run",
    "region": "a place",
    "service": "a place",
    "client_id": "stands in the address line of every browser that is sent to the provider (RFC 6749 section 2.2)",
    "method": "a word of RFC 8414",
    "scopes": "names of rights",
    "audience": "a name",
    "resource": "a URL",
    "provider": "a name",
    "token_url": "a URL",
    "revocation_url": "a URL",
    "identity_url": "a URL",
    "issuer": "a name",
    "subject": "a name",
    "key_id": "is told beside each signature (RFC 7515 section 4.1.4)",
    "algorithm": "a word of RFC 7518",
    "expires_at": "a moment",
}
"""Members beside them that are no secrets, each with the reason."""

HUNTED = frozenset(
    f"apiloom.{place}"
    for place in [
        "app.gateway.connecting.Consents.begin",
        "app.gateway.connecting.Consents.finish",
        "app.gateway.connecting.Consents.finish_device",
        "app.gateway.connecting.Consents.unpack",
        "app.gateway.delegating.Exchanges._asked",
        "app.gateway.delegating.lent_in",
        "app.gateway.grants.open_tokens",
        "app.gateway.identifying.Identifying._more",
        "app.gateway.issuers.Issuers._introspect",
        "app.gateway.key_sources.KeyringKeys._write",
        "app.gateway.key_sources.key_sources",
        "app.gateway.living.Alive.signing",
        "app.gateway.node.Node._verified",
        "app.gateway.signin.Reception._secret",
        "app.gateway.terms.Renewing.keys",
        "app.gateway.vouching._begun",
        "app.references._token",
        "console.signin.devices.Devices._type_in",
        "flows.connect_people._question",
        "flows.device_sign_ins.start",
        "flows.sign_ins.begin",
        "flows.sign_ins.consented",
        "flows.sign_ins.identified",
        "flows.sign_ins.returned.change",
        "flows.token_families.issued_for",
        "vault.certificates.parse_certificate",
        "vault.forms._Reading.secret",
        "vault.given._pair",
        "vault.given._secret",
        "vault.keyrings.read_entry",
        "vault.oauth.asking._refresh_token",
        "vault.oauth.asking.read_tokens",
        "vault.oauth.authorizing.read_callback",
        "vault.oauth.device._read",
        "vault.references.follow",
        "vault.references.read_secret_file",
        "vault.transit.Bao.read",
    ]
)
"""Places that make a ``Secret`` and that a hunt walks through: what they make is looked for."""

UNHUNTED: Mapping[str, str] = {
    "apiloom.app.gateway.delegating._Lent.preview": "three stars, which stand where a secret would",
    "apiloom.vault.forms._imported": "an empty text, where no token was brought",
}
"""Places that no hunt looks for, each with the reason: they make no secret."""


def makers() -> Iterator[tuple[str, int]]:
    """Every place of the package that makes a ``Secret``, by the dotted name of its function."""
    for module in modules():
        yield from _makers(module.tree, module.dotted)


def _makers(node: ast.AST, place: str) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = f"{place}.{child.name}" if named else place  # type: ignore[attr-defined]
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "Secret":
            yield place, child.lineno
        yield from _makers(child, inner)
