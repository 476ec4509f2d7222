"""The answering side of one connector: where its API is, how it is signed, and the backend of each of its tools."""

from __future__ import annotations

from dataclasses import dataclass

from apiloom.app.connectors import Loaded
from apiloom.app.environment import Given
from apiloom.backends.http.backend import HttpBackend
from apiloom.calls.ports import Backend
from apiloom.catalog.planner import compile_planner
from apiloom.catalog.servers import BaseUrl, resolve_origin
from apiloom.catalog.tool import HttpBinding, Tool
from apiloom.net.request import Sender
from apiloom.vault.given import variable_name
from apiloom.vault.signers import choose_signer, missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Makes backends for the tools of one connector. ``slug`` names it among several sources; alone it is empty."""

    loaded: Loaded
    base_url: str
    timeout: float
    sender: Sender
    given: Given
    slug: str = ""

    def check(self) -> None:
        """Resolve one tool's server now, so that a missing base URL is told at the start and not on the first call.

        Raises:
            DesignError: ``server.*``.
        """
        for name in self.loaded.tools:
            tool = self.loaded.tools[name]
            if not tool.binding.own_servers:
                self._base(tool.binding)
                return

    def backend(self, tool: Tool) -> Backend:
        """The backend of one tool.

        Raises:
            DesignError: ``server.*`` when the tool's own servers cannot be used.
        """
        binding = tool.binding
        base = self._base(binding)
        given = self.given
        lacking = missing(binding.security, given.schemes, given.credentials)
        return HttpBackend(
            planner=compile_planner(binding, base),
            sender=self.sender,
            signer=choose_signer(binding.security, given.schemes, given.credentials, pinned=frozenset((base.origin,))),
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
