"""The backend of one tool whose answers come over HTTP: arguments in, outcome out.

It puts the pieces together and decides nothing about them: the planner makes the request, the signer signs it, the
sender sends it, :mod:`shape` and :mod:`failures` turn what came back into an outcome. Whoever compiles endpoints
builds one of these for each tool; nothing in it changes afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiloom.backends.http import failures
from apiloom.backends.http.echo import Eraser
from apiloom.backends.http.events import SEQUENCES
from apiloom.backends.http.files import FileArguments, Overflowing, told
from apiloom.backends.http.lent import Lent
from apiloom.backends.http.limits import read_limits
from apiloom.backends.http.media import is_json_type, media_type
from apiloom.backends.http.progress import watching
from apiloom.backends.http.shape import shape
from apiloom.backends.http.turn import Turn
from apiloom.base.errors import ApiloomError, HouseFault
from apiloom.calls.call import Call, Outcome
from apiloom.calls.drift import DISCREPANCIES
from apiloom.calls.ports import Keeper, Observer
from apiloom.catalog.plan import HttpPlan
from apiloom.net.request import Request, Response, Sender
from apiloom.net.target import altered, sent_exactly
from apiloom.vault.signers import Dialogue, Signer

_LARGE = 1024 * 1024
"""Bytes of an answer that others would wait for while it is looked through."""

_UNWATCHED = Call(tool="", arguments={}).progress
"""What a call carries when nobody asked for progress."""


@dataclass(slots=True, kw_only=True)
class HttpBackend:
    """Answers the calls of one tool.

    ``timeout`` is the longest an exchange may take in seconds, whatever a call allows; ``max_bytes`` bounds the
    decoded answer. ``structured_always`` says that the tool advertises an output schema, so that every good answer
    needs ``structured`` content. ``lacking`` names the environment variables of credentials that the operation wants
    and was not given, or with ``at_account`` their schemes; they appear in the hint of a 401. ``observer``, where the
    tool's answers are described, is told of them under the name ``observed_as``. ``keeper`` holds files: those that
    the arguments in ``files`` name, and large answers. ``lent``, where callers bring their own credential, signs in the
    place of ``signer``. ``clock`` gives seconds since the epoch.
    """

    planner: Callable[[Mapping[str, Any]], HttpPlan]
    sender: Sender
    signer: Signer | None = None
    timeout: float = 60.0
    max_bytes: int = 64 * 1024 * 1024
    structured_always: bool = False
    lacking: tuple[str, ...] = ()
    at_account: bool = False
    observer: Observer | None = None
    observed_as: str = ""
    keeper: Keeper | None = None
    files: FileArguments | None = None
    lent: Lent | None = None
    clock: Callable[[], float] = time.time
    _eraser: Eraser | None = field(init=False, repr=False)
    _overflow: Overflowing | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._eraser = Eraser(self.signer.secrets) if self.signer is not None and self.signer.secrets else None

    async def answer(self, call: Call, turn: Turn | None = None) -> Outcome:
        """Plan, sign, send, shape. What went wrong outside this house is an outcome with ``failed`` set.

        ``turn`` says which page of the answer is wanted, and is told what came.

        Raises:
            HouseFault: one of our own promises broke; nothing was sent to a place it was not meant for.
        """
        request = None
        signer, eraser = (self.signer, self._eraser) if self.lent is None else self._of_caller(self.lent, call)
        try:
            request = self._request(call, turn, eraser)
            if request.watch is not None:
                request.watch(-1, None)
            if signer is None:
                response = await self.sender.send(request)
            else:
                response = await self._send_signed(signer, request)
        except HouseFault:
            raise
        except ApiloomError as error:
            return failures.unanswered(error, request)
        if eraser is not None:
            response = eraser.erased(response)
        if turn is not None:
            turn.response = response
        headers = dict(response.headers)
        limits = read_limits(headers, self.clock)
        if response.status >= 400:
            outcome = failures.refused(request, response, limits, self._wanted(signer))
        else:
            always = self.structured_always
            if len(response.body) > _LARGE:
                outcome = await asyncio.to_thread(shape, request.method, response, headers, structured_always=always)
            else:
                outcome = shape(request.method, response, headers, structured_always=always)
            if self.observer is not None and (known := self._observed(self.observer, response, outcome)):
                outcome.meta[DISCREPANCIES] = known
        if limits is not None:
            outcome.meta["dev.apiloom/ratelimit"] = limits
        if request.watch is not None:
            call.progress(3.0, 3.0, "done")
        return outcome

    def _of_caller(self, lent: Lent, call: Call) -> tuple[Signer | None, Eraser | None]:
        """Who signs a call that its caller may lend a credential for, and what is then removed from its answer."""
        signer = lent.signer(call)
        return (self.signer, self._eraser) if signer is None else (signer, Eraser(signer.secrets))

    def _wanted(self, signer: Signer | None) -> failures.Wanted:
        """What is said of credentials when a request was refused."""
        lacking = self.lacking if signer is self.signer else ()
        return failures.Wanted(lacking=lacking, given=signer.schemes if signer else (), at_account=self.at_account)

    async def _send_signed(self, signer: Signer, request: Request) -> Response:
        """The signer's turn and the upstream's, until the signer has nothing more to ask."""
        dialogue = signer.sign(request)
        signed: Request | None = next(dialogue)
        while signed is not None:
            response = await self.sender.send(signed)
            signed = _reply(dialogue, response)
        return response

    def _observed(self, observer: Observer, response: Response, outcome: Outcome) -> list[dict[str, Any]] | None:
        """Hand over a JSON answer as it came; what earlier ones were found to break."""
        body = response.body
        is_whole = outcome.structured is not None and not response.cut and response.status < 300
        if is_whole and (body[:1] in (b"{", b"[") or is_json_type(media_type(response.header("content-type")))):
            return observer.seen(self.observed_as, body)
        return observer.known(self.observed_as)

    def preview(self, call: Call, turn: Turn | None = None) -> dict[str, Any]:
        """What :meth:`answer` would send, every secret as ``***``, as ``call --dry-run --json`` prints it; ``warnings``
        where it would go without the credentials that the document asks for.

        Raises:
            ApiloomError: what would keep the request from being sent.
        """
        request = self._request(call, turn, self._eraser)
        signer = self.signer if self.lent is None else self._of_caller(self.lent, call)[0]
        if signer is not None:
            request = signer.masked(request)
        if not sent_exactly(request.target):
            raise altered(request.target)
        unsigned = failures.unsigned(self._wanted(signer))
        return {
            "method": request.method,
            "url": request.origin + request.target,
            "headers": [[name, value] for name, value in request.headers],
            "body": told(request.body),
            **({"warnings": [unsigned]} if unsigned else {}),
        }

    def _request(self, call: Call, turn: Turn | None, eraser: Eraser | None) -> Request:
        arguments: Mapping[str, Any] = call.arguments
        if self.files is not None and self.keeper is not None:
            arguments = self.files.opened(arguments, self.keeper, call.principal)
        overflow = self._overflow
        if eraser is not self._eraser:
            overflow = None
        if self.keeper is not None and (overflow is None or overflow.principal is not call.principal):
            expected = self.structured_always
            overflow = Overflowing(self.keeper, call.principal, eraser, json_expected=expected)
            if eraser is self._eraser:
                self._overflow = overflow
        plan = self.planner(arguments)
        request = Request(
            method=plan.method,
            origin=plan.origin,
            target=plan.target,
            headers=plan.headers,
            body=plan.body,
            timeout=min(call.timeout, self.timeout),
            max_bytes=self.max_bytes,
            watch=None if call.progress is _UNWATCHED else watching(call.progress),
            partial=SEQUENCES,
            overflow=overflow,
        )
        if turn is not None:
            turn.redirect(request)
        return request


def _reply(dialogue: Dialogue, response: Response) -> Request | None:
    """Hand the signer its answer; what it asks next, or None when it is content."""
    try:
        return dialogue.send(response)
    except StopIteration:
        return None
