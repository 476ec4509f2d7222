"""The account of protocol behaviours: what MCP asks of a server like ours, where it says so, and which tests hold it.

A test says what it holds with :func:`holds`; ``test_manifest.py`` checks the account both ways. ``modern:`` stands for
the specification of 2026-07-28, ``legacy:`` for 2025-11-25, ``batch:`` for 2025-03-26.
"""

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])

HTTP = "modern: basic/transports/streamable-http"
OLD = "legacy: basic/transports"

BEHAVIOURS: dict[str, tuple[str, str]] = {
    # who may come in
    "origin": (f"{HTTP}#security", "A present and foreign Origin is answered 403"),
    "host": (f"{HTTP}#security", "A foreign Host is answered 421, whatever forwarded headers say"),
    "auth.401": (
        "modern: basic/authorization",
        "A missing, wrong or expired token is answered 401 with a challenge, all alike",
    ),
    "cors": ("Fetch: CORS protocol", "A page of an allowed origin may read answers and ask first"),
    # what may come in
    "content-type": (f"{HTTP}#sending", "A body that is not application/json is answered 415"),
    "accept": (f"{HTTP}#sending", "An answer comes in a form the client accepts, else 406"),
    "body.bound": (
        "design: everything from outside is bounded",
        "A body beyond the bound is answered 413, announced or not",
    ),
    "body.slow": ("design: everything from outside is bounded", "A body that does not arrive is answered 408"),
    "parse": ("JSON-RPC 2.0: 5.1", "What is not JSON is answered -32700 with 400"),
    "invalid-request": (
        "modern: basic#messages",
        "What is not JSON-RPC 2.0 is answered -32600 with 400 and the id if it is known",
    ),
    "id": ("modern: basic#requests", "Ids are strings or integers and come back as they were, never null"),
    "params": ("modern: basic#messages", "Parameters of the wrong shape are answered -32602"),
    "methods": (f"{HTTP}#sending", "Other HTTP methods are answered 405 with Allow"),
    "mount": ("design: section 6", "The application answers wherever it is mounted"),
    "lifespan": ("ASGI 3.0: lifespan", "Start-up and shutdown are acknowledged, WebSockets are turned away"),
    # eras
    "era": (
        "modern: basic/versioning",
        "Modern metadata means the modern era, initialize and the rest the legacy one, on one URL",
    ),
    "meta.required": (
        "modern: basic#_meta",
        "A modern request without version or capabilities is answered -32602 with 400",
    ),
    "meta.client-info": ("modern: basic#_meta", "clientInfo may be absent"),
    "version.unsupported": (
        "modern: basic/versioning",
        "An unknown version is answered -32022 with 400, naming ours and theirs",
    ),
    "version.header": (
        f"{OLD}#protocol-version-header",
        "A legacy request may omit the version header; a wrong one is answered 400",
    ),
    "header.mismatch": (
        f"{HTTP}#server-validation",
        "Missing, doubled or different routing headers are answered -32020 with 400",
    ),
    "header.encoding": (f"{HTTP}#value-encoding", "Values in =?base64?…?= are decoded before they are compared"),
    "header.params": (f"{HTTP}#custom-headers", "Mirrored arguments and Mcp-Param headers must say the same"),
    "method.unknown": (
        f"{HTTP}#protocol-version-header",
        "An unknown method is answered -32601, with 404 in the modern era",
    ),
    "method.removed": ("modern: changelog", "Methods of the other era are unknown"),
    "modern.get": (f"{HTTP}#earlier-revisions", "Modern GET and DELETE are answered 405"),
    "modern.stateless": ("modern: basic#statelessness", "No session id is minted or read in the modern era"),
    # opening
    "discover": (
        "modern: server/discover",
        "server/discover tells versions, capabilities, instructions and who we are",
    ),
    "initialize": ("legacy: basic/lifecycle", "initialize settles the version and mints a session"),
    "initialize.version": ("legacy: basic/lifecycle", "An unknown version is answered with our newest legacy one"),
    "ping": ("legacy: basic/utilities/ping", "ping is answered with nothing"),
    "set-level": ("legacy: server/utilities/logging", "logging/setLevel takes the eight levels and no other"),
    "session.optional": (f"{OLD}#session-management", "A legacy request without a session is served"),
    "session.unknown": (f"{OLD}#session-management", "An unknown, ended, expired or foreign session is answered 404"),
    "session.delete": (f"{OLD}#session-management", "DELETE ends a session"),
    "session.bound": (f"{OLD}#session-management", "Sessions are bounded; the longest unused one gives way"),
    "session.version": (f"{OLD}#protocol-version-header", "In a session its negotiated version rules"),
    # tools
    "list": ("modern: server/tools", "tools/list gives every tool once over its pages, in the same order each time"),
    "list.cursor": ("modern: server/utilities/pagination", "A foreign cursor is -32602, the empty one the first page"),
    "list.cache": (
        "modern: server/utilities/caching",
        "Modern lists carry ttlMs and cacheScope, the same on all pages",
    ),
    "list.empty": ("modern: server/tools", "A server without tools lists none"),
    "call": ("modern: server/tools", "A call's outcome comes back as content, with isError"),
    "call.structured": ("modern: server/tools", "structuredContent is there from 2025-06-18 on"),
    "call.content": ("modern: server/tools", "Bytes are images, audio or embedded resources"),
    "call.meta": ("modern: basic#_meta", "Modern results name the server; meta of the outcome is kept"),
    "call.unknown": ("modern: server/tools", "An unknown tool is a protocol error -32602"),
    "call.arguments": ("modern: server/tools", "Absent arguments are none; arguments that are no object are -32602"),
    "call.error": ("modern: server/tools", "What goes wrong in a call is a result with isError"),
    "call.wall": ("design: errors", "What nobody expected is -32603 with a request id and no detail"),
    "call.era-blind": ("design: rooms", "A call does not show which era spoke"),
    "call.limits": ("design: _meta keys", "Rate limits are also told as HTTP headers"),
    # pages that a person must visit
    "visit": ("modern: basic/patterns/mrtr", "A client that can open pages is asked to, and goes on with its call"),
    "visit.undeclared": ("modern: basic/patterns/mrtr", "Nothing is asked for that the client did not declare"),
    "visit.state": (
        "modern: basic/patterns/mrtr#server-requirements",
        "State that is tampered with, late, or of another caller, call or server is -32602",
    ),
    "visit.said": ("modern: client/elicitation#response-actions", "Whatever was said, a need is asked for once"),
    "visit.legacy": ("legacy: client/elicitation", "In a session that declared it, -32042 tells the page; else text"),
    # streams
    "progress": (
        "modern: basic/patterns/progress",
        "Progress is told under its token, rising only, before the response",
    ),
    "progress.none": (
        "modern: basic/patterns/progress",
        "Without a token or an acceptable stream there is no progress",
    ),
    "stream.headers": (f"{HTTP}#receiving", "Streams tell proxies not to buffer"),
    "stream.alive": (f"{HTTP}#receiving", "A quiet stream carries comments"),
    "cancel.modern": (
        "modern: basic/patterns/cancellation",
        "A modern client that hangs up cancels its call and hears no more",
    ),
    "cancel.legacy": (f"{OLD}#sending", "A legacy client that hangs up cancels nothing"),
    "cancel.notification": (
        "legacy: basic/utilities/cancellation",
        "notifications/cancelled calls off a call of the same session, without a response",
    ),
    "one-way": (f"{OLD}#sending", "Notifications and legacy responses are answered 202 without a body"),
    "listen": (
        "modern: basic/patterns/subscriptions",
        "A subscription is acknowledged first, with what is honoured, under its id",
    ),
    "listen.filter": ("modern: basic/patterns/subscriptions", "Nothing is sent that was not asked for"),
    "listen.end": ("modern: basic/patterns/subscriptions", "A subscription we end gets its result"),
    "listen.bound": ("design: everything from outside is bounded", "Streams are bounded in number"),
    "get": (f"{OLD}#listening", "GET opens a session's stream, told of list changes; the newest stream only"),
    # batches
    "batch": ("batch: basic#batching", "A batch is answered in one array, notifications unanswered"),
    "batch.others": ("modern: changelog", "Other revisions have no batches"),
    "batch.bound": ("design: everything from outside is bounded", "A batch is bounded, and not empty"),
    "batch.initialize": ("batch: basic/lifecycle", "initialize stands alone"),
    # resources
    "resources.link": ("modern: server/tools#resource-links", "What is too large for a result is a link that is read"),
    "resources.owner": (
        "modern: server/resources#error-handling",
        "A resource of another caller is as one that never was, in the code of the revision",
    ),
    "resources.list": ("modern: server/resources#listing-resources", "Lists come in pages and are cached by nobody"),
    "resources.read.wrong": ("modern: server/resources#error-handling", "A wrong reading is -32602 with a sentence"),
    # stdio
    "stdio.eras": ("modern: basic/versioning", "Both eras are spoken on one channel"),
    "stdio.unopened": ("modern: basic#_meta", "A request with neither metadata nor initialize before it is -32602"),
    "stdio.frames": ("modern: basic/transports/stdio", "One message per line, nothing else on the channel"),
    "stdio.garbage": (
        "modern: basic/transports/stdio",
        "A line that is no message is answered, and the channel lives on",
    ),
    "stdio.bound": ("design: everything from outside is bounded", "Long lines and many calls are refused"),
    "stdio.concurrent": ("modern: basic/transports/stdio", "Calls run side by side"),
    "stdio.cancel": ("modern: basic/transports/stdio#cancellation", "A cancelled request gets no response"),
    "stdio.progress": ("modern: basic/transports/stdio", "Progress is told on the channel"),
    "stdio.changes": ("modern: basic/patterns/subscriptions", "List changes are told in both eras"),
    "stdio.end": (
        "modern: basic/transports/stdio#shutdown",
        "At the end of input calls may finish for a moment, then we return",
    ),
    # the lock
    "schema": ("schema/2025-11-25, schema/2026-07-28", "Every message we send is valid in its revision's schema"),
}


def holds(*names: str) -> Callable[[Test], Test]:
    """Says which behaviours a test holds."""

    def mark(test: Test) -> Test:
        test.holds = names  # type: ignore[attr-defined]
        return test

    return mark
