"""The admin API from Python: typed answers, one error tree, over the network or straight into an application.

    async with Gateway("https://gateway.example.com", token) as gateway:
        made = await gateway.servers.create(connectors=["pets"], config={"methods": ["read"]})
        print(made.url)

Imports no web framework, so that a program pays for none. Holds no rule: what is sent is what was given, and refusals
are the gateway's own. The command line stands on it, with a sender that calls an application in the same process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from apiloom.base import json
from apiloom.base.errors import ApiloomError, CallerError, HouseFault, UpstreamError
from apiloom.console import answers
from apiloom.console.answers import read_answer
from apiloom.net.client import connect
from apiloom.net.request import Request, Response, Sender

PREFIX: Final = "/api/v1"
TIMEOUT: Final = 60.0
LONG: Final = 900.0
"""Seconds that an import, which fetches and compares documents, may take."""

_Seen = TypeVar("_Seen")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the gateway answered, as it came: its bytes. ``value`` is its JSON, None where there is none."""

    status: int
    headers: Mapping[str, str]
    value: Any = field(repr=False)
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Page(Generic[_Seen]):
    """One page of a listing; ``next_cursor`` is empty at its end."""

    items: tuple[_Seen, ...]
    next_cursor: str


class Gateway:
    """A gateway, asked with one token.

    Args:
        url: where it is, with or without ``/api/v1``.
        token: an API token, ``ala_…``.
        sender: the way there; without one, the network. A :class:`~apiloom.net.inprocess.InProcess` calls an
            application in this process.

    Raises:
        CallerError: ``gateway.url`` when that is no address.
    """

    def __init__(self, url: str, token: str, *, sender: Sender | None = None) -> None:
        self._origin, self._base = _place(url)
        self._token = token
        self._sender = sender or connect()
        self.tenants = Resource(self, "tenants", answers.Tenant, answers.Tenant)
        self.connectors = Connectors(self, "connectors", answers.Connector, answers.ImportedConnector)
        self.accounts = Accounts(self, "accounts", answers.Account, answers.Account)
        self.servers = Servers(self, "servers", answers.Server, answers.MadeServer)
        self.toolsets = Resource(self, "toolsets", answers.Toolset, answers.Toolset)
        self.overlays = Resource(self, "overlays", answers.Overlay, answers.Overlay)
        self.api_tokens = ApiTokens(self, "api-tokens", answers.ApiToken, answers.MadeApiToken)
        self.oauth_clients = Resource(self, "oauth-clients", answers.OAuthClient, answers.OAuthClient)
        self.connect_sessions = ConnectSessions(
            self, "connect-sessions", answers.ConnectSession, answers.MadeConnectSession
        )
        self.sign_ins = SignIns(self, "sign-ins", answers.SignIn)
        self.events = Listings(self, "events", answers.Event)
        self.audit = Listings(self, "audit", answers.AuditLine)

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request to a path below ``/api/v1``, whatever comes of it. ``query`` leaves out members that are None.

        Raises:
            UpstreamError: ``net.…`` when the gateway cannot be reached, ``gateway.answer`` when it is none.
        """
        content = None if body is None else json.dumps(body)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        heads = [("accept", "application/json"), ("authorization", f"Bearer {self._token}"), *(headers or {}).items()]
        if content is not None:
            heads.append(("content-type", kind))
        response = await self._sender.send(
            Request(
                method=method,
                origin=self._origin,
                target=self._base + path + _question(query or {}),
                headers=heads,
                body=content,
                timeout=LONG if method == "POST" and path.startswith("/connectors") else TIMEOUT,
            )
        )
        content = response.body
        return Answer(status=response.status, headers=dict(response.headers), value=_value(response), content=content)

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """As :meth:`request`, for the value of an answer that is no refusal.

        Raises:
            ApiloomError: what the gateway refused with, under its own code; ``net.…`` as :meth:`request`.
        """
        answer = await self.request(method, path, query, body, headers)
        if answer.status >= 300:
            raise refusal(answer)
        return answer.value

    async def whoami(self) -> answers.Caller:
        """Who the token's holder is to the gateway."""
        return read_answer(answers.Caller, await self.ask("GET", "/whoami"))

    async def health(self) -> answers.Health:
        """How the gateway is."""
        return read_answer(answers.Health, await self.ask("GET", "/health"))

    async def aclose(self) -> None:
        """Close the way there."""
        await self._sender.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Listings(Generic[_Seen]):
    """Records that can be listed and read."""

    def __init__(self, gateway: Gateway, place: str, seen: type[_Seen]) -> None:
        self._gateway = gateway
        self._place = f"/{place}"
        self._seen = seen

    async def page(self, *, limit: int = 50, cursor: str = "", **where: Any) -> Page[_Seen]:
        """One page of those whose members equal ``where``; ``metadata={…}`` looks into the metadata."""
        value = await self._gateway.ask("GET", self._place, {"limit": limit, "cursor": cursor or None, **where})
        items = tuple(read_answer(self._seen, item) for item in value["items"])
        return Page(items, value["next_cursor"] or "")

    async def every(self, **where: Any) -> AsyncIterator[_Seen]:
        """All of them, page by page."""
        cursor = ""
        while True:
            page = await self.page(limit=200, cursor=cursor, **where)
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if not cursor:
                return

    async def read(self, id_: str | int) -> _Seen:
        """One of them."""
        return read_answer(self._seen, await self._gateway.ask("GET", self._at(id_)))

    def _at(self, id_: str | int, *more: str | int) -> str:
        return "/".join((self._place, *(quote(str(part), safe="") for part in (id_, *more))))


class SignIns(Listings[answers.SignIn]):
    """Sign-ins."""

    async def end(self, id_: str, *, plan: bool = False, revision: int | None = None) -> answers.Removed:
        """End one at once; ``plan`` only says what would happen."""
        told = await self._gateway.ask("DELETE", self._at(id_), {"plan": plan or None}, None, _revision(revision))
        return read_answer(answers.Removed, told)


class Resource(Listings[_Seen], Generic[_Seen, _Made]):
    """Records that can be made, changed and removed as well."""

    def __init__(self, gateway: Gateway, place: str, seen: type[_Seen], made: type[_Made]) -> None:
        super().__init__(gateway, place, seen)
        self._made = made

    async def create(self, *, idempotency_key: str = "", **members: Any) -> _Made:
        """Make one. With a key, the same request sent again makes nothing twice."""
        value = await self._gateway.ask("POST", self._place, None, members, _once(idempotency_key))
        return read_answer(self._made, value)

    async def update(self, id_: str, patch: Mapping[str, Any], *, revision: int | None = None) -> _Seen:
        """Change members by a merge patch (RFC 7396); with a ``revision``, only if it is still that."""
        value = await self._gateway.ask("PATCH", self._at(id_), None, dict(patch), _revision(revision))
        return read_answer(self._seen, value)

    async def delete(
        self, id_: str, *, cascade: bool = False, plan: bool = False, revision: int | None = None
    ) -> answers.Removed:
        """Remove one, with ``cascade`` and what depends on it; ``plan`` only says what would happen."""
        query = {"cascade": cascade or None, "plan": plan or None}
        return read_answer(
            answers.Removed, await self._gateway.ask("DELETE", self._at(id_), query, None, _revision(revision))
        )


class Accounts(Resource[answers.Account, answers.Account]):
    """Accounts."""

    async def test(self, id_: str, tool: str = "") -> Mapping[str, Any]:
        """Call a tool that only reads, and say what came of it."""
        value: Mapping[str, Any] = await self._gateway.ask("POST", self._at(id_, "test"), None, {"tool": tool or None})
        return value

    async def create_server(self, id_: str, *, idempotency_key: str = "", **members: Any) -> answers.MadeServer:
        """A server that shows the account."""
        value = await self._gateway.ask("POST", self._at(id_, "servers"), None, members, _once(idempotency_key))
        return read_answer(answers.MadeServer, value)


class ConnectSessions(Resource[answers.ConnectSession, answers.MadeConnectSession]):
    """Connect sessions."""

    async def redeem(self, code: str) -> answers.ConnectSession:
        """What came of the session of a one-time code; it counts once."""
        value = await self._gateway.ask("POST", self._at("redeem"), None, {"code": code})
        return read_answer(answers.ConnectSession, value)


class Servers(Resource[answers.Server, answers.MadeServer]):
    """Servers and their tokens."""

    async def shown(self, id_: str) -> answers.ToolsShown:
        """What a server shows."""
        return read_answer(answers.ToolsShown, await self._gateway.ask("GET", self._at(id_, "shown")))

    async def switch(self, id_: str, toolset: str, *, on: bool) -> answers.Server:
        """Switch a toolset of a server."""
        value = await self._gateway.ask("POST", self._at(id_, "toolsets"), None, {"name": toolset, "on": on})
        return read_answer(answers.Server, value)

    def tokens(self, id_: str) -> Listings[answers.ServerToken]:
        """A server's tokens."""
        return Listings(self._gateway, self._at(id_, "tokens").lstrip("/"), answers.ServerToken)

    async def add_token(self, id_: str, label: str = "", *, idempotency_key: str = "") -> answers.MadeServerToken:
        """One more secret URL."""
        value = await self._gateway.ask(
            "POST", self._at(id_, "tokens"), None, {"label": label or None}, _once(idempotency_key)
        )
        return read_answer(answers.MadeServerToken, value)

    async def revoke_token(self, id_: str, token: str) -> answers.Removed:
        """End one of a server's tokens."""
        return read_answer(answers.Removed, await self._gateway.ask("DELETE", self._at(id_, "tokens", token)))

    async def rotate(self, id_: str, *, grace_seconds: int = 0, token: str = "") -> answers.MadeServerToken:
        """A new secret URL in place of the old ones, or of one of them."""
        body = {"grace_seconds": grace_seconds, "token": token or None}
        value = await self._gateway.ask("POST", self._at(id_, "rotate"), None, body)
        return read_answer(answers.MadeServerToken, value)


class ApiTokens(Resource[answers.ApiToken, answers.MadeApiToken]):
    """API tokens."""

    async def rotate(self, id_: str, *, grace_seconds: int = 0) -> answers.MadeApiToken:
        """A new text in place of a token's."""
        value = await self._gateway.ask("POST", self._at(id_, "rotate"), None, {"grace_seconds": grace_seconds})
        return read_answer(answers.MadeApiToken, value)

    async def leaked(self, text: str) -> tuple[answers.Leak, ...]:
        """Revoke every token that stands in a text."""
        value = await self._gateway.ask("POST", self._at("leaked"), None, {"text": text})
        return tuple(read_answer(answers.Leak, item) for item in value["items"])


class Connectors(Resource[answers.Connector, answers.ImportedConnector]):
    """Connectors and their versions."""

    def versions(self, slug: str) -> Listings[answers.Version]:
        """A connector's versions."""
        return Listings(self._gateway, self._at(slug, "versions").lstrip("/"), answers.Version)

    def tools(self, slug: str, number: int) -> Listings[answers.ToolSeen]:
        """The tools of a version."""
        return Listings(self._gateway, self._at(slug, "versions", number, "tools").lstrip("/"), answers.ToolSeen)

    async def add_version(self, slug: str, *, plan: bool = False, **members: Any) -> answers.ProposedVersion:
        """Import a connector anew, from its own source or another; ``plan`` only says what it would become."""
        value = await self._gateway.ask("POST", self._at(slug, "versions"), {"plan": plan or None}, members)
        return read_answer(answers.ProposedVersion, value)

    async def promote(self, slug: str, number: int, *, cascade: bool = False, plan: bool = False) -> answers.Promoted:
        """Serve a version; ``plan`` only says what would happen."""
        query = {"cascade": cascade or None, "plan": plan or None}
        value = await self._gateway.ask("POST", self._at(slug, "versions", number, "promote"), query)
        return read_answer(answers.Promoted, value)

    async def reject(self, slug: str, number: int) -> answers.Version:
        """Set a proposed version aside."""
        value = await self._gateway.ask("POST", self._at(slug, "versions", number, "reject"))
        return read_answer(answers.Version, value)

    async def rollback(self, slug: str, *, cascade: bool = False) -> answers.Promoted:
        """Serve again what was served before."""
        query = {"cascade": cascade or None}
        return read_answer(answers.Promoted, await self._gateway.ask("POST", self._at(slug, "rollback"), query))

    async def document(self, slug: str, number: int) -> Any:
        """The document that a version was made from: its values where it is JSON, else its bytes."""
        return await self._gateway.ask("GET", self._at(slug, "versions", number, "document"))

    async def difference(self, slug: str, number: int) -> Mapping[str, Any]:
        """What a version changes, tool by tool."""
        value: Mapping[str, Any] = await self._gateway.ask("GET", self._at(slug, "versions", number, "difference"))
        return value


def refusal(answer: Answer) -> ApiloomError:
    """What a gateway refused with, as the error it was there."""
    value = answer.value if isinstance(answer.value, Mapping) else {}
    code, detail = value.get("code"), value.get("detail")
    if not isinstance(code, str) or not isinstance(detail, str):
        return UpstreamError(
            f"the gateway answered {answer.status} in words of its own",
            code="gateway.answer",
            hint="is there an apiloom gateway at this address?",
        )
    kind: type[ApiloomError] = CallerError
    if answer.status == 502:
        kind = UpstreamError
    elif answer.status >= 500 and answer.status != 501:
        kind = HouseFault
    facts = {"status": answer.status, "pointer": value.get("pointer", ""), "request_id": value.get("request_id", "")}
    return kind(detail, code=code, hint=str(value.get("hint", "")), **facts)


def _value(response: Response) -> Any:
    if not response.body:
        return None
    kind = response.header("content-type").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return response.body
    try:
        return json.loads(response.body)
    except ValueError:
        raise UpstreamError(
            "the gateway's answer is not the JSON it says it is", code="gateway.answer", hint="try again"
        ) from None


def _place(url: str) -> tuple[str, str]:
    """The origin and the path that all requests begin with."""
    wrong = CallerError(
        "that is no address of a gateway", code="gateway.url", hint="give one such as https://gateway.example.com"
    )
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        raise wrong
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/").removesuffix(PREFIX) + PREFIX


def _question(query: Mapping[str, Any]) -> str:
    pairs = [pair for name, value in query.items() for pair in _pairs(name, value)]
    return f"?{urlencode(pairs, quote_via=quote, safe='')}" if pairs else ""


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [pair for key, part in value.items() for pair in _pairs(f"{name}[{key}]", part)]
    return [(name, ("true" if value else "false") if isinstance(value, bool) else str(value))]


def _once(key: str) -> dict[str, str]:
    return {"idempotency-key": key} if key else {}


def _revision(revision: int | None) -> dict[str, str]:
    return {} if revision is None else {"if-match": f'"{revision}"'}
