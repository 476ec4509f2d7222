"""The answering side of one connector: where its API is, how it is signed, and the backend of each of its tools."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from apiloom.app.connectors import Loaded
from apiloom.app.directions import Directions
from apiloom.app.environment import CERTIFICATE, Given
from apiloom.backends.http.backend import HttpBackend
from apiloom.backends.http.files import FileArguments
from apiloom.backends.http.lent import Lent
from apiloom.backends.http.pages import PagedBackend, Ways
from apiloom.base.errors import ApiloomError, DesignError
from apiloom.base.seal import Sealer
from apiloom.calls.observing import Drift
from apiloom.calls.ports import Backend, Keeper, Observer
from apiloom.catalog.planner import compile_planner
from apiloom.catalog.responses import promised
from apiloom.catalog.servers import BaseUrl, choose_server, resolve_origin
from apiloom.catalog.tool import HttpBinding, Paging, Tool
from apiloom.model.api import Server
from apiloom.model.variables import variable_name
from apiloom.net.request import Sender
from apiloom.vault.certificates import identity_of
from apiloom.vault.constants import constant_headers
from apiloom.vault.credentials import Credentials
from apiloom.vault.marks import Mark
from apiloom.vault.signers import DEFAULT, check_credentials, choose_signer, missing

Identify = Callable[[bytes, frozenset[str]], Sender]
"""``identify(pem, origins)``: the way out on which a certificate with its key is shown to some origins."""

if TYPE_CHECKING:
    from apiloom.app.own_tokens import OwnTokens


def fresh_sealer() -> Sealer:
    """A sealer that this process alone can use: what it sealed is worth nothing when it has ended."""
    return Sealer(secrets.token_bytes(32))


@dataclass(slots=True, kw_only=True)
class Answering:
    """Makes backends for the tools of one connector. ``slug`` names it among several sources; alone it is empty.

    ``at_account`` says that its credentials lie at an account, not around this process. ``lent`` says that callers
    may bring their own for a call. ``tokens`` gets those that OAuth forms among the credentials stand for.

    Credentials and constant headers belong to the document's own servers (or the base URL in their place), and to
    origins that whoever runs us trusts with them. A server that one path or operation names instead gets neither,
    unless it has the same origin. ``identify`` opens the way out that shows a client certificate to these origins.
    """

    loaded: Loaded
    directions: Directions
    timeout: float
    sender: Sender
    given: Given
    keeper: Keeper
    drift: Drift = field(default_factory=Drift)
    sealer: Sealer = field(default_factory=fresh_sealer)
    slug: str = ""
    at_account: bool = False
    lent: bool = False
    tokens: OwnTokens | None = None
    identify: Identify | None = field(default=None, repr=False)
    home: str = field(default="", init=False)
    _pinned: frozenset[str] = field(default=frozenset(), init=False)
    _constants: Mark = field(default_factory=Mark, init=False)
    _chosen: tuple[Server, ...] = field(default=(), init=False)
    _near: str = field(default="", init=False)

    @property
    def pinned(self) -> frozenset[str]:
        """The origins that credentials may go to."""
        return self._pinned

    def check(self) -> None:
        """Resolve the connector's own server now, so that a missing one is told at the start, not on the first call.

        Raises:
            DesignError: ``server.*``, ``header.*``, ``option.*``, ``credentials.value``, ``oauth.url``.
        """
        check_credentials(self.given.schemes, self.given.credentials)
        self._own_ids(self.given.schemes)
        bindings = [self.loaded.tools[name].binding for name in self._told_names()]
        shared = next((binding for binding in bindings if not binding.own_servers), None)
        if shared is not None:
            if self.directions.server:
                self._chosen = (choose_server(shared.servers, self.directions.server),)
            base = self._base(shared)
            self.home, self._near = base.origin, f"{base.origin}{base.path_prefix}/"
        elif self.directions.server:
            raise DesignError(
                "the document names servers for single paths only, so there is none to choose",
                code="server.choice",
                hint="leave --server out",
            )
        else:
            self.home = self._only_origin(bindings)
        self._constants = constant_headers(self.directions.headers, self.given.schemes)
        self._pinned = frozenset(origin for origin in (self.home, *self.directions.trusted) if origin)
        certificate = identity_of(self.given.credentials)
        if certificate and self.identify is not None:
            self.sender = self.identify(certificate, self._pinned)
        elif certificate and not self.at_account:
            raise DesignError(
                "a client certificate is given among credentials, where connections are shared",
                code="credentials.form",
                hint=f"name its PEM file in {CERTIFICATE}",
            )

    def named_variables(self) -> frozenset[str]:
        """The variables that servers of this connector have."""
        bindings = (self.loaded.tools[name].binding for name in self.loaded.tools)
        return frozenset(name for binding in bindings for server in binding.servers for name in server.variables)

    def backend(self, tool: Tool) -> Backend:
        """The backend of one tool.

        Raises:
            DesignError: ``server.*`` when the tool's own servers cannot be used.
        """
        named = {DEFAULT, *(name for need in tool.binding.security for name, _ in need)}
        ids = self._own_ids(named) if self._base(tool.binding).origin in self._pinned else {}
        if self.tokens is None or not ids:
            return self.plain_backend(tool)
        return self.tokens.backend(
            self.given.credentials, ids, lambda given: self._signed_with(given).plain_backend(tool)
        )

    def _signed_with(self, credentials: Credentials) -> Answering:
        """The same with other credentials."""
        twin = copy.copy(self)
        twin.given = replace(self.given, credentials=credentials)
        return twin

    def _own_ids(self, named: Collection[str]) -> dict[str, str]:
        """The pairs of tokens that are got for some of the schemes, by scheme."""
        if self.tokens is None:
            return {}
        slug = self.slug or self.loaded.slug
        return {
            name: self.tokens.want(slug, self.given.schemes[name], form)
            for name, form in self.given.credentials.forms.items()
            if name in named and name in self.given.schemes
        }

    def plain_backend(self, tool: Tool) -> Backend:
        """The backend of one tool, signed with what is at hand."""
        binding = tool.binding
        base = self._base(binding)
        given = self.given
        at_home = base.origin in self._pinned
        signer = None
        if at_home:
            signer = choose_signer(
                binding.security, given.schemes, given.credentials, pinned=self._pinned, constants=self._constants
            )
        plain = HttpBackend(
            planner=compile_planner(binding, base),
            sender=self.sender,
            signer=signer,
            timeout=self.timeout,
            structured_always=tool.output_schema is not None,
            observer=self._observer(tool),
            observed_as=self._shown(tool),
            at_account=self.at_account,
            lacking=() if signer is not None and signer.schemes else self._lacking(binding, base, at_home=at_home),
            keeper=self.keeper,
            files=FileArguments(binding.body) or None,
            lent=self._lent(base),
        )
        return plain if tool.paging is None else self._paged(plain, tool, tool.paging, base)

    def _lent(self, base: BaseUrl) -> Lent | None:
        """Callers' own credentials go where those of an account would go."""
        if not self.lent or base.origin not in self._pinned:
            return None
        return Lent(slug=self.slug, pinned=self._pinned, constants=self._constants)

    def _paged(self, plain: HttpBackend, tool: Tool, paging: Paging, base: BaseUrl) -> Backend:
        keys = (one for one in self.given.schemes.values() if one.place == "query")
        ways = Ways(
            paging=paging,
            controls=tool.controls,
            sealer=self.sealer,
            operation=f"{base.origin} {tool.operation}",
            prefix=base.path_prefix,
            hidden=frozenset(one.name.lower() for one in keys),
            in_body=all(one.argument != paging.argument for one in tool.binding.parameters),
        )
        return PagedBackend(inner=plain, ways=ways)

    def _shown(self, tool: Tool) -> str:
        return f"{self.slug}_{tool.name}" if self.slug else tool.name

    def _observer(self, tool: Tool) -> Observer | None:
        """Who is told of the tool's answers: nobody where the document does not describe them."""
        described, schemas = tool.output_schema, self.loaded.schemas
        if described is None:
            return None
        self.drift.watch(self._shown(tool), lambda: promised(described, schemas))
        return self.drift

    def _lacking(self, binding: HttpBinding, base: BaseUrl, *, at_home: bool) -> tuple[str, ...]:
        """What to set so that the next call is signed; optional credentials count, since one was refused without."""
        given = self.given
        wanted = tuple(need for need in binding.security if need)
        schemes = missing(wanted, given.schemes, given.credentials)
        if not at_home and wanted and not schemes:
            return (f"--trust {base.origin}",)
        return tuple(schemes) if self.at_account else tuple(self._variable(scheme) for scheme in schemes)

    def _variable(self, scheme: str) -> str:
        declared = self.given.schemes.get(scheme)
        if declared is not None and declared.kind == "mutualTLS":
            return CERTIFICATE
        name = variable_name(scheme, self.slug)
        return f"{name} (and --auth)" if scheme == DEFAULT and declared is None else name

    def _told_names(self) -> Iterable[str]:
        """The tools up to the first with the document's own servers; all of them where every path names its own."""
        for name in self.loaded.tools:
            yield name
            if not self.loaded.tools[name].binding.own_servers:
                return

    def _only_origin(self, bindings: Iterable[HttpBinding]) -> str:
        """Where every path names a server of its own, the one that all of them name; else there is no home."""
        if self.directions.base_url:
            return resolve_origin([], base_url_override=self.directions.base_url).origin
        found: set[str] = set()
        for binding in bindings:
            try:
                found.add(self._base(binding).origin)
            except ApiloomError:
                continue  # told when that tool is called
        return found.pop() if len(found) == 1 else ""

    def _base(self, binding: HttpBinding) -> BaseUrl:
        return resolve_origin(
            binding.servers if binding.own_servers or not self._chosen else self._chosen,
            own_servers=binding.own_servers,
            base_url_override=self.directions.base_url,
            document_url=self.loaded.base_url or self._near,
            variables=self.directions.variables,
        )
