"""The answering side of one connector: where its API is, how it is signed, and the backend of each of its tools."""

from __future__ import annotations

from dataclasses import dataclass, field

from apiloom.app.connectors import Loaded
from apiloom.app.environment import Given
from apiloom.backends.http.backend import HttpBackend
from apiloom.calls.ports import Backend
from apiloom.catalog.planner import compile_planner
from apiloom.catalog.servers import BaseUrl, resolve_origin
from apiloom.catalog.tool import HttpBinding, Tool
from apiloom.model.variables import variable_name
from apiloom.net.request import Sender
from apiloom.vault.signers import choose_signer, missing


@dataclass(slots=True, kw_only=True)
class Answering:
    """Makes backends for the tools of one connector. ``slug`` names it among several sources; alone it is empty.

    Credentials belong to the document's own servers (or the base URL in their place). A server that one path or
    operation names instead gets none, unless it has the same origin.
    """

    loaded: Loaded
    base_url: str
    timeout: float
    sender: Sender
    given: Given
    slug: str = ""
    _pinned: frozenset[str] = field(default=frozenset(), init=False)

    def check(self) -> None:
        """Resolve the connector's own server now, so that a missing one is told at the start, not on the first call.

        Raises:
            DesignError: ``server.*``.
        """
        bindings = (self.loaded.tools[name].binding for name in self.loaded.tools)
        shared = next((binding for binding in bindings if not binding.own_servers), None)
        if shared is not None:
            self._pinned = frozenset((self._base(shared).origin,))

    def backend(self, tool: Tool) -> Backend:
        """The backend of one tool.

        Raises:
            DesignError: ``server.*`` when the tool's own servers cannot be used.
        """
        binding = tool.binding
        base = self._base(binding)
        given = self.given
        lacking = missing(binding.security, given.schemes, given.credentials)
        at_home = base.origin in self._pinned
        return HttpBackend(
            planner=compile_planner(binding, base),
            sender=self.sender,
            signer=choose_signer(binding.security, given.schemes, given.credentials, pinned=self._pinned)
            if at_home
            else None,
            timeout=self.timeout,
            structured_always=tool.output_schema is not None,
            lacking=tuple(variable_name(scheme, self.slug) for scheme in lacking),
        )

    def _base(self, binding: HttpBinding) -> BaseUrl:
        return resolve_origin(
            binding.servers,
            own_servers=binding.own_servers,
            base_url_override=self.base_url,
            document_url=self.loaded.base_url,
            variables={},
        )
