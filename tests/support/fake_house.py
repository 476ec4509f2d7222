"""A house without doors: the console's ports answered from memory, and a record of what was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.calls.call import Outcome, Text
from apiloom.catalog.tool import (
    Argument,
    BoundBody,
    BoundField,
    Catalog,
    Hints,
    HttpBinding,
    LedgerLine,
    Tool,
)
from apiloom.console.cli.run import run
from apiloom.console.house import Connector, Gateway, House, Listen, Opened, Options, Say, Served, Surroundings
from apiloom.model.api import SecurityScheme

SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "copies": {"type": "integer"},
        "price": {"type": "number"},
        "signed": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "author": {"type": "object", "properties": {"name": {"type": "string"}}},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "anything": {},
        "cover": {"type": "string"},
    },
    "required": ["title"],
}


def tool(name: str = "add_book", method: str = "POST", path: str = "/books") -> Tool:
    return Tool(
        name=name,
        title="Add a book",
        description="Adds a book to the shop.",
        input_schema=SCHEMA,
        output_schema=None,
        hints=Hints(read_only=False, destructive=False, idempotent=False),
        tags=("books",),
        kind="write",
        operation=f"{method} {path}",
        arguments=tuple(Argument(name=key, place="body", original=f"/{key}") for key in SCHEMA["properties"]),
        binding=HttpBinding(
            method=method,
            path=path,
            body=BoundBody(
                media_type="multipart/form-data",
                required=True,
                fields=(BoundField(argument="cover", name="cover", kind="binary"),),
            ),
            security=((("Shop Key", ()),),),
        ),
    )


def catalog(*tools: Tool) -> Catalog:
    shown = tools or (tool(),)
    return Catalog(
        title="Bookshop",
        version="1.2",
        format="OpenAPI 3.1",
        description="",
        tools={one.name: one for one in shown},
        schemas={},
        schemes={"Shop Key": SecurityScheme(id="Shop Key", kind="apiKey", place="header", name="X-Key")},
        ledger=tuple(
            LedgerLine(
                key=one.operation, method=one.binding.method, path=one.binding.path, status="exposed", tool=one.name
            )
            for one in shown
        ),
        findings=(),
    )


def rendered(one: Tool) -> dict[str, Any]:
    return {"name": one.name, "title": one.title, "description": one.description, "inputSchema": one.input_schema}


def report(cat: Catalog, **changes: Any) -> dict[str, Any]:
    whole = {
        "api": {"title": cat.title, "version": cat.version, "format": cat.format},
        "ledger": {"operations": len(cat.ledger), "exposed": len(cat.tools), "gated": 0, "quarantined": 0},
        "operations": [
            {"key": line.key, "method": line.method, "path": line.path, "status": line.status, "tool": line.tool}
            | {"reason": line.reason}
            for line in cat.ledger
        ],
        "tools": [
            {
                **rendered(one),
                "class": one.kind,
                "method": one.binding.method,
                "path": one.binding.path,
                "arguments": {argument.name: {"in": argument.place} for argument in one.arguments},
                "tokens": 132,
            }
            for one in cat.tools.values()
        ],
        "findings": [],
        "tokens": {"list": 1234, "largest": 99, "costliest": [{"tool": name, "tokens": 99} for name in cat.tools][:10]},
        "score": {"total": 97.5, "parts": {"descriptions": {"score": 95, "of": 2}, "size": 100}},
    }
    return {**whole, **changes}


@dataclass
class Desk:
    """A fake house and what was asked of it. Replace an answer by setting ``answers``."""

    folder: Path
    catalog: Catalog = field(default_factory=catalog)
    environment: Mapping[str, str] = field(default_factory=dict)
    platform: str = "linux"
    slug: str = "bookshop"
    changes: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=lambda: Outcome(content=(Text("done"),)))
    failure: BaseException | None = None
    served: int = 0
    ready: Served = field(default_factory=lambda: Served(title="Bookshop", url="http://127.0.0.1:1/mcp", tools=2))
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def house(self) -> House:
        return House(
            read=self._read,
            call=self._call,
            preview=self._preview,
            serve=self._serve,
            gateway=self._gateway,
            surroundings=Surroundings(
                environment=self.environment,
                home=self.folder / "home",
                folder=self.folder,
                platform=self.platform,
                python="/opt/env/bin/python",
                prefix="/opt/env",
            ),
        )

    def run(self, *words: str) -> int:
        return run(self.house(), words)

    def _break(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _read(self, source: str, options: Options, say: Say) -> Connector:
        say(f"reading {source}")
        self.asked.append(("read", source, options))
        self._break()
        by_name: Callable[[str], dict[str, Any]] = lambda name: rendered(self.catalog.tools[name])  # noqa: E731
        return Connector(
            slug=self.slug,
            source=source,
            catalog=self.catalog,
            report=lambda: report(self.catalog, **self.changes),
            rendered=by_name,
        )

    def _call(self, source: str, options: Options, name: str, arguments: dict[str, Any], say: Say) -> Outcome:
        self.asked.append(("call", source, options, name, arguments))
        self._break()
        if name not in self.catalog.tools:
            raise CallerError(f"there is no tool named {name!r}", code="call.unknown_tool", hint="did you mean …?")
        return self.outcome

    def _preview(self, source: str, options: Options, name: str, arguments: dict[str, Any], say: Say) -> dict[str, Any]:
        self.asked.append(("preview", source, options, name, arguments))
        return {
            "method": "POST",
            "url": "https://shop.example/books",
            "headers": [["X-Key", "***"]],
            "body": {"text": "{}"},
        }

    def _gateway(self, gateway: Gateway, listen: Listen, say: Say, ready: Callable[[Opened], None]) -> int:
        self.asked.append(("gateway", gateway, listen))
        ready(Opened(url="http://127.0.0.1:9", place="/d", servers=2, token="ala_token"))
        return self.served

    def _serve(self, sources: Any, options: Options, listen: Listen, say: Say, ready: Callable[[Served], None]) -> int:
        self.asked.append(("serve", sources, options, listen))
        self._break()
        say("a credential is missing")
        ready(self.ready)
        return self.served
