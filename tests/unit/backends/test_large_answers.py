"""A large answer is read beside the event loop, so that others are answered in between; a small one is not."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import apiloom
from apiloom.backends.http import backend


@pytest.mark.parametrize(("size", "beside"), [(2_000_000, True), (2_000, False)])
async def test_a_large_answer_is_read_beside_the_event_loop(
    size: int, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def upstream(_scope: Any, _receive: Any, send: Any) -> None:
        kind = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        await send({"type": "http.response.body", "body": b'{"a":"%b"}' % (b"x" * size)})

    threads = []

    def shape(*arguments: Any, **named: Any) -> Any:
        threads.append(threading.get_ident())
        return plain(*arguments, **named)

    plain = vars(backend)["shape"]
    monkeypatch.setattr(backend, "shape", shape)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Large", "version": "1"},
        "paths": {"/it": {"get": {"operationId": "getIt", "responses": {"200": {"description": "it"}}}}},
    }
    outcome = await apiloom.load(document, app=upstream).call("get_it", {})
    assert outcome.structured == b'{"a":"%b"}' % (b"x" * size)
    assert (threads != [threading.get_ident()]) == beside
