"""A request that makes something, done once however often it arrives with one ``Idempotency-Key``.

What was answered is kept without its secrets: who asks again learns what was made, and not what was shown once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar, cast

from fastapi import Depends, Header, Request, Response

from apiloom.base import json
from apiloom.base.errors import ApiloomError, HouseFault
from apiloom.console.api.asking import Asking
from apiloom.console.api.door import Asked
from apiloom.console.api.fields import Shown
from apiloom.flows import idempotency

_Made = TypeVar("_Made", bound=Shown)

_STATUS: Final = 201


class _Once:
    """Does what one request asks for, unless that was done before."""

    __slots__ = ("_asked", "_key", "_question", "_response")

    def __init__(self, asked: Asked, key: str, question: bytes, response: Response) -> None:
        self._asked = asked
        self._key = key
        self._question = question
        self._response = response

    async def __call__(self, make: Callable[[], Awaitable[_Made]]) -> _Made:
        """What ``make`` makes, or what was answered before.

        Raises:
            CallerError: ``idempotency.…``, and what ``make`` raises.
        """
        if not self._key:
            return await make()
        ground, who = self._asked.ground, self._asked.who
        known = await idempotency.begin(ground, who, self._key, self._question)
        if known is not None:
            # the framework sends a response of ours as it is, whatever the type of the answer is
            return cast("_Made", _again(known))
        try:
            made = await make()
        except HouseFault:
            raise  # whether it was done is not known, and the key stays claimed: it will say so
        except ApiloomError:
            await idempotency.forget(ground, who, self._key)
            raise
        place = self._response.headers.get("location", "")
        body = {**made.model_dump(mode="json"), **dict.fromkeys(made.secret_members())}
        answer = idempotency.Answer(status=_STATUS, body={"body": body, "location": place})
        await idempotency.finish(ground, who, self._key, answer)
        return made


def _again(known: idempotency.Answer) -> Response:
    headers = {"location": known.body["location"], "idempotency-replayed": "true"}
    return Response(json.dumps(known.body["body"]), known.status, headers, "application/json")


def _once(
    asked: Asking,
    request: Request,
    response: Response,
    key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            description="The caller's own key for this request: sent again with it, nothing is made twice.",
        ),
    ] = "",
) -> _Once:
    asks = [request.method, request.scope["path"], request.scope["query_string"].decode("latin-1"), asked.body]
    return _Once(asked, key, json.canonical(asks) if key else b"", response)


Once = Annotated[_Once, Depends(_once)]
