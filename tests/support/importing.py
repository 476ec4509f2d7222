"""Imports in a thread of this process: what workers do, without the processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from apiloom.app.workers.importing import import_document
from apiloom.base import json
from apiloom.flows.ground import Imported, ImportJob
from apiloom.net.guard import public_guard


@dataclass
class ThreadImports:
    """``jobs`` are those that ran; ``pages`` are documents by URL; ``meanwhile`` happens before an import ends."""

    pages: dict[str, bytes] = field(default_factory=dict)
    jobs: list[ImportJob] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def run(self, job: ImportJob, say: Callable[[str], None]) -> Imported:
        self.jobs.append(job)
        fetched = _handed_over(job, self.pages[job.url]) if job.url else job
        made = await asyncio.to_thread(import_document, fetched, say, public_guard())
        if self.meanwhile is not None:
            await self.meanwhile()
        return made


def _handed_over(job: ImportJob, document: bytes) -> ImportJob:
    members: dict[str, Any] = {name: getattr(job, name) for name in job.__slots__}
    return ImportJob(**{**members, "url": "", "document": document})


def operation(name: str, **more: Any) -> dict[str, Any]:
    """A described operation that takes nothing."""
    return {"operationId": name, "summary": f"Do {name}", "responses": {"200": {"description": "done"}}, **more}


def described(*names: str, title: str = "Shop", paths: dict[str, Any] | None = None, **root: Any) -> str:
    """The text of a document with one GET for each name."""
    head = {"openapi": "3.1.0", "info": {"title": title, "version": "1"}, "servers": [{"url": "https://shop.example"}]}
    listed = {f"/{name}": {"get": operation(name)} for name in names}
    return json.dumps({**head, "paths": {**listed, **(paths or {})}, **root}).decode()
