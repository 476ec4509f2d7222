"""One import from a document to its artefact, as a worker does it: fetch, read, shape, pack, compare.

A document that was handed over, as text or as an upload, reaches no file and only such URLs as its options allow; one
that stands behind a URL reaches its own origin. Knows no pipes, no store and no other import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from apiloom.app.connectors import shape_model
from apiloom.app.fetching import fetch_url
from apiloom.app.sources import Opened, open_bytes, open_url
from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.catalog.difference import compare, to_json
from apiloom.catalog.hidden import Settled
from apiloom.catalog.pins import Pin, join_pins
from apiloom.compile.artefact import Artefact, pack, unpack
from apiloom.flows.ground import Imported, ImportJob
from apiloom.model.api import SecurityScheme
from apiloom.model.security import place_of
from apiloom.net.guard import Guard
from apiloom.readers.read import read_document
from apiloom.readers.source import LIMITS
from apiloom.vault.constants import constant_headers
from apiloom.vault.signers import default_schemes

MOST_FINDINGS = 200
"""Findings that are told beside a version; the artefact holds all of them."""

_LONGEST = 1_000
_LEVELS = ("error", "warning", "note")
_FETCH_SECONDS = 30.0
_UNNAMED = "-"

BREAKING_OPTIONS = ("auth", "base_url", "headers", "server", "trust", "variables")
"""Options that say where calls go and what signs them: whatever the documents say, a change of one is breaking."""


def import_document(job: ImportJob, say: Callable[[str], None], guard: Guard) -> Imported:
    """Import one document; ``say`` is told how far it is. Whatever is fetched for it, the ``guard`` looks at.

    Raises:
        DesignError: ``net.address``, ``document.*``, ``catalog.empty``, ``auth.kind``, ``header.*``: the document or
            its options.
        UpstreamError: ``net.*`` when it cannot be fetched.
        HouseFault: ``artefact.damaged`` for what it is compared with.
    """
    before = unpack(job.before) if job.before else None
    pinned = _pins(before, job.pinned)
    opened = _open(job, say, guard)
    say(f"reading {len(opened.document.content)} bytes")
    options = job.options
    model = read_document(opened.document, opened.fetch, remote_refs=bool(options.get("remote_refs")))
    catalog = shape_model(
        model,
        _settled(options, model.schemes),
        say,
        published=pinned,
        require_descriptions=bool(options.get("require_descriptions")),
    )
    if not catalog.ledger:
        raise DesignError(
            "the document describes no operation",
            code="catalog.empty",
            hint="an OpenAPI document lists them under paths",
        )
    say(f"packing {len(catalog.tools)} tools")
    content = pack(catalog, pinned=pinned, options=options)
    artefact = unpack(content, checked=False)
    difference = _difference(before, artefact, job, say)
    return Imported(
        document=opened.document.content,
        artefact=content,
        hash=artefact.hash,
        title=artefact.title[:_LONGEST],
        api_version=artefact.version[:_LONGEST],
        tools=len(artefact.tools),
        ledger=_counts(artefact),
        findings=_first(artefact),
        verdict=difference.get("verdict", "none"),
        difference=difference,
    )


def _pins(before: Artefact | None, further: tuple[bytes, ...]) -> tuple[Pin, ...]:
    """Every name that was published; what the version being served says of one counts most."""
    published = [unpack(content).pins for content in further]
    return join_pins(*published, before.pins if before is not None else ())


def _open(job: ImportJob, say: Callable[[str], None], guard: Guard) -> Opened:
    remote_refs = bool(job.options.get("remote_refs"))
    if not job.url:
        if len(job.document) > LIMITS.bytes:
            raise DesignError(
                f"the document has more than {LIMITS.bytes // 1_000_000} MB",
                code="document.too_large",
                hint="split it or take out what is not needed",
            )
        fetch = partial(fetch_url, seconds=_FETCH_SECONDS, guard=guard)
        return open_bytes(_UNNAMED, job.document, fetch, remote_refs=remote_refs)
    parts = urlsplit(job.url)
    if parts.scheme.lower() not in ("http", "https"):
        raise DesignError("that is no http or https URL", code="document.fetch", hint="give one, or the text itself")
    fetch = partial(fetch_url, seconds=_FETCH_SECONDS, home=f"{parts.scheme}://{parts.netloc}", guard=guard)
    return open_url(job.url, remote_refs=remote_refs, fetch_url=fetch, say=say)


def _settled(options: Mapping[str, Any], schemes: Mapping[str, SecurityScheme]) -> Settled:
    """The parameters that no model is asked for: constant headers, and where ``auth`` puts its credential."""
    headers = tuple((str(name), str(value)) for name, value in dict(options.get("headers") or {}).items())
    defined = default_schemes(str(options["auth"])) if options.get("auth") else {}
    constant_headers(headers, {**schemes, **defined})
    settled = {("header", name.strip().lower()): "" for name, _ in headers}
    return settled | {place_of(scheme): scheme.id for scheme in defined.values()}


def _difference(before: Artefact | None, after: Artefact, job: ImportJob, say: Callable[[str], None]) -> dict[str, Any]:
    """How the new version differs from the one that is served; empty without one."""
    if before is None:
        return {}
    say("comparing with the version before")
    told = to_json(compare(before.catalog(), after.catalog(), trusted=job.trusted))
    changed = sorted(
        name
        for name in {*before.options, *after.options}
        if json.canonical(before.options.get(name)) != json.canonical(after.options.get(name))
    )
    if changed:
        told["options"] = changed
        if any(name in BREAKING_OPTIONS for name in changed):
            told["verdict"] = "breaking"
        elif told["verdict"] in ("none", "additive"):
            told["verdict"] = "review"
    return told


def _counts(artefact: Artefact) -> dict[str, int]:
    statuses = [line.status for line in artefact.ledger]
    told = {status: statuses.count(status) for status in ("exposed", "gated", "quarantined")}
    return {"operations": len(statuses), **told}


def _first(artefact: Artefact) -> tuple[dict[str, str], ...]:
    """The findings that matter most, in their own order among equals."""
    found = sorted(artefact.findings, key=lambda one: _LEVELS.index(one.level))[:MOST_FINDINGS]
    return tuple(
        {"level": one.level, "code": one.code, "message": one.message[:_LONGEST], "pointer": one.pointer[:_LONGEST]}
        for one in found
    )
