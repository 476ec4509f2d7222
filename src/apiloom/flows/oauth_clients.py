"""OAuth clients: the vendor's own apps at providers, per connector, and what a tenant overrides of them.

A client's secret or private key goes in and never comes out: it is sealed under its tenant's key, or under the house's
own. It never follows the client to other endpoints. Knows no provider and no request: who may be named is asked of
:class:`~apiloom.flows.ground.Ground`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from apiloom.base import json
from apiloom.base.errors import CallerError
from apiloom.base.ids import fresh
from apiloom.base.merging import merged
from apiloom.base.nearest import nearest
from apiloom.flows import events, fields
from apiloom.flows.asking import Affected, Page, Query, Removal, Removed
from apiloom.flows.audit import note
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.ground import Ground
from apiloom.flows.parts import connector_named
from apiloom.flows.reached import Reached, home
from apiloom.flows.removing import check_free, removed, removing
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_commands, check_end_user, check_reaches
from apiloom.model.api import SecurityScheme
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Grant, OAuthClient

CALLBACK = "/connect/callback"
"""The path that providers send people back to: as it is for the house's clients, with its id for a tenant's."""

METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "none",
)
ENDPOINTS = ("authorization_url", "token_url", "device_url", "revocation_url", "identity_url", "issuer")
PROOFS = ("client_secret", "private_key", "ref")
"""What a client proves itself with: a text, a key (PEM, or a JWK in JSON), each of which may be a reference to where it
lies, and in short the reference alone for a text that lies elsewhere."""

_PATCHED = ("provider", "client_id", "method", "secret", "scopes", "endpoints", "parameters", "label")
_MEMBERS = ("tenant", "connector", "scheme", *_PATCHED)
_BESIDE_KEY = frozenset({"private_key", "key_id", "algorithm"})
_RESERVED = frozenset({"response_type", "client_id", "redirect_uri", "state", "nonce", "scope", "code_challenge"})
_LONGEST_SECRET = 16 * 1024
_LONGEST_URL = 2048
_CLIENTS: Reached[OAuthClient] = Reached(
    kind="oauth-clients",
    one="oauth_client",
    rows=lambda scope: scope.oauth_clients,
    filters={"connector": str, "tenant": str, "scheme": str, "provider": str, "client_id": str},
)


def way_back(client: OAuthClient) -> str:
    """What stands below :data:`CALLBACK` for a client: the id of a tenant's, nothing for the house's.

    Whoever answers for a tenant's endpoints can so never pass off what a provider gave to another client: each comes
    back elsewhere (RFC 9700 section 4.4.2.2).
    """
    return "" if client.tenant is None else client.id


def redirect_uri(ground: Ground, client: OAuthClient) -> str:
    """What is registered with a provider as the redirect URI of a client."""
    below = way_back(client)
    return f"{ground.public_url}{CALLBACK}{f'/{below}' if below else ''}"


async def create_oauth_client(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> OAuthClient:
    """A new OAuth client of a connector: the principal's tenant's, or for the house's roles that of ``tenant`` or of
    the house, which serves every tenant without one of its own.

    Raises:
        CallerError: ``connector.not_found``, ``tenant.not_found``, ``field.…``, ``oauth_client.…``,
            ``identity.forbidden``, ``store.exists`` when there is one for this connector, scheme and tenant.
    """
    wanted = fields.members(wanted, _MEMBERS)
    named = fields.optional_text(wanted.get("tenant"), "tenant")
    slug = fields.text(wanted.get("connector"), "connector", least=1)
    scheme = fields.text(wanted.get("scheme") or "", "scheme")
    blank = OAuthClient(id=fresh("ocl"), connector=slug, scheme=scheme, created_by=who.id, created_at=ground.now())
    asked = _patched(ground, blank, {"client_id": None, **wanted})
    proof = await _placed(ground, asked, _proof(wanted.get("secret"), who))

    async def change(work: Work) -> OAuthClient:
        tenant, scope = await _CLIENTS.place(work, who, named)
        check_end_user(who, None)  # everybody of the tenant connects through it
        await connector_named(scope, slug)
        kept = await scope.oauth_clients.add(await _sealed(ground, scope, replace(asked, tenant=tenant), proof))
        await note(ground, scope, who, "create", kept, connector=slug, scheme=scheme)
        return kept

    return await changing(ground, change)


def _patched(ground: Ground, client: OAuthClient, patch: Mapping[str, Any]) -> OAuthClient:
    """The client with those members of ``patch`` that are nobody's secret; null takes the default back."""
    changed = client
    if "label" in patch:
        changed = replace(changed, label=fields.text(patch["label"] or "", "label"))
    if "client_id" in patch:
        text = fields.text(patch["client_id"] or "", "client_id", least=1, most=_LONGEST_URL)
        changed = replace(changed, client_id=text)
    if "provider" in patch:
        changed = replace(changed, provider=_provider(ground, patch["provider"] or ""))
    if "method" in patch:
        changed = replace(changed, method=_one_of(patch["method"] or "", ("", *METHODS), "method"))
    if "scopes" in patch:
        changed = replace(changed, scopes=_scopes(patch["scopes"] or ()))
    if "endpoints" in patch:
        changed = replace(changed, endpoints=_endpoints(_merged(client.endpoints, patch["endpoints"])))
    if "parameters" in patch:
        changed = replace(changed, parameters=_parameters(_merged(client.parameters, patch["parameters"])))
    return changed


def _merged(kept: Mapping[str, Any], patch: Any) -> Any:
    return {} if patch is None else merged(kept, patch)


def _provider(ground: Ground, value: Any) -> str:
    """A known provider, or none."""
    name = fields.text(value, "provider", most=60)
    known = ground.providers()
    if name and known and name not in known:
        close = nearest(name, sorted(known))
        raise fields.refused(
            "provider",
            f"names no known provider: {name[:60]!r}",
            code="oauth_client.provider",
            hint=f"did you mean {' or '.join(close)}?" if close else "leave it out, and give the endpoints",
        )
    return name


def _one_of(value: Any, known: tuple[str, ...], member: str) -> str:
    text = fields.text(value, member)
    if text not in known:
        raise fields.refused(member, f"must be one of {', '.join(one for one in known if one)}")
    return text


def _scopes(value: Any) -> tuple[str, ...]:
    """RFC 6749 section 3.3: no blank, no quotation mark, no backslash."""
    scopes = fields.texts(value, "scopes")
    for scope in scopes:
        if not scope.isascii() or not set(scope).isdisjoint(' "\\'):
            raise fields.refused("scopes", "holds what no scope may have: a blank, a quotation mark or a backslash")
    return scopes


def _endpoints(value: Any) -> dict[str, str]:
    """Addresses by name, each with https; plain http leads to this machine alone."""
    given = fields.values(fields.members(value, ENDPOINTS), "endpoints", longest=_LONGEST_URL)
    for name, url in given.items():
        _check_url(url, fields.inner("endpoints", name))
    return given


def _check_url(url: str, member: str) -> None:
    try:
        parts = urlsplit(url)
        host, port, plain = parts.hostname or "", parts.port, parts.scheme == "http"
    except ValueError:
        raise fields.refused(member, "must be an https:// URL", code="oauth_client.endpoint") from None
    local = host in {"localhost", "127.0.0.1", "::1"}
    fine = (parts.scheme == "https" or (plain and local)) and host and port != 0
    if not fine or "@" in parts.netloc or "#" in url or " " in url or not url.isascii():
        raise fields.refused(member, "must be an https:// URL without user and fragment", code="oauth_client.endpoint")


def _parameters(value: Any) -> dict[str, str]:
    given = fields.values(value, "parameters")
    taken = sorted(_RESERVED & given.keys())
    if taken:
        raise fields.refused("parameters", f"may not hold {', '.join(taken)}: apiloom sets it")
    return given


def _proof(value: Any, who: Principal) -> dict[str, Any] | None:
    """What a client proves itself with, checked by its form alone; None where nothing is given.

    Raises:
        CallerError: ``field.…``; ``identity.forbidden`` for a reference by whoever may not name places of the host.
    """
    if value is None:
        return None
    given: Any = {"client_secret": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not _is_proof(frozenset(given)):
        raise fields.refused("secret", "must be a text, {client_secret}, {private_key, key_id, algorithm} or {ref}")
    elsewhere = {name for name, value in given.items() if isinstance(value, Mapping) and set(value) == {"ref"}}
    for name in given:
        text = given[name]["ref"] if name in elsewhere else given[name]
        if not isinstance(text, str) or not text.strip():
            raise fields.refused("secret", "must hold texts that are not empty")
        if len(text) > _LONGEST_SECRET:
            raise fields.refused("secret", "is too long", code="field.bounds")
    if not elsewhere <= {"client_secret", "private_key"}:
        raise fields.refused("secret", "names another place for what is no secret")
    if "ref" in given or elsewhere:
        check_commands(who)
    return dict(given)


def _is_proof(names: frozenset[str]) -> bool:
    return names in ({"client_secret"}, {"ref"}) or ("private_key" in names and names <= _BESIDE_KEY)


async def _placed(ground: Ground, client: OAuthClient, proof: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What a client proves itself with, and the places where that belongs: a document that names others later is not
    followed there.
    """
    if not proof:
        return None
    if ground.grants is None:
        return {**proof, "at": []}
    async with ground.store.reading() as work:
        return {**proof, "at": list(await ground.grants.places(work, client))}


async def _sealed(ground: Ground, scope: Scope, client: OAuthClient, proof: Mapping[str, Any] | None) -> OAuthClient:
    if not proof:
        return replace(client, sealed=b"", proof="")
    try:
        plain = json.canonical(proof)
    except (ValueError, TypeError):
        raise fields.refused("secret", "holds what is no text in UTF-8") from None
    sealed = await ground.sealing.seal(scope, client.tenant or "", client.id, plain)
    return replace(client, sealed=sealed, proof=next(name for name in PROOFS if name in proof))


async def load_client(scope: Scope, connector: str, scheme: str, tenant: str) -> OAuthClient | None:
    """The OAuth client that serves a tenant for one security scheme of a connector: its own goes before the house's,
    and one for this scheme before one for all.
    """
    for owner in (tenant, None):
        there = {
            client.scheme: client
            for client in await scope.oauth_clients.every({"connector": connector, "tenant": owner})
        }
        found = there.get(scheme) or there.get("")
        if found is not None:
            return found
    return None


async def load_clients(
    scope: Scope, connector: str, schemes: Mapping[str, SecurityScheme], tenant: str
) -> Mapping[str, OAuthClient]:
    """The OAuth client of each of a connector's schemes that has one: :func:`load_client`."""
    found = {}
    for name, scheme in schemes.items():
        if scheme.kind in ("oauth2", "openIdConnect"):
            client = await load_client(scope, connector, name, tenant)
            if client is not None:
                found[name] = client
    return found


async def list_oauth_clients(ground: Ground, who: Principal, query: Query) -> Page[OAuthClient]:
    """The OAuth clients that a principal sees: its own, and the house's for connectors shown to it."""
    return await _CLIENTS.page(ground, who, query)


async def read_oauth_client(ground: Ground, who: Principal, id_: str) -> OAuthClient:
    """One OAuth client.

    Raises:
        CallerError: ``oauth_client.not_found``, ``identity.forbidden``.
    """
    return await _CLIENTS.read(ground, who, id_)


async def patch_oauth_client(
    ground: Ground, who: Principal, id_: str, patch: Mapping[str, Any], if_match: int | None = None
) -> OAuthClient:
    """Change members of a client by a merge patch (RFC 7396). ``secret`` is replaced whole; null removes it.

    Raises:
        CallerError: ``oauth_client.not_found``; ``oauth_client.moved`` when a secret that is kept would go to other
            endpoints; ``field.…``, ``store.stale``, and as :func:`create_oauth_client`.
    """
    patch = fields.members(patch, _PATCHED)
    proof: Mapping[str, Any] | None = _proof(patch.get("secret"), who)
    if proof:
        before = await read_oauth_client(ground, who, id_)
        proof = await _placed(ground, _patched(ground, before, patch), proof)

    async def change(work: Work) -> OAuthClient:
        client = await _CLIENTS.find(work, who, "update", id_)
        scope = home(work, client)
        check_revision(client, if_match)
        _check_whose(who, client)
        changed = _patched(ground, client, patch)
        if "secret" in patch:
            changed = await _sealed(ground, scope, changed, proof)
        else:
            _check_unmoved(client, changed)
        if changed == client:
            return client
        kept = await scope.oauth_clients.save(changed, client.revision)
        await note(ground, scope, who, "update", kept, changed=sorted(patch))
        return kept

    return await changing(ground, change, if_match)


def _check_whose(who: Principal, client: OAuthClient) -> None:
    """That whoever changes a client may act for everybody who connects through it."""
    check_end_user(who, None)
    check_reaches(who, role="", tenant=client.tenant)


def _check_unmoved(before: OAuthClient, after: OAuthClient) -> None:
    """A secret that is kept is sent nowhere else than where it belonged when it was given."""
    if before.sealed and (before.endpoints, before.provider) != (after.endpoints, after.provider):
        raise CallerError(
            "the change leads to other endpoints, where the secret of this client does not belong",
            code="oauth_client.moved",
            hint="give the secret again in the same request, or remove it by null",
            pointer="/endpoints",
        )


async def delete_oauth_client(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """Remove an OAuth client. What accounts were granted with it cannot be renewed any more: with ``cascade`` it needs
    to be connected anew.

    Raises:
        CallerError: ``oauth_client.not_found``, ``oauth_client.depended_on``, ``store.stale``.
    """

    async def change(work: Work) -> Removed:
        client = await _CLIENTS.find(work, who, "delete", id_)
        scope = home(work, client)
        check_revision(client, how.if_match)
        _check_whose(who, client)
        if not how.plan:
            await scope.oauth_clients.remove(client.id)
        grants = await scope.grants.every({"client": client.id})
        affected = tuple(Affected(kind="grant", id=grant.id, becomes="changed") for grant in grants)
        check_free("oauth_client", client.id, affected, how)
        if not how.plan:
            for grant in grants:
                await _end(ground, scope, grant)
            await note(ground, scope, who, "delete", client, grants=len(grants))
        return removed("oauth_client", client.id, affected, how)

    return await removing(ground, change, how)


async def _end(ground: Ground, scope: Scope, grant: Grant) -> None:
    """A grant whose client is gone: what it holds lives until its end, and then only a person can help."""
    if grant.state == "needs_reconnect":
        return
    now, code = ground.now(), "oauth.client"
    ended = replace(grant, state="needs_reconnect", refresh_at=None, last_error=code, last_error_at=now)
    await scope.grants.save(ended, grant.revision)
    await events.record_of_grant(scope, grant, events.NEEDS_RECONNECT, at=now, code=code)
