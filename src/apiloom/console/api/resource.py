"""One resource of the admin API as a table: each line is one operation, and names the flow that answers it.

    toolsets = Resource("/toolsets/{toolset:path}", "toolset", "a toolset", Toolset)
    toolsets.lists(flows.list_toolsets, Toolsets, "Toolsets in the order of their ids.")
    toolsets.reads(flows.read_toolset, "One toolset.")

What all operations of one kind do, the tags and places of their answers among it, is here and only here. An operation
that does anything else is a function of its own on ``routes``, in the file of its resource. Holds no rule: those are in
the flows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import Path, Query, Response

from apiloom.console.api.asking import (
    Asking,
    IfMatch,
    Listed,
    Listing,
    PageLike,
    RemovedShown,
    Removing,
    Taggable,
    made,
    router,
    shown,
    tag,
)
from apiloom.console.api.fields import Given, Shown
from apiloom.console.api.once import Once
from apiloom.flows import asking as flows
from apiloom.flows.ground import Ground
from apiloom.identity.principal import Principal

Members = Mapping[str, Any]

Lists = Callable[[Ground, Principal, flows.Query], Awaitable[PageLike]]
Creates = Callable[[Ground, Principal, Members], Awaitable[Any]]
Reads = Callable[[Ground, Principal, str], Awaitable[Taggable]]
Changes = Callable[[Ground, Principal, str, Members, int | None], Awaitable[Any]]
Deletes = Callable[[Ground, Principal, str, flows.Removal], Awaitable[flows.Removed]]


def itself(found: Any) -> Any:
    """For flows that answer the record and nothing beside it."""
    return found


class Resource:
    """Records that are listed, made, read, changed and removed at one place.

    Args:
        place: the path of one of them, such as ``/oauth-clients/{client}``.
        name: what one is called in the ids of operations, such as ``oauth_client``; with an s, more of them.
        words: what one is called in sentences, such as ``an OAuth client``.
        seen: the answer that shows one.
    """

    def __init__(self, place: str, name: str, words: str, seen: type[Shown]) -> None:
        self._one = place
        self._all, _, key = place.rpartition("/")
        self._id = Annotated[str, Path(alias=key.strip("{}").partition(":")[0])]
        self._name = name
        self._words = words
        self._seen = seen
        self.routes = router(self._all.strip("/"))

    def lists(self, flow: Lists, wanted: type[Listing], told: str) -> None:
        """``GET``: a page of them; ``wanted`` are its filters."""

        async def answer(asked: Asking, query: Listing) -> Listed[Any]:
            page = await flow(asked.ground, asked.who, query.query())
            return shown(page, lambda record: self._seen.here(record, asked.ground))

        many = self._words.partition(" ")[2] + "s"
        types = {"query": Annotated[wanted, Query()], "return": Listed.__class_getitem__(self._seen)}
        self._add("GET", self._all, (f"list_{self._name}s", f"List {many}", told), _typed(answer, types))

    def creates(
        self,
        flow: Creates,
        body: type[Given],
        told: str,
        seen: type[Shown] | None = None,
        record: Callable[[Any], Any] = itself,
    ) -> None:
        """``POST``: a new one, made once with an ``Idempotency-Key``.

        Args:
            flow: what makes it.
            body: what it is made from.
            told: what that does, for the description.
            seen: the answer that shows what was made, where it is another than for what is read.
            record: the record in what the flow answers.
        """
        kind = seen or self._seen

        async def answer(asked: Asking, body: Given, once: Once, response: Response) -> Shown:
            async def make() -> Shown:
                found = await flow(asked.ground, asked.who, body.members())
                kept = record(found)
                made(response, kept, f"{self._all.strip('/')}/{kept.id}")
                return kind.here(found, asked.ground)

            return await once(make)

        self._add("POST", self._all, self._said("create", told), _typed(answer, {"body": body, "return": kind}))

    def reads(self, flow: Reads, told: str) -> None:
        """``GET`` of one."""

        async def answer(asked: Asking, id_: str, response: Response) -> Shown:
            found = await flow(asked.ground, asked.who, id_)
            tag(response, found)
            return self._seen.here(found, asked.ground)

        self._add("GET", self._one, self._said("read", told), _typed(answer, {"id_": self._id, "return": self._seen}))

    def changes(
        self,
        flow: Changes,
        body: type[Given],
        told: str,
        seen: type[Shown] | None = None,
        record: Callable[[Any], Any] = itself,
    ) -> None:
        """``PATCH`` of one by a merge patch, of the revision that ``If-Match`` names. Arguments as :meth:`creates`."""
        kind = seen or self._seen

        async def answer(asked: Asking, id_: str, body: Given, if_match: IfMatch, response: Response) -> Shown:
            found = await flow(asked.ground, asked.who, id_, body.members(), if_match)
            tag(response, record(found))
            return kind.here(found, asked.ground)

        types = {"id_": self._id, "body": body, "return": kind}
        self._add("PATCH", self._one, self._said("update", told, "Change"), _typed(answer, types))

    def deletes(self, flow: Deletes, told: str, verb: str = "Delete", operation: str = "delete") -> None:
        """``DELETE`` of one, as :class:`~apiloom.flows.asking.Removal` says; ``operation`` begins its id."""

        async def answer(asked: Asking, id_: str, removal: Removing) -> RemovedShown:
            return RemovedShown.of(await flow(asked.ground, asked.who, id_, removal))

        self._add("DELETE", self._one, self._said(operation, told, verb), _typed(answer, {"id_": self._id}))

    def _said(self, operation: str, told: str, verb: str = "") -> tuple[str, str, str]:
        """The id, summary and description of an operation on one of them."""
        return f"{operation}_{self._name}", f"{verb or operation.title()} {self._words}", told

    def _add(self, method: str, place: str, said: tuple[str, str, str], answer: Callable[..., Any]) -> None:
        operation_id, summary, told = said
        self.routes.add_api_route(
            place,
            answer,
            methods=[method],
            operation_id=operation_id,
            summary=summary,
            description=told,
            status_code=201 if method == "POST" else None,
        )


def _typed(answer: Callable[..., Any], types: Mapping[str, Any]) -> Callable[..., Any]:
    """The function with the types of its resource: the framework reads from them what to take and what to describe."""
    answer.__annotations__.update(types)
    return answer
