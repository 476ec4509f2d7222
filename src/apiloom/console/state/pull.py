"""A gateway's state as documents, and these as files: everything but secrets, the smallest text that says it.

Members that have their default are left out. The documents that connectors are made from are kept byte for byte in
files beside, so that the same state elsewhere serves the same versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiloom.catalog.server_config import config_to_json, read_config
from apiloom.console.state.actual import State, There, check_named, path
from apiloom.console.state.kinds import WORDS
from apiloom.console.state.plan import tenant_of
from apiloom.console.state.texts import document_text, references
from apiloom.store.records import DEFAULT_TENANT

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

HOUSE = "house"
FOLDER = "documents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """Documents by the name of their file, without its ending; and the contents that they name, by their file."""

    documents: Mapping[str, list[dict[str, Any]]]
    contents: Mapping[str, bytes] = field(repr=False)


async def pull(gateway: Gateway, state: State, *, beside: bool) -> Pulled:
    """The state as documents. ``beside`` keeps APIs' documents in files of their own; else they stand in the text.

    Raises:
        CallerError: ``state.unnamed``.
        ApiloomError: what the gateway refuses with.
    """
    check_named(state)
    pulling = _Pulling(gateway=gateway, state=state, beside=beside)
    documents: dict[str, list[dict[str, Any]]] = {}
    for word in WORDS:
        for one in state.of(word):
            if one.derived:
                continue
            spec = await pulling.connector(one) if word == "connector" else plain_spec(one)
            if one.key == (DEFAULT_TENANT,) and not spec:
                continue  # every gateway has it
            tenant = tenant_of(one)
            file = f"tenant-{tenant}" if tenant else HOUSE
            documents.setdefault(file, []).append({**_named(one), "spec": spec})
    return Pulled(documents=documents, contents=pulling.contents)


def _named(one: There) -> dict[str, Any]:
    parts = zip(one.kind.names, one.key, strict=True)
    return {"kind": one.kind.word, **{name: part for name, part in parts if part}}


def plain_spec(one: There) -> dict[str, Any]:
    """The members of a spec that are not as they would be without saying so."""
    spec = {name: value for name, value in one.spec.items() if not _is_default(one, name, value)}
    if one.kind.word == "server" and "config" in spec:
        plain = config_to_json(read_config({}))
        spec["config"] = {name: _said(value) for name, value in spec["config"].items() if value != plain[name]}
        if not spec["config"]:
            del spec["config"]
    if one.kind.word == "account" and not one.record["external_id"]:
        spec.pop("label", None)  # it is the name
    return spec


def _said(value: Any) -> Any:
    """A setting without those parts that say nothing."""
    if isinstance(value, Mapping):
        return {name: part for name, part in value.items() if part not in (None, [])}
    return value


def _is_default(one: There, name: str, value: Any) -> bool:
    defaults = one.kind.defaults
    return name in defaults and defaults[name] == value


@dataclass(slots=True, kw_only=True)
class _Pulling:
    gateway: Gateway
    state: State
    beside: bool
    contents: dict[str, bytes] = field(default_factory=dict)

    async def connector(self, one: There) -> dict[str, Any]:
        """A connector's spec, with the documents of the versions that led to the one being served."""
        slug = one.key[0]
        spec = plain_spec(one)
        versions = {each["number"]: each for each in self.state.versions[slug]}
        number = one.record["current"]
        if number not in versions:
            return spec
        content = await self._content(slug, number)
        if spec.get("url") and references(document_text(content, slug)):
            # what it refers to is beside its url and nowhere else
            return {**spec, "hash": versions[number]["hash"]}
        lineage = [number]
        while (before := versions[lineage[-1]]["against"]) in versions:
            lineage.append(before)
        history = [self._kept(slug, each, await self._content(slug, each)) for each in reversed(lineage[1:])]
        named = self._kept(slug, number, content)
        return {**spec, "document": named, **({"history": history} if history else {})}

    async def _content(self, slug: str, number: int) -> bytes:
        answer = await self.gateway.request("GET", path("connectors", slug, "versions", number, "document"))
        return answer.content

    def _kept(self, slug: str, number: int, content: bytes) -> dict[str, str]:
        text = document_text(content, slug)
        if not self.beside:
            return {"text": text}
        ending = "json" if text.lstrip().startswith("{") else "yaml"
        file = f"{FOLDER}/{slug}.{number}.{ending}"
        self.contents[file] = content
        return {"file": file}
