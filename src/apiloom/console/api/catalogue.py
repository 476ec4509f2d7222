"""``/catalogue``: well-known APIs, each with the body of the request that imports it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field

from apiloom.console.api.asking import Asking, Listed, Listing, router, shown
from apiloom.console.api.fields import Json, Shown
from apiloom.console.catalogue.known import Entry, entry, search
from apiloom.flows.asking import Page, check_query
from apiloom.identity.roles import check_may

routes = router("catalogue")


class CatalogueEntry(Shown):
    """One well-known API."""

    name: str
    title: str
    document: str = Field(description="Where it describes itself.")
    auth: str = Field(description="How it recognises callers: bearer, basic, header:NAME, query:NAME, oauth2 or none.")
    key: str = Field(description="Where a person gets the credential.")
    words: list[str]
    quirks: list[str] = Field(description="What to know before using it.")
    toolsets: Json = Field(description="Suggested groups of its tools.")
    connector: Json = Field(description="The body for POST /connectors that imports it.")


class Search(Listing):
    """Which entries are wanted."""

    q: str = Field("", description="Words to look for; omitted: all, by name.", max_length=200)


def _entry(found: Entry) -> CatalogueEntry:
    return CatalogueEntry(
        name=found.name,
        title=found.title,
        document=found.document,
        auth=found.auth,
        key=found.key,
        words=list(found.words),
        quirks=list(found.quirks),
        toolsets={name: dict(select) for name, select in found.toolsets.items()},
        connector=found.connector(),
    )


@routes.get("/catalogue", operation_id="search_catalogue", summary="Search the catalogue")
async def search_catalogue(asked: Asking, query: Annotated[Search, Query()]) -> Listed[CatalogueEntry]:
    """Well-known APIs that fit some words, best first."""
    check_may(asked.who, "list", "catalogue", None)
    page = query.query()
    check_query(page, {"q": str})
    found = search(query.q)
    start = next((at + 1 for at, one in enumerate(found) if one.name == page.after), 0)
    items = tuple(found[start : start + page.limit])
    return shown(Page(items, items[-1].name if start + page.limit < len(found) else ""), _entry)


@routes.get("/catalogue/{name}", operation_id="read_catalogue_entry", summary="Read a catalogue entry")
async def read_catalogue_entry(asked: Asking, name: str) -> CatalogueEntry:
    """One well-known API, and how to import it."""
    check_may(asked.who, "read", "catalogue", None)
    return _entry(entry(name))
