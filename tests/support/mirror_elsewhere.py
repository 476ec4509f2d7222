"""The same credentials with every secret in another place: the environment, files, a keyring and a real OpenBao.

A keyring and an OpenBao that fail tell all that they hold and all that they were told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from apiloom.vault.referring import ELSEWHERE, INSIDE
from support.keyring_in_memory import InMemory
from support.leaks import Canaries
from support.openbao import OpenBao
from support.upstream import Answer, Seen, Upstream, upstream

PLACES = ("env", "file", "keyring", "bao")


class Keyring(InMemory):
    """One that fails with all that it holds (``telling``)."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        if self.mode == "telling":
            raise ValueError(f"{self.entries}")
        return super().get_password(service, username)


NAMED = f"{__name__}.{Keyring.__name__}"


def _far(name: str) -> str:
    return name if name.startswith("far ") else f"far {name}"


class Far(Canaries):
    """Canaries of things that lie elsewhere, looked for with all others."""

    def __init__(self, all_: Canaries) -> None:
        super().__init__(all_.cores)

    def add(self, field_name: str, value: str | bytes | None = None) -> str:
        return super().add(_far(field_name), value)

    def plain(self, field_name: str) -> str:
        return super().plain(_far(field_name))


@dataclass(repr=False)
class Elsewhere:
    """Where secrets lie, each kind of place in turn. ``moved`` are the members that do."""

    folder: Path
    openbao: OpenBao
    environment: dict[str, str] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    mount: str = field(default_factory=lambda: f"secret/m{uuid4().hex}")
    _count: int = 0

    def put(self, member: str, value: str) -> dict[str, str]:
        """A reference to a value that lies in the next place."""
        kind, name = PLACES[self._count % len(PLACES)], f"{member}{self._count}"
        self._count += 1
        self.moved.add(member)
        if kind == "env":
            place = f"MIRROR_FAR_{name.upper()}"
            self.environment[place] = value
        elif kind == "file":
            file = self.folder / name
            file.write_text(value)
            file.chmod(0o600)
            place = str(file)
        elif kind == "keyring":
            Keyring.entries["mirror", name] = value
            place = f"mirror/{name}"
        else:
            self.openbao.put(f"{self.mount}/{name}", it=value)
            place = f"{self.mount}/{name}#it"
        return {"ref": f"{kind}:{place}"}

    def referring(self, forms: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Credentials whose members lie elsewhere, all that may."""
        return {scheme: self._form(scheme, form) for scheme, form in forms.items()}

    def _form(self, scheme: str, form: Mapping[str, Any]) -> dict[str, Any]:
        if scheme == "machine":  # in short: the reference alone is the client's secret
            rest = {name: value for name, value in form.items() if name != "client_secret"}
            return {**rest, **self.put("client_secret", form["client_secret"])}
        made: dict[str, Any] = {}
        for name, value in form.items():
            if name in INSIDE and scheme != "whole":
                allowed = INSIDE[name]
                made[name] = {
                    inner: self.put(f"{name}.{inner}", each) if allowed is None or inner in allowed else each
                    for inner, each in value.items()
                }
            elif name in ELSEWHERE:
                made[name] = self.put(name, value if isinstance(value, str) else json.dumps(value))
            else:
                made[name] = value
        return made


@contextmanager
def elsewhere(folder: Path, openbao: OpenBao, canaries: Canaries) -> Iterator[Elsewhere]:
    """Places for secrets, and what opens OpenBao: a token of its own, in a file."""
    place = folder / "elsewhere"
    place.mkdir(mode=0o700)
    made = Elsewhere(place, openbao)
    token = openbao.token_for(f'path "{made.mount.replace("/", "/data/", 1)}/*" {{ capabilities = ["read"] }}')
    canaries.add("OpenBao's token", token)
    file = place / "bao.token"
    file.write_text(token)
    file.chmod(0o600)
    around = {"APILOOM_KEYRING_BACKEND": NAMED, "BAO_ADDR": openbao.address, "BAO_TOKEN_FILE": str(file)}
    made.environment.update(around)
    Keyring.entries.clear()
    try:
        yield made
    finally:
        InMemory.mode = ""
        Keyring.entries.clear()


@contextmanager
def telling_bao(given: Elsewhere) -> Iterator[tuple[Upstream, list[Answer]]]:
    """What is asked instead of OpenBao: it answers as the last of a list says, with all that it was told."""
    answers: list[Answer] = [Answer({}, 500)]

    def answer(seen: Seen) -> Answer:
        how = answers[-1]
        told = {"errors": [f"{seen.target} {seen.headers}"], "data": {"it": 7, "held": dict(given.environment)}}
        whole = json.dumps(told).encode()
        content = whole if how.value != "broken" else b"{" + whole
        return Answer(content, how.status, headers={"X-Told": str(seen.headers)})

    with upstream(answer) as api:
        yield api, answers
