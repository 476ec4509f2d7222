"""Accounts: a tenant's connections to connectors, with credentials that go in and never come out.

Credentials are checked against what the connector's version asks for, sealed together under the tenant's key and the
account's id, and from then on only the names of their schemes are told. Knows no form of credential: that is asked of
:class:`~apiloom.flows.ground.Versions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from apiloom.base import json
from apiloom.base.errors import CallerError, DesignError
from apiloom.base.ids import fresh
from apiloom.base.merging import merged
from apiloom.flows import fields
from apiloom.flows.access import find_account, scope_of, tenant_for
from apiloom.flows.asking import Affected, Page, Query, Removal, Removed, listed
from apiloom.flows.audit import note
from apiloom.flows.blanks import own_variables
from apiloom.flows.changing import changing, check_revision
from apiloom.flows.grants import told_back
from apiloom.flows.ground import Ground
from apiloom.flows.parts import compiled, connector_named, version_of
from apiloom.flows.removing import check_free, remove_account, remove_server, removed, removing
from apiloom.identity.principal import Principal
from apiloom.identity.roles import check_commands, check_end_user, check_may, check_reaches
from apiloom.store.ports import Scope, Work
from apiloom.store.records import Account, Connector, Grant, Server

Credentials = dict[str, dict[str, Any]]
"""By scheme, the members of what was given: texts, references to texts, and objects that hold references."""

_FILTERS = {
    "tenant": str,
    "connector": str,
    "label": str,
    "end_user": str,
    "external_id": str,
    "shared": bool,
    "enabled": bool,
    "metadata": dict,
}
_PATCHED = ("label", "variables", "credentials", "end_user", "external_id", "shared", "enabled", "metadata")
_MEMBERS = ("tenant", "connector", *_PATCHED)

_MOST_SCHEMES = 20
_LONGEST_SECRET = 16 * 1024
_DEEPEST = 3
"""Levels of a member that is an object: a service account with its key elsewhere has two."""
_ADDRESSES = frozenset(
    {
        "token_url",
        "revocation_url",
        "identity_url",
        "issuer",
        "provider",
        "service_account",
        "audience",
        "resource",
        "subject",
    }
)
"""Members of OAuth forms that say where their secrets go, or for whom and to whom something is signed with them."""


async def create_account(ground: Ground, who: Principal, wanted: Mapping[str, Any]) -> Account:
    """A new account of a tenant with a connector that is shown to it.

    Raises:
        CallerError: ``tenant.not_found``, ``connector.not_found``, ``connector.conflict``, ``field.…``,
            ``identity.forbidden``, ``identity.wider``, ``store.exists`` for an external id that is taken.
        DesignError: as :meth:`~apiloom.flows.ground.Versions.check_account`.
    """
    wanted = fields.members(wanted, _MEMBERS)
    tenant_wanted = fields.optional_text(wanted.get("tenant"), "tenant")
    slug = fields.text(wanted.get("connector"), "connector", least=1)
    plain = _plain(Account(id=fresh("acc"), tenant="", connector=slug), wanted)
    variables = fields.values(wanted.get("variables") or {}, "variables")
    credentials = merged_credentials({}, wanted.get("credentials") or {}, who)
    async with ground.store.reading() as work:
        tenant, scope = await _place(work, who, tenant_wanted)
        await _check(ground, scope, slug, variables, credentials)
    account = replace(
        plain,
        tenant=tenant,
        variables=variables,
        schemes=tuple(sorted(credentials)),
        created_by=who.id,
        created_at=ground.now(),
    )
    _check_whose(who, account)

    async def change(work: Work) -> Account:
        _, scope = await _place(work, who, tenant)
        sealed = await ground.sealing.seal(scope, tenant, account.id, _written(credentials)) if credentials else b""
        kept = await scope.accounts.add(replace(account, sealed=sealed))
        await connector_named(scope, slug)  # it may have been taken from the tenant meanwhile
        await note(ground, scope, who, "create", kept, connector=slug, schemes=list(kept.schemes))
        return kept

    return await changing(ground, change)


async def _place(work: Work, who: Principal, wanted: str | None) -> tuple[str, Scope]:
    check_may(who, "create", "accounts", wanted or who.tenant or "default")
    return await tenant_for(work, who, wanted)


def _plain(account: Account, wanted: Mapping[str, Any]) -> Account:
    """The account with those members of ``wanted`` that are nobody's secret; null takes the default back."""
    changed = account
    if "label" in wanted:
        changed = replace(changed, label=fields.text(wanted["label"] or "", "label"))
    if "end_user" in wanted:
        changed = replace(changed, end_user=fields.optional_text(wanted["end_user"], "end_user"))
    if "external_id" in wanted:
        changed = replace(changed, external_id=fields.optional_text(wanted["external_id"], "external_id"))
    if "shared" in wanted:
        changed = replace(changed, shared=fields.flag(wanted["shared"] or False, "shared"))
    if "enabled" in wanted:
        enabled = wanted["enabled"]
        changed = replace(changed, enabled=fields.flag(True if enabled is None else enabled, "enabled"))
    if "metadata" in wanted:
        changed = replace(changed, metadata=fields.patched_metadata(account.metadata, wanted["metadata"]))
    return changed


def _check_whose(who: Principal, account: Account) -> None:
    """That the account is no wider than whoever makes or changes it; it ends by being removed, not by time."""
    check_end_user(who, account.end_user)
    check_reaches(who, role="", tenant=account.tenant)


def merged_credentials(kept: Credentials, patch: Any, who: Principal) -> Credentials:
    """Credentials with a merge patch applied: a scheme set to null goes, one given in another form, or for another
    address, is replaced whole.

    Raises:
        CallerError: ``field.…``, ``identity.forbidden`` for a reference from whoever may not name places of the host.
    """
    if not isinstance(patch, Mapping):
        raise fields.refused("credentials", "must be an object of credentials by scheme")
    result = dict(kept)
    for scheme, given in patch.items():
        member = fields.inner("credentials", fields.text(scheme, "credentials", least=1))
        if given is None:
            result.pop(scheme, None)
            continue
        if not isinstance(given, Mapping) or not given:
            raise fields.refused(member, "must be an object such as {token: …}", code="credentials.form")
        before = result.get(scheme, {})
        # whoever may name another address must not have a secret sent there that they were never shown
        is_moved = any(before.get(name) != _as_text(name, given[name]) for name in _ADDRESSES & given.keys())
        if _holds_reference({name: _as_text(name, value) for name, value in given.items()}):
            check_commands(who)
        result[scheme] = _texts(_joined({} if is_moved or not set(given) <= set(before) else before, given), member)
    if len(result) > _MOST_SCHEMES:
        raise fields.refused("credentials", f"has more than {_MOST_SCHEMES} schemes", code="field.bounds")
    return result


def _joined(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A credential with the members that were given in place of its own, each whole: no part of a reference, or of an
    object that holds one, stays with what somebody else wrote beside it.
    """
    if not before:
        return dict(given)
    joined = {**before, **{name: value if value is None else merged(None, value) for name, value in given.items()}}
    return {name: value for name, value in joined.items() if value is not None}


def _texts(given: Mapping[str, Any], member: str) -> dict[str, Any]:
    """The members of one credential. What they mean is checked elsewhere; no sentence repeats a value."""
    texts = {name: _as_text(name, value) for name, value in given.items()}
    for name, value in texts.items():
        if isinstance(value, Mapping) and _holds_reference(value):
            texts[name] = fields.json_object(value, member, most=_LONGEST_SECRET, deepest=_DEEPEST)
        elif not isinstance(value, str):
            raise fields.refused(member, "must be an object of texts", code="credentials.form")
        elif len(value) > _LONGEST_SECRET:
            raise fields.refused(member, "is too long for a credential", code="field.bounds")
    if len(given) > _MOST_SCHEMES:
        raise fields.refused(member, "has too many members", code="credentials.form")
    return texts


def _holds_reference(value: Mapping[str, Any]) -> bool:
    """Whether something names a place of the host, however deep: where that may stand is checked elsewhere."""
    level: list[Any] = [value]
    while level:
        if any("ref" in one for one in level if isinstance(one, Mapping)):
            return True
        inner = [list(one.values()) if isinstance(one, Mapping) else one for one in level]
        level = [each for part in inner for each in part if isinstance(each, Mapping | list)]
    return False


def _as_text(name: str, value: Any) -> Any:
    """The members of forms that are written as something else than a text, as the text they are kept as."""
    if name in {"headers", "values"} and isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values()):
        return json.canonical(value).decode()
    if name == "scopes" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    if name == "service_account" and isinstance(value, Mapping) and not _holds_reference(value):
        return json.canonical(value).decode()
    if name == "expires_at" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _written(credentials: Credentials) -> bytes:
    try:
        return json.canonical(credentials)
    except (ValueError, TypeError):
        raise fields.refused("credentials", "hold what is no text in UTF-8", code="credentials.value") from None


async def _check(
    ground: Ground, scope: Scope, slug: str, variables: Mapping[str, str], credentials: Credentials
) -> frozenset[str]:
    """Check variables and credentials against the connector; the origins they lead to."""
    connector: Connector = await connector_named(scope, slug)
    version = await version_of(scope, connector)
    made = compiled(scope, version)
    left = await own_variables(ground, scope, connector, made, variables)
    return await ground.versions.check_account(made, left, credentials)


async def list_accounts(ground: Ground, who: Principal, query: Query) -> Page[Account]:
    """The accounts that a principal reaches."""
    check_may(who, "list", "accounts", who.tenant)
    async with ground.store.reading() as work:
        return await listed(scope_of(work, who).accounts, query, _FILTERS)


async def read_account(ground: Ground, who: Principal, id_: str) -> Account:
    """One account.

    Raises:
        CallerError: ``account.not_found``, ``identity.forbidden``.
    """
    async with ground.store.reading() as work:
        return await find_account(work, who, "read", id_)


async def patch_account(
    ground: Ground, who: Principal, id_: str, patch: Mapping[str, Any], if_match: int | None = None
) -> Account:
    """Change members of an account by a merge patch (RFC 7396), the credentials too: a scheme set to null is removed.

    Credentials never follow variables to another host: whoever moves an account gives those it keeps anew.

    Raises:
        CallerError: ``account.not_found``, ``account.moved``, ``field.…``, ``store.stale``, ``store.exists``.
        DesignError: as :meth:`~apiloom.flows.ground.Versions.check_account`.
    """
    patch = fields.members(patch, _PATCHED)

    async def change(work: Work) -> Account:
        account = await find_account(work, who, "update", id_)
        check_revision(account, if_match)
        _check_whose(who, account)
        scope = work.tenant(account.tenant)
        changed = _plain(account, patch)
        _check_whose(who, changed)
        if "variables" in patch or "credentials" in patch:
            changed = await _connected(ground, scope, who, changed, patch)
        if changed == account:
            return account
        kept = await scope.accounts.save(changed, account.revision)
        await note(ground, scope, who, "update", kept, changed=sorted(patch))
        return kept

    return await changing(ground, change, if_match)


async def _connected(
    ground: Ground, scope: Scope, who: Principal, account: Account, patch: Mapping[str, Any]
) -> Account:
    """The account with its variables and credentials changed."""
    kept = await open_credentials(ground, scope, account)
    given = patch.get("credentials", {})
    credentials = merged_credentials({} if given is None else kept, given or {}, who)
    variables = fields.values(_patched_variables(account.variables, patch.get("variables", {})), "variables")
    origins = await _check(ground, scope, account.connector, variables, credentials)
    left = [scheme for scheme, each in credentials.items() if not set(each) <= set((given or {}).get(scheme) or ())]
    left += await _granted(scope, account, None if given is None else frozenset(given))
    if left and variables != dict(account.variables):
        _check_unmoved(left, origins, await _origins(ground, scope, account))
    if credentials == kept:
        return replace(account, variables=variables)
    sealed = await ground.sealing.seal(scope, account.tenant, account.id, _written(credentials)) if credentials else b""
    return replace(account, variables=variables, schemes=tuple(sorted(credentials)), sealed=sealed)


async def _granted(scope: Scope, account: Account, given: frozenset[str] | None) -> list[str]:
    """The schemes whose grants stay: what is given instead, or taken back, counts from now on. None takes all back."""
    stay = []
    for grant in await scope.grants.every({"account": account.id}):
        if given is None or grant.scheme in given:
            await scope.grants.remove(grant.id)
        elif grant.client or grant.scheme not in account.schemes:
            stay.append(grant.scheme)
    return stay


def _patched_variables(kept: Mapping[str, str], patch: Any) -> Any:
    if patch is None:
        return {}
    return merged(kept, patch)


async def _origins(ground: Ground, scope: Scope, account: Account) -> frozenset[str]:
    """Where the account led before; nowhere, when its connector has since been changed so that it leads nowhere."""
    try:
        return await _check(ground, scope, account.connector, account.variables, {})
    except (CallerError, DesignError):
        return frozenset()


def _check_unmoved(schemes: list[str], after: frozenset[str], before: frozenset[str]) -> None:
    if not after <= before:
        raise CallerError(
            "the new variables lead to another host, where the credentials of this account do not belong",
            code="account.moved",
            hint=f"give {', '.join(schemes)} again in the same request, or remove them by null",
            pointer="/variables",
        )


async def open_credentials(ground: Ground, scope: Scope, account: Account) -> Credentials:
    """The credentials of an account as they were given. For whoever signs with them and whoever merges into them.

    Raises:
        HouseFault: ``vault.sealed``.
    """
    if not account.sealed:
        return {}
    opened: Credentials = json.loads(await ground.sealing.open(scope, account.tenant, account.id, account.sealed))
    return opened


async def delete_account(ground: Ground, who: Principal, id_: str, how: Removal) -> Removed:
    """Remove an account with its credentials and overlays; with ``cascade`` servers lose it, and those that show
    nothing else are removed.

    Raises:
        CallerError: ``account.not_found``, ``account.depended_on``, ``store.stale``.
    """
    parted: list[tuple[Account, Sequence[Grant]]] = []

    async def change(work: Work) -> Removed:
        account = await find_account(work, who, "delete", id_)
        check_revision(account, how.if_match)
        _check_whose(who, account)
        scope = work.tenant(account.tenant)
        if not how.plan:
            parted[:] = [(account, await scope.grants.every({"account": account.id}))]
            await remove_account(scope, account.id)
        servers = [each for each in await scope.servers.every() if account.id in each.accounts]
        overlays = await scope.overlays.every({"layer": "account", "target": account.id})
        depending = tuple(
            Affected(kind="server", id=each.id, becomes="removed" if _shows_only(each, account.id) else "changed")
            for each in servers
        )
        check_free("account", account.id, depending, how)
        if not how.plan:
            await _let_go(ground, scope, who, account, servers)
            for overlay in overlays:
                await scope.overlays.remove(overlay.id)
            await note(ground, scope, who, "delete", account, servers=len(servers))
        affected = (*depending, *(Affected(kind="overlay", id=each.id) for each in overlays))
        return removed("account", account.id, affected, how)

    done = await removing(ground, change, how)
    for account, grants in parted:
        await told_back(ground, account, grants)
    return done


def _shows_only(server: Server, account: str) -> bool:
    return server.accounts == (account,) and not server.connectors


async def _let_go(ground: Ground, scope: Scope, who: Principal, account: Account, servers: list[Server]) -> None:
    for server in servers:
        if _shows_only(server, account.id):
            await remove_server(scope, server)
            await note(ground, scope, who, "delete", server, because=account.id)
        else:
            left = tuple(each for each in server.accounts if each != account.id)
            await scope.servers.save(replace(server, accounts=left), server.revision)
            await note(ground, scope, who, "update", server, because=account.id)


async def try_account(ground: Ground, who: Principal, id_: str, tool: str = "") -> Mapping[str, Any]:
    """Call a tool that only reads with the account's credentials, the one named or one that needs no arguments.

    Raises:
        CallerError: ``account.not_found``, ``connector.not_found`` when it is shown to the tenant no longer,
            ``account.untested`` where nothing can call.
    """
    async with ground.store.reading() as work:
        account = await find_account(work, who, "use", id_)
        check_end_user(who, account.end_user, shared=account.shared)
        await connector_named(work.tenant(account.tenant), account.connector)
    if ground.test_call is None:
        raise CallerError(
            "accounts are tested by a gateway that serves", code="account.untested", hint="ask one over the network"
        )
    outcome = await ground.test_call(account.id, tool)
    async with ground.store.writing() as work:
        await note(ground, work.tenant(account.tenant), who, "test", account)
    return outcome
