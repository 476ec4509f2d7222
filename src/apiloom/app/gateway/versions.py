"""What compiled versions say to whoever changes records: tools, what an account must look like, what a server shows.

The same code as serves, so that an admin is told what callers will see. Asks the API itself nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from apiloom.app.answering import Answering
from apiloom.app.environment import Given
from apiloom.app.gateway.connections import defined_schemes, directed, loaded_of
from apiloom.app.gateway.following import opened_credentials
from apiloom.app.gateway.shaping import cut_of
from apiloom.app.gateway.unsigned import lacking
from apiloom.base.errors import CallerError, DesignError
from apiloom.calls.ports import Backend
from apiloom.catalog import overlays
from apiloom.catalog.selection import Offer, check_selection, idle_patterns
from apiloom.catalog.server_config import read_config
from apiloom.catalog.tool import Tool
from apiloom.compile.artefact import Artefact, unpack
from apiloom.compile.server import Manner, Seat, Shelf, build_server, cost_of
from apiloom.flows.ground import Compiled, Part, Shown
from apiloom.net.request import Request, Response
from apiloom.store.kept import KeptFiles
from apiloom.store.records import Server
from apiloom.vault.certificates import check_alone

_KEPT = 8
"""Artefacts that stay at hand for the next question."""


class CompiledVersions:
    """The :class:`~apiloom.flows.ground.Versions` of a house."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf = shelf or Shelf()
        self._known: OrderedDict[str, Artefact] = OrderedDict()

    async def artefact(self, compiled: Compiled) -> Artefact:
        """The artefact of a version, loaded unless it is at hand."""
        key = f"{compiled.version.id}/{compiled.version.hash}"
        known = self._known.get(key)
        if known is None:
            known = await asyncio.to_thread(unpack, await compiled.artefact())
            self._known[key] = known
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return known

    async def read(self, compiled: Compiled) -> overlays.Ground:
        """See :class:`~apiloom.flows.ground.Versions`."""
        artefact = await self.artefact(compiled)
        return overlays.Ground(tools=artefact.tools, schemas=artefact.schemas, aliases=artefact.aliases)

    async def check_account(
        self, compiled: Compiled, variables: Mapping[str, str], credentials: Mapping[str, Mapping[str, Any]]
    ) -> frozenset[str]:
        """See :class:`~apiloom.flows.ground.Versions`."""
        artefact = await self.artefact(compiled)
        options = compiled.version.options
        schemes = {**artefact.schemes, **defined_schemes(options)}
        stray = next((name for name in credentials if name not in schemes), None)
        if stray is not None:
            raise DesignError(
                f"the API has no security scheme {stray[:60]!r}",
                code="credentials.scheme",
                hint=f"there are {', '.join(sorted(schemes)[:20])}" if schemes else "it takes no credentials",
            )
        opened = opened_credentials(credentials)
        check_alone(opened)
        answering = Answering(
            loaded=loaded_of(compiled.version.connector, artefact),
            directions=directed(options, compiled.version.connector, variables),
            timeout=1.0,
            sender=_Nowhere(),
            given=Given(credentials=opened, schemes=schemes),
            keeper=KeptFiles(),
            at_account=True,
        )
        # a large connector has thousands of servers' variables to look at: others must not wait for that
        return await asyncio.to_thread(_checked, answering, variables)

    async def show(self, server: Server, parts: Sequence[Part]) -> Shown:
        """See :class:`~apiloom.flows.ground.Versions`."""
        settings = read_config(server.config)
        selection = settings.selection(server.toolsets_off)
        alone = len(parts) == 1
        seats: list[Seat] = []
        offers: list[Offer] = []
        for part in parts:
            artefact = await self.artefact(part.compiled)
            slug = part.compiled.version.connector
            cut = cut_of(artefact, selection, part.overlays, part.toolsets, prefix="" if alone else slug)
            edition = await asyncio.to_thread(self._shelf.edition, slug, artefact, cut)
            seats.append(Seat(edition=edition, backend=_unasked, label=part.account.label if part.account else ""))
            offers.append(
                Offer(
                    tools=edition.tools.traits(artefact.traits),
                    toolsets={
                        name: [edition.tools.renamed(one) for one in held] for name, held in cut.toolsets.items()
                    },
                    prefix="" if alone else slug,
                    slug=slug,
                    aliases=edition.aliases,
                )
            )
        unknown: CallerError | None = None
        try:
            check_selection(offers, selection)
        except CallerError as error:
            unknown = error
        endpoint = build_server(server.name, seats, self._shelf, Manner(profile=settings.profile))
        cost = await asyncio.to_thread(cost_of, endpoint)
        warnings = [f"the pattern {pattern!r} matches no tool" for pattern in idle_patterns(offers, selection)]
        if not cost["tools"]:
            warnings.append("the server shows no tool at all")
        for part, seat in zip(parts, seats, strict=True):
            if part.compiled.version.connector in settings.delegation:
                continue  # callers lend what it is signed with
            lacks = await asyncio.to_thread(lacking, part, seat.edition)
            warnings += [lacks] if lacks else []
        return Shown(tools=cost["tools"], tokens=cost["tokens"], warnings=tuple(warnings), unknown=unknown)


def _checked(answering: Answering, variables: Mapping[str, str]) -> frozenset[str]:
    known = answering.named_variables() if variables else frozenset()
    unknown = next((name for name in variables if name not in known), None)
    if unknown is not None:
        raise DesignError(
            f"no server has the variable {unknown[:60]!r}",
            code="server.variable",
            hint=f"there are {', '.join(sorted(known)[:12])}" if known else "it has no variables",
        )
    answering.check()
    return answering.pinned


class _Nowhere:
    """A :class:`~apiloom.net.request.Sender` for what is only looked at."""

    async def send(self, request: Request) -> Response:  # noqa: ARG002 - the port's shape
        raise DesignError("nothing is sent while an account is checked", code="account.unsent")

    async def close(self) -> None:
        """Nothing is open."""


def _unasked(_tool: Tool) -> Backend:
    return _Unasked()


class _Unasked:
    """A :class:`~apiloom.calls.ports.Backend` of servers that are only looked at."""

    def answer(self, call: object) -> NoReturn:  # noqa: ARG002 - the port's shape
        raise DesignError("nothing is called while a server is only looked at", code="account.unsent")

    def preview(self, call: object) -> NoReturn:  # noqa: ARG002 - the port's shape
        raise DesignError("nothing is called while a server is only looked at", code="account.unsent")
