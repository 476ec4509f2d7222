"""What a node knows of when things end costs by what ends, not by how much there is."""

from __future__ import annotations

import heapq
from typing import Any

import pytest

from apiloom.app.gateway import memory
from apiloom.app.gateway.memory import Memory, Touched
from apiloom.identity.index import TokenIndex
from apiloom.identity.tokens import TokenHasher
from apiloom.store.records import TokenFamily


def test_thousands_of_sign_ins_are_put_in_order_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Memory(TokenIndex(TokenHasher({1: bytes(32)}, 1)))
    ordered: list[int] = []
    really = heapq.heapify

    def heapify(ends: list[Any]) -> None:
        ordered.append(len(ends))
        really(ends)

    monkeypatch.setattr(memory.heapq, "heapify", heapify)
    for number in range(3 * memory._SLACK):
        family = TokenFamily(id=f"fam_{number}", tenant=None, client="cli_1", subject="ada", expires_at=2.0 + number)
        known._take_family(family.id, family, Touched())
    assert ordered == []
    assert known.due(2.0) == {"fam_0"}
