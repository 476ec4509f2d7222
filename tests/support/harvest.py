"""Every secret that a house makes or holds while it runs becomes a canary: nobody has to know that it is there.

What is held as a :class:`~apiloom.base.secret.Secret`, what is drawn at random and every key that is unwrapped is taken
down as it comes to be, under the place in the code that made it. What is drawn and is no secret is told in
:data:`NO_SECRETS`, each with its reason: a new place that draws something is hunted until somebody says why not.
"""

from __future__ import annotations

import base64
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from apiloom.base.secret import Secret
from apiloom.vault.custody import Custody, RootKey
from apiloom.vault.envelope import SealingKey
from support.leaks import Canaries

SHORTEST = 16
"""Characters, or bytes, that are looked for: anything shorter stands somewhere by chance."""

NO_SECRETS: Mapping[str, str] = {
    "apiloom.base.ids": "ids name things, and are shown",
    "apiloom.vault.envelope._sealed": "a nonce stands beside what was sealed with it",
    "apiloom.vault.house.wrap_house_key": "a nonce stands beside what was sealed with it",
    "apiloom.vault.oauth.assertions": "the number of an assertion, which is no secret (RFC 7519 section 4.1.7)",
    "apiloom.console.signin": "the nonce of a page's policy is told in its header (CSP 3)",
    "apiloom.console.connect.build": "the nonce of a page's policy is told in its header (CSP 3)",
    "apiloom.store.kept": "the number in the URI of a kept file, which counts for its caller alone",
    "apiloom.store.sql.copying": "the number of a copy, which says that it is one",
    "apiloom.app.gateway.copies": "the number of a claim, which says whose it is",
    "apiloom.app.gateway.backups": "a part of a file's name",
    "apiloom.app.gateway.journal_outside": "a part of a file's name",
    "apiloom.app.gateway.serve": "a part of a file's name",
    "apiloom.app.gateway.grants": "a part of a node's name",
    "apiloom.app.gateway.tending": "a part of a node's name",
    "apiloom.vault.custody._write": "a part of a file's name",
    "apiloom.flows.tenants": "a part of a tenant's id",
    "apiloom.flows.token_families.begin_family": "stands where a hash will stand, and is the hash of nothing",
    "apiloom.flows.sign_ins.identified": "stands where a hash will stand, and is known to nobody",
    "apiloom.wire.dialogue": "the boundary of an answer",
    "apiloom.wire.http": "the number of a stream",
    "apiloom.wire.files": "the number of an upload",
    "apiloom.wire.session_ids": "a session's id is given to its client in a header of every answer",
}
"""Places that draw at random what is no secret, by the beginning of their dotted names."""


class Harvest:
    """What was taken down; ``places`` are those that made it first, ``touched`` all that made any."""

    def __init__(self, canaries: Canaries) -> None:
        self.canaries = canaries
        self.places: dict[str, int] = {}
        self.touched: set[str] = set()
        self._known: set[bytes] = set(canaries.cores.values())

    def take(self, value: str | bytes, place: str) -> None:
        """Look for a value from now on, and for the long lines of one that has many."""
        self.touched.add(place.partition(".<")[0])
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        lines = [line for line in raw.splitlines() if len(line) > 60] if isinstance(value, str) else []
        for part in lines[:3] if len(lines) > 1 else [raw]:
            if len(part) < SHORTEST or part in self._known or part.startswith(b"-----"):
                continue
            self._known.add(part)
            number = self.places[place] = self.places.get(place, 0) + 1
            self.canaries.cores[f"{place} {number}"] = part

    def forget(self, *values: str) -> None:
        """No longer look for values: those that a road is there to carry."""
        gone = {value.encode() for value in values}
        with suppress(ValueError):  # what was drawn is known as it was drawn, too
            gone |= {base64.urlsafe_b64decode(f"{value}==") for value in values}
        for name in [name for name, core in self.canaries.cores.items() if core in gone]:
            del self.canaries.cores[name]


def place_of(depth: int) -> str:
    """The function of ours that is at work, by its dotted name; empty where it is none of ours."""
    frame: Any = sys._getframe(depth)
    while frame is not None and frame.f_globals.get("__name__") in ("apiloom.base.secret", "secrets", __name__):
        frame = frame.f_back
    name = "" if frame is None else str(frame.f_globals.get("__name__", ""))
    return f"{name}.{frame.f_code.co_qualname}" if name.startswith("apiloom.") else ""


@contextmanager
def harvesting(canaries: Canaries) -> Iterator[Harvest]:
    """Take down what becomes a secret while the block runs."""
    harvest = Harvest(canaries)
    with pytest.MonkeyPatch.context() as patch:
        _watch_secrets(harvest, patch)
        _watch_keys(harvest, patch)
        for name in ("token_urlsafe", "token_hex", "token_bytes"):
            patch.setattr(secrets, name, _watched(harvest, getattr(secrets, name)))
        yield harvest


def _watch_secrets(harvest: Harvest, patch: pytest.MonkeyPatch) -> None:
    made = Secret.__init__

    def init(self: Secret, value: str) -> None:
        made(self, value)
        place = place_of(2)
        if place:
            harvest.take(value, place)

    patch.setattr(Secret, "__init__", init)


def _watch_keys(harvest: Harvest, patch: pytest.MonkeyPatch) -> None:
    root, sealing, custody, take = RootKey.__init__, SealingKey.__init__, Custody.__init__, Custody.take

    def root_init(self: RootKey, key: bytes) -> None:
        root(self, key)
        harvest.take(key, "key-encryption key")
        harvest.take(self.wrapping(), "wrapping key")
        harvest.take(self._key, "extracted key")

    def sealing_init(self: SealingKey, key: bytes) -> None:
        sealing(self, key)
        harvest.take(key, "data key")

    def held(self: Custody) -> None:
        for purpose, versions in self._held.items():
            for key in versions.values():
                harvest.take(key, f"{purpose} key")

    def custody_init(self: Custody, *given: Any) -> None:
        custody(self, *given)
        held(self)

    def custody_take(self: Custody, other: Custody) -> None:
        take(self, other)
        held(self)

    patch.setattr(RootKey, "__init__", root_init)
    patch.setattr(SealingKey, "__init__", sealing_init)
    patch.setattr(Custody, "__init__", custody_init)
    patch.setattr(Custody, "take", custody_take)


def _watched(harvest: Harvest, draw: Callable[..., Any]) -> Callable[..., Any]:
    def drawn(*size: Any) -> Any:
        value = draw(*size)
        place = place_of(2)
        if place and not place.startswith(tuple(NO_SECRETS)):
            harvest.take(value, place)
        return value

    return drawn
