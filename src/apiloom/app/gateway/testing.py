"""Trying an account: one call of a tool that only reads, with the account's own credentials, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiloom.app.gateway.artefacts import Artefacts
from apiloom.app.gateway.connections import Connections
from apiloom.base.errors import ApiloomError, CallerError
from apiloom.calls.call import Call, Outcome, Text
from apiloom.catalog.tool import Tool
from apiloom.compile.artefact import Artefact
from apiloom.store.ports import Store

_SECONDS = 30.0
_LONGEST = 500


class Tester:
    """The ``test_call`` of a :class:`~apiloom.flows.ground.Ground`."""

    def __init__(self, store: Store, artefacts: Artefacts, connections: Connections) -> None:
        self._store = store
        self._artefacts = artefacts
        self._connections = connections

    async def call(self, account_id: str, tool: str = "") -> Mapping[str, Any]:
        """Call a tool (empty: one that only reads and needs no argument) and say what came of it.

        Raises:
            CallerError: ``account.not_found``, ``connector.conflict``, ``account.untestable`` when there is no such
                tool, or it does not only read.
        """
        async with self._store.reading() as work:
            house = work.house()
            account = await house.accounts.load(account_id)
            connector = None if account is None else await house.connectors.load(account.connector)
        if account is None or connector is None:
            raise CallerError("there is no such account", code="account.not_found", hint="list what there is")
        if not connector.current:
            raise CallerError(
                f"the connector {connector.id} has no version yet that is served",
                code="connector.conflict",
                hint="promote one of its versions first",
            )
        shared = await self._artefacts.get(connector, connector.current)
        chosen = _chosen(shared.artefact, tool)
        try:
            connection = await self._connections.connect(account)
            backend = self._connections.answering(connection, connector, shared).backend(chosen)
            outcome = await backend.answer(Call(tool=chosen.name, arguments={}, timeout=_SECONDS))
        except ApiloomError as error:
            return {"ok": False, "tool": chosen.name, "code": error.code, "message": error.sentence()}
        return _told(chosen.name, outcome)


def _chosen(artefact: Artefact, name: str) -> Tool:
    if name:
        trait = artefact.traits.get(name)
        if trait is None or trait.kind != "read":
            raise CallerError(
                f"there is no tool {name[:60]!r} that only reads",
                code="account.untestable",
                hint="name another, or none",
            )
        return artefact.tools[name]
    for candidate, trait in artefact.traits.items():
        if trait.kind == "read":
            tool = artefact.tools[candidate]
            if isinstance(tool.input_schema, dict) and not tool.input_schema.get("required"):
                return tool
    raise CallerError(
        "no tool of this connector reads without an argument", code="account.untestable", hint="name one to call"
    )


def _told(tool: str, outcome: Outcome) -> Mapping[str, Any]:
    error = outcome.meta.get("dev.apiloom/error") if outcome.meta else None
    texts = " ".join(part.text for part in outcome.content if isinstance(part, Text))
    told: dict[str, Any] = {"ok": not outcome.failed, "tool": tool}
    if isinstance(error, dict):
        told |= {key: error[key] for key in ("code", "status") if key in error}
    if outcome.failed:
        told["message"] = texts[:_LONGEST]
    return told
