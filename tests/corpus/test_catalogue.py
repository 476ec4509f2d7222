"""What the catalogue says of an API, held against the API's own document where the corpus has it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apiloom.base.errors import DesignError
from apiloom.catalog.build import build_catalog
from apiloom.catalog.tool import Catalog, Tool
from apiloom.console.catalogue.known import Entry, entry
from apiloom.model.api import SecurityScheme
from apiloom.readers.read import read_document
from apiloom.readers.source import Document
from support.corpus import corpus_root

DOCUMENTS = {
    "adyen-checkout": "openapi/adyen__CheckoutService-v67__67.json",
    "box": "openapi/box__openapi__2024.0.json",
    "clerk": "openapi/clerk__2026-05-12__2026-05-12.yml",
    "digitalocean": "openapi/digitalocean__DigitalOcean-public.v2__2.0/DigitalOcean-public.v2.yaml",
    "discord": "openapi/discord__specs-openapi__10.json",
    "docker": "swagger/docker__api-swagger__1.51.yaml",
    "docusign": "openapi/docusign__docusign__v2.1.json",
    "etcd": "swagger/etcd__rpc.swagger__version-not-set.json",
    "figma": "openapi/figma__rest-api__0.43.0.yaml",
    "github": "openapi/github__api.github.com__23.0.2.json",
    "intercom": "openapi/intercom__api.intercom.io__Preview.yaml",
    "kong": "openapi/kong__kong-admin-api__3.4.0.yml",
    "kubernetes": "swagger/kubernetes__swagger.json__unversioned.json",
    "listennotes": "openapi/listennotes__2.0__2.0.json",
    "mandrill": "swagger/mailchimp__1.0-swagger__1.0.yaml",
    "mcp-registry": "openapi/mcp-registry__docs-openapi__0.0.1.yaml",
    "meilisearch": "openapi/meilisearch__open-api__1.15.2.json",
    "petstore": "openapi/petstore__mcp-openapi-openapi__1.0.26.json",
    "plaid": "openapi/plaid__2020-09-14__2020-09-14-1.697.4.yml",
    "rentcast": "openapi/rentcast__1.0__1.0.json",
    "spotify": "openapi/spotify__official-spotify-open-api__1.0.0.yml",
    "stripe": "openapi/stripe__stripe__2022-11-15.yaml",
    "svix": "openapi/svix__server-openapi__1.1.1.json",
    "temporal": "openapi/temporal__openapi-openapiv3__0.0.1.yaml",
    "trello": "swagger/trello__1.0-swagger__1.0.yaml",
    "twilio": "openapi/twilio__twilio-api-v2010__1.0.0.json",
    "vercel": "openapi/vercel__0.0.1__0.0.1.json",
}

UNDECLARED = {
    "docusign": "the document leaves out how callers are recognised",
    "listennotes": "the document takes the key as a header parameter of each operation",
    "temporal": "the document leaves out how callers are recognised",
}
"""Where the catalogue says more than the document, and why."""

MOVED = {"trello": "the document of the corpus is of an age when calls went to trello.com"}


def fetch(location: str) -> bytes:
    try:
        return Path(location).read_bytes()
    except OSError:
        raise DesignError(f"there is no file {location}", code="document.not_found") from None


@pytest.fixture(scope="module", params=sorted(DOCUMENTS))
def known(request: pytest.FixtureRequest) -> tuple[Entry, Catalog]:
    path = corpus_root() / DOCUMENTS[request.param]
    catalog = build_catalog(read_document(Document(location=str(path), content=path.read_bytes()), fetch))
    return entry(request.param), catalog


def spelled(scheme: SecurityScheme) -> str:
    if scheme.kind == "apiKey":
        return f"{scheme.place}:{scheme.name}".lower()
    return scheme.scheme.lower() if scheme.kind == "http" else "oauth2"


def chosen(tools: list[Tool], select: dict[str, list[str]]) -> list[str]:
    return [
        tool.name
        for tool in tools
        if set(tool.tags) & set(select.get("tags", []))
        or any(fnmatchcase(tool.binding.path, glob) for glob in select.get("paths", []))
        or any(fnmatchcase(tool.name, glob) for glob in select.get("tools", []))
    ]


def test_how_callers_are_recognised_is_as_the_document_says(known: tuple[Entry, Catalog]) -> None:
    one, catalog = known
    ways = {spelled(scheme) for scheme in catalog.schemes.values()}
    if one.auth == "none":
        assert not ways
    elif one.name in UNDECLARED:
        assert one.auth.lower() not in ways
    else:
        assert one.auth.lower() in ways or (not ways and one.options.get("auth") == one.auth), ways


def test_every_suggested_toolset_holds_at_least_two_tools(known: tuple[Entry, Catalog]) -> None:
    one, catalog = known
    held = {name: chosen(list(catalog.tools.values()), dict(select)) for name, select in one.toolsets.items()}
    assert all(len(tools) >= 2 for tools in held.values()), held


def test_the_base_url_is_one_of_the_documents_own_servers(known: tuple[Entry, Catalog]) -> None:
    one, catalog = known
    servers = {server.url for tool in catalog.tools.values() for server in tool.binding.servers}
    hosts = {urlsplit(url).hostname for url in servers if "{" not in url} - {None}
    if one.base_url and hosts and one.name not in MOVED:
        assert urlsplit(one.base_url).hostname in hosts
