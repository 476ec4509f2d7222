"""apiloom as a library: an API's tools in a program, with no server in between, or mounted inside one.

api = apiloom.load("openapi.yaml", credentials={"ApiKeyAuth": "…"})
answer = await api.call("get_pet", {"pet_id": 7})
app.mount("/mcp", api.asgi())
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from apiloom.app.asgi import AsgiApp
from apiloom.app.connectors import Loaded, fetching, load_connector, read_catalog
from apiloom.app.environment import Given
from apiloom.app.outbound import open_sender
from apiloom.app.quick import Quick
from apiloom.app.sources import Opened, open_source, opened_text
from apiloom.base import json
from apiloom.base.errors import ApiloomError, DesignError
from apiloom.calls.call import Call, Outcome, refusal
from apiloom.console.house import Options
from apiloom.emit.definitions import emit_anthropic, emit_openai
from apiloom.emit.execute import read_tool_call, render_tool_result
from apiloom.identity.gate import BearerGate, OpenGate
from apiloom.net.inprocess import InProcess
from apiloom.vault.given import parse_credentials
from apiloom.vault.signers import default_schemes
from apiloom.wire.files import FilesHttp
from apiloom.wire.http import McpHttp
from apiloom.wire.settings import LOOPBACK_HOSTS, LOOPBACK_ORIGINS, WireSettings

CredentialValue = str | Mapping[str, Any]
"""A token or key as text (``user:password`` for basic), or the members a credentials file has for a scheme."""


@dataclass(slots=True, kw_only=True)
class Api:
    """One API as tools. Use as an async context manager, or call :meth:`aclose` when done."""

    quick: Quick = field(repr=False)
    loaded: Loaded = field(repr=False)

    @property
    def title(self) -> str:
        """What the document calls the API."""
        return self.loaded.title

    def tools(self) -> list[dict[str, Any]]:
        """Every tool in the default view: name, title, description, inputSchema, annotations."""
        return [json.loads(entry) for entry in self.loaded.entries.values()]

    def anthropic_tools(self) -> list[dict[str, Any]]:
        """The tools as definitions for the Anthropic Messages API."""
        return emit_anthropic(self.tools())

    def openai_tools(self, form: Literal["chat", "responses"] = "chat") -> list[dict[str, Any]]:
        """The tools as definitions for OpenAI's Chat Completions or Responses API."""
        return emit_openai(self.tools(), form=form)

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None, *, seconds: float = 60.0) -> Outcome:
        """Call one tool. What the API refuses is an outcome with ``failed`` set. ``seconds`` bounds it.

        Raises:
            CallerError: ``call.unknown_tool``.
        """
        endpoint = self.quick.directory.endpoints[""]
        call = Call(tool=tool, arguments=dict(arguments or {}), timeout=seconds)
        try:
            return await endpoint.run(call)
        except ApiloomError as error:
            if error.code == "call.unknown_tool":
                raise
            return refusal(error)

    async def execute(self, tool_call: Any) -> dict[str, Any]:
        """Run a tool call as a model API returned it, and give back the message that answers it.

        Takes an Anthropic ``tool_use`` block, an OpenAI chat ``tool_calls`` item or a Responses ``function_call``
        item, as a dict or as the SDK's own object. A tool that does not exist is an answer the model can read.
        """
        asked = read_tool_call(tool_call)
        try:
            outcome = await self.call(asked.name, asked.arguments)
        except ApiloomError as error:
            outcome = refusal(error)
        return render_tool_result(asked, outcome)

    def asgi(
        self, *, token: str = "", allowed_hosts: Sequence[str] = (), allowed_origins: Sequence[str] = ()
    ) -> AsgiApp:
        """An ASGI application that speaks MCP, to mount in a Starlette, FastAPI or any other ASGI service.

        Below the path it is mounted at, ``/files`` takes uploads; see the page on files.

        Args:
            token: demand this bearer token; empty leaves recognising callers to the service around it.
            allowed_hosts: values of the Host header to answer beside loopback names; ``*`` answers any.
            allowed_origins: origins of web pages that may call, such as ``https://chat.example.com``.
        """
        gate = BearerGate(token) if token else OpenGate()
        settings = WireSettings(
            allowed_hosts=(*LOOPBACK_HOSTS, *allowed_hosts),
            allowed_origins=(*LOOPBACK_ORIGINS, *allowed_origins),
            call_timeout=self.quick.options.timeout,
        )
        files = FilesHttp(self.quick.keeper, gate, settings)
        return McpHttp(self.quick.directory, gate, settings, files=files)

    async def aclose(self) -> None:
        """Close the pool of connections."""
        await self.quick.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def load(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    base_url: str = "",
    credentials: Mapping[str, CredentialValue] | None = None,
    app: AsgiApp | None = None,
    options: Options | None = None,
) -> Api:
    """Read an API description and make it callable.

    Args:
        source: a path, a folder, a URL, or the document itself as a dict (such as ``app.openapi()``).
        base_url: replaces the document's own servers.
        credentials: by the document's scheme names.
        app: an ASGI application that answers in this process instead of the network.
        options: what the command line's options say, for those who need them.

    Raises:
        DesignError: the document cannot be read, or does not say where its API answers; ``credentials.*`` for what
            cannot be sent, or is for no scheme of the API.
    """
    chosen = options or Options()
    opened = _opened(source, chosen)
    loaded = load_connector(
        opened.document.location,
        opened,
        chosen,
        lambda: read_catalog(opened, chosen, _silently),
        cached=chosen.cache,
    )
    given = parse_credentials(_members(credentials or {}))
    defined = default_schemes(chosen.auth) if chosen.auth else {}
    _check_known((*given.by_scheme, *given.forms), {**loaded.schemes, **defined})
    homes: set[str] = set()
    quick = Quick(
        options=chosen,
        base_url=base_url or chosen.base_url or ("http://localhost" if app is not None else ""),
        sender=InProcess(app) if app is not None else open_sender(os.environ, homes),
        given=lambda read, _slug, _slugs: Given(credentials=given, schemes={**read.schemes, **defined}),
        homes=homes,
    )
    quick.put([loaded])
    return Api(quick=quick, loaded=loaded)


def _check_known(given: Iterable[str], schemes: Iterable[str]) -> None:
    """A program hears no warnings: a credential for a scheme that is misspelt would leave calls unsigned in silence."""
    known = sorted(schemes)
    for name in given:
        if name not in known:
            raise DesignError(
                f"the API has no security scheme {name[:60]!r}",
                code="credentials.scheme",
                hint=f"there are {', '.join(known[:20])}" if known else "define one with Options(auth=…)",
            )


def _opened(source: str | os.PathLike[str] | Mapping[str, Any], options: Options) -> Opened:
    if isinstance(source, Mapping):
        return opened_text("application document", json.dumps(dict(source)))
    return open_source(
        os.fspath(source),
        remote_refs=options.remote_refs,
        fetch_url=fetching(os.fspath(source), options),
        say=_silently,
    )


def _members(credentials: Mapping[str, CredentialValue]) -> dict[str, Mapping[str, Any]]:
    return {scheme: _split(value) if isinstance(value, str) else value for scheme, value in credentials.items()}


def _split(value: str) -> dict[str, str]:
    return {"token": value}


def _silently(text: str) -> None:
    """A program is not told what is being read."""
