"""Definitions are read by several threads at once: a list is rendered in one while calls are answered in another."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from apiloom.readers.openapi.pool import Pool
from support.catalogs import OK, model_of

WITHIN = 10.0
SCHEMAS = {"A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}}, "B": {"type": "string"}}


def test_a_definition_that_two_threads_want_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    schemas: Any = model_of({"/a": {"get": {"responses": OK}}}, SCHEMAS).schemas
    begun, second, let = threading.Event(), threading.Event(), threading.Event()
    converted = []
    convert = Pool.convert

    def slowly(pool: Pool, raw: object, spot: Any) -> Any:
        converted.append(spot.pointer)
        (second if len(converted) > 1 else begun).set()
        assert let.wait(WITHIN)
        return convert(pool, raw, spot)

    monkeypatch.setattr(Pool, "convert", slowly)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(schemas["A"])) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(WITHIN)
    second.wait(0.2)  # nobody else may get this far; whoever does is waited for, so that it is seen
    let.set()
    for thread in threads:
        thread.join(WITHIN)
    assert found == [found[0]] * 2
    assert found[0] is found[1]
    assert converted == ["/components/schemas/A"]
