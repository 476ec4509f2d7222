"""The backend of one tool whose answers come over HTTP: arguments in, outcome out.

It puts the pieces together and decides nothing about them: the planner makes the request, the signer signs it, the
sender sends it, :mod:`shape` and :mod:`failures` turn what came back into an outcome. Whoever compiles endpoints
builds one of these for each tool; nothing in it changes afterwards.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiloom.backends.http import failures
from apiloom.backends.http.echo import Eraser
from apiloom.backends.http.limits import read_limits
from apiloom.backends.http.progress import watching
from apiloom.backends.http.shape import shape
from apiloom.base.errors import ApiloomError, HouseFault
from apiloom.calls.call import Call, Outcome
from apiloom.catalog.plan import HttpPlan
from apiloom.net.request import Request, Response, Sender
from apiloom.net.target import altered, sent_exactly
from apiloom.vault.signers import Dialogue, Signer

_UNWATCHED = Call(tool="", arguments={}).progress
"""What a call carries when nobody asked for progress."""


@dataclass(slots=True, kw_only=True)
class HttpBackend:
    """Answers the calls of one tool.

    ``timeout`` is the longest an exchange may take in seconds, whatever a call allows; ``max_bytes`` bounds the
    decoded answer. ``structured_always`` says that the tool advertises an output schema, so that every good answer
    needs ``structured`` content. ``lacking`` names the environment variables of credentials that the operation wants
    and was not given; they appear in the hint of a 401. ``clock`` gives seconds since the epoch.
    """

    planner: Callable[[Mapping[str, Any]], HttpPlan]
    sender: Sender
    signer: Signer | None = None
    timeout: float = 60.0
    max_bytes: int = 64 * 1024 * 1024
    structured_always: bool = False
    lacking: tuple[str, ...] = ()
    clock: Callable[[], float] = time.time
    _eraser: Eraser | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._eraser = Eraser(self.signer.secrets) if self.signer is not None and self.signer.secrets else None

    async def answer(self, call: Call) -> Outcome:
        """Plan, sign, send, shape. What went wrong outside this house is an outcome with ``failed`` set.

        Raises:
            HouseFault: one of our own promises broke; nothing was sent to a place it was not meant for.
        """
        request = None
        try:
            request = self._request(call)
            if request.watch is not None:
                request.watch(-1, None)
            if self.signer is None:
                response = await self.sender.send(request)
            else:
                # the signer's turn and the upstream's, until the signer has nothing more to ask
                dialogue = self.signer.sign(request)
                signed: Request | None = next(dialogue)
                while signed is not None:
                    response = await self.sender.send(signed)
                    signed = _reply(dialogue, response)
        except HouseFault:
            raise
        except ApiloomError as error:
            return failures.unanswered(error, request)
        if self._eraser is not None:
            response = self._eraser.erased(response)
        headers = dict(response.headers)
        limits = read_limits(headers, self.clock)
        if response.status >= 400:
            wanted = failures.Wanted(lacking=self.lacking, given=self.signer.schemes if self.signer else ())
            outcome = failures.refused(request, response, limits, wanted)
        else:
            outcome = shape(request.method, response, headers, structured_always=self.structured_always)
        if limits is not None:
            outcome.meta["dev.apiloom/ratelimit"] = limits
        if request.watch is not None:
            call.progress(3.0, 3.0, "done")
        return outcome

    def preview(self, call: Call) -> dict[str, Any]:
        """What :meth:`answer` would send, every secret as ``***``, as ``call --dry-run --json`` prints it.

        Raises:
            ApiloomError: what would keep the request from being sent.
        """
        request = self._request(call)
        if self.signer is not None:
            request = self.signer.masked(request)
        if not sent_exactly(request.target):
            raise altered(request.target)
        return {
            "method": request.method,
            "url": request.origin + request.target,
            "headers": [[name, value] for name, value in request.headers],
            "body": _shown(request.body),
        }

    def _request(self, call: Call) -> Request:
        plan = self.planner(call.arguments)
        return Request(
            method=plan.method,
            origin=plan.origin,
            target=plan.target,
            headers=plan.headers,
            body=plan.body,
            timeout=min(call.timeout, self.timeout),
            max_bytes=self.max_bytes,
            watch=None if call.progress is _UNWATCHED else watching(call.progress),
        )


def _reply(dialogue: Dialogue, response: Response) -> Request | None:
    """Hand the signer its answer; what it asks next, or None when it is content."""
    try:
        return dialogue.send(response)
    except StopIteration:
        return None


def _shown(body: bytes | None) -> dict[str, str] | None:
    if body is None:
        return None
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
