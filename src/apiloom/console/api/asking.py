"""What every operation takes besides its body: who asks, listings, removals, conditions; and how answers are tagged.

Stands on the flows' own words (:mod:`apiloom.flows.asking`). Every resource stands on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Final, Generic, Protocol, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from apiloom.console.api.door import PREFIX, Asked
from apiloom.console.api.fields import Shown
from apiloom.flows import asking as flows

_Shown = TypeVar("_Shown", bound=Shown)

_tag = re.compile(r'"(\d{1,15})"').fullmatch
_NO_REVISION: Final = -1
"""What no record ever has, for conditions that nothing can meet."""


class _ReadRequest(Request):
    """A request whose body the door has read already."""

    async def json(self) -> Any:
        """The body's values."""
        return self.scope["state"]["asked"].body


class ReadRoute(APIRoute):
    """A route that takes the body's values from the door, which has read and bounded them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See the framework."""
        answer = super().get_route_handler()

        async def read_already(request: Request) -> Response:
            return await answer(_ReadRequest(request.scope, request.receive))

        return read_already


def router(tag: str) -> APIRouter:
    """The operations of one resource."""
    return APIRouter(tags=[tag], route_class=ReadRoute)


def _asked(request: Request) -> Asked:
    asked: Asked = request.scope["state"]["asked"]
    return asked


Asking = Annotated[Asked, Depends(_asked)]


# Listings


class Listing(BaseModel):
    """The page of a listing that is wanted. Filters it does not know are passed on: the flow names those it has."""

    model_config = ConfigDict(extra="allow")

    limit: int = Field(50, description="How many records a page may hold, 1 to 200.")
    cursor: str = Field("", description="The next_cursor of the page before; omitted: the first page.")

    def query(self) -> flows.Query:
        """As the flows take it."""
        given = self.model_dump(exclude={"limit", "cursor"}, exclude_none=True, by_alias=True)
        where = {_member(name): value for name, value in given.items()}
        return flows.Query(limit=self.limit, after=self.cursor, where=where)


def _member(name: str) -> str:
    """``metadata[NAME]``, as OpenAPI's deepObject writes it, is the flows' ``metadata.NAME``."""
    return f"metadata.{name[9:-1]}" if name.startswith("metadata[") and name.endswith("]") else name


class Listed(BaseModel, Generic[_Shown]):
    """One page of a listing."""

    items: list[_Shown]
    next_cursor: str | None = Field(description="Pass it as cursor for the next page; null: this was the last.")


class PageLike(Protocol):
    """A page as flows give it."""

    @property
    def items(self) -> Sequence[Any]: ...
    @property
    def next_cursor(self) -> str: ...


def shown(page: PageLike, one: Callable[[Any], _Shown]) -> Listed[_Shown]:
    """A page of records as its answer."""
    return Listed(items=[one(record) for record in page.items], next_cursor=page.next_cursor or None)


# Conditions


def _if_match(
    value: Annotated[
        str, Header(alias="If-Match", description="The ETag that was read: refused with 412 when it is another by now.")
    ] = "",
) -> int | None:
    """RFC 9110 section 13.1.1: a list of tags; ``*`` is met by whatever is there."""
    if value.strip() in {"", "*"}:
        return None
    found = _tag(value.strip())
    return int(found[1]) if found else _NO_REVISION


IfMatch = Annotated[int | None, Depends(_if_match)]
"""The revision that must still be there; None: whichever is."""


class Taggable(Protocol):
    """A record with a revision."""

    @property
    def revision(self) -> int: ...


def tag(response: Response, record: Taggable) -> None:
    """Give an answer the ETag of what it shows."""
    response.headers["etag"] = f'"{record.revision}"'


def made(response: Response, record: Taggable, place: str) -> None:
    """Say where something new is."""
    tag(response, record)
    response.headers["location"] = f"{PREFIX}/{place}"


# Removals


class RemovalQuery(BaseModel):
    """How something is to be removed."""

    cascade: bool = Field(False, description="Take along what depends on it; without, that is refused with 409.")
    plan: bool = Field(False, description="Change nothing, and answer what would happen.")


def _removing(query: Annotated[RemovalQuery, Query()], if_match: IfMatch) -> flows.Removal:
    return flows.Removal(cascade=query.cascade, plan=query.plan, if_match=if_match)


Removing = Annotated[flows.Removal, Depends(_removing)]


class AffectedShown(Shown):
    """Something that depends on what is removed."""

    kind: str
    id: str
    becomes: str = Field(description="What becomes of it: removed, changed or emptied.")


class RemovedShown(Shown):
    """What was removed, or with plan=true would be."""

    kind: str
    id: str
    done: bool = Field(description="False when it was only planned.")
    affected: list[AffectedShown]
    more: int = Field(description="How many more are affected than are listed.")
