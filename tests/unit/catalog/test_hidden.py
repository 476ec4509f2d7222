"""What whoever runs us has settled, and what becomes of the operations that asked a model for it."""

from __future__ import annotations

from typing import Any

from apiloom.catalog.hidden import Settled, without_settled
from support.reading import read

SETTLED: Settled = {("header", "x-version"): "", ("header", "x-tenant-key"): "DEFAULT"}
HOME = "https://api.example/v1"


def left(*, security: Any = None, servers: str = "", settled: Settled = SETTLED) -> tuple[list[str], Any]:
    """The parameters of an operation that are still asked for, and what it is signed with."""
    taken = [{"name": name, "in": "header", "schema": {}} for name in ("X-Version", "X-Tenant-Key", "X-Other")]
    asked: dict[str, Any] = {"parameters": taken}
    if security is not None:
        asked["security"] = security
    if servers:
        asked["servers"] = [{"url": servers}]
    schemes = {"bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}}
    document = {"servers": [{"url": HOME}], "components": {"securitySchemes": schemes}}
    model = without_settled(read({**document, "paths": {"/a": {"get": asked}, "/b": {"get": {}}}}), settled)
    found = next(one for one in model.operations if one.key == "GET /a")
    needs = [[name for name, _ in need] for need in found.security]
    return [one.name for one in found.shape.parameters], needs


def test_what_is_settled_is_not_asked_for() -> None:
    assert left(security=[]) == (["X-Other"], [])
    assert left(security=[], settled={}) == (["X-Version", "X-Tenant-Key", "X-Other"], [])


def test_a_key_that_was_a_parameter_is_wanted_beside_what_else_signs_the_call() -> None:
    assert left(security=[{"bearer": []}, {"basic": []}, {}]) == (
        ["X-Other"],
        [["DEFAULT", "bearer"], ["DEFAULT", "basic"], ["bearer"], ["basic"], []],
    )


def test_a_server_that_gets_neither_key_nor_constant_is_still_asked_with_the_arguments() -> None:
    for elsewhere in ("https://files.example/v1", "http://api.example/v1", "https://api.example:8443"):
        assert left(servers=elsewhere)[0] == ["X-Version", "X-Tenant-Key", "X-Other"]
    for near in ("https://api.example/v2", "HTTPS://API.example", "/v3"):
        assert left(servers=near)[0] == ["X-Other"]
