"""References inside of credentials: a whole one may lie elsewhere, and so may each member of one that is a secret.

One rule for every form: ``{"ref": "env:NAME"}`` stands where a text would. What it stands for is put in its place
before the form is read, so that those who read forms know of texts alone. Whoever only looks at a form gives nothing
for its references; then something stands there that every reader takes, and the member is told as unread.

Knows no place and looks nothing up: :mod:`apiloom.vault.references` does. :mod:`apiloom.vault.given` and
:mod:`apiloom.vault.forms` stand above. No sentence made here repeats a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from apiloom.base.errors import DesignError
from apiloom.base.secret import InTheClear, closed

Resolve = Callable[[str], str | None]
"""What a reference stands for; None where it is only looked at."""

ELSEWHERE: Final = frozenset(
    {
        "token",
        "key",
        "username",
        "password",
        "access_key_id",
        "secret_access_key",
        "session_token",
        "certificate",
        "private_key",
        "client_secret",
        "service_account",
        "access_token",
        "refresh_token",
    }
)
"""Members that may lie elsewhere. Not what says where a secret goes: whoever reads a form is to see that."""

INSIDE: Final[Mapping[str, frozenset[str] | None]] = {"values": None, "service_account": frozenset({"private_key"})}
"""Members that are objects, and which of theirs may lie elsewhere; None: each."""

_NAMES = frozenset({"headers", "values"})
"""Objects whose members people name as they like, ``ref`` too."""

_KINDS = frozenset({"env", "file", "keyring", "bao"})
_STAND_INS: Mapping[str, str] = {
    "username": "user",
    "access_key_id": "A" * 20,
    "service_account": '{"client_email":"user","private_key":"key"}',
}
_ANY = "user:password"
"""What every other scheme and member can send."""


@closed
@dataclass(frozen=True, slots=True)
class Told(InTheClear):
    """A form with texts in place of its references. ``unread`` are the members of which some were only looked at."""

    form: Any = field(repr=False)
    unread: frozenset[str] = frozenset()


def is_reference(value: object) -> bool:
    """Whether something is a reference, wherever it may lead."""
    return isinstance(value, Mapping) and set(value) == {"ref"} and isinstance(value["ref"], str)


def references_of(form: object) -> tuple[str, ...]:
    """The references of a form, each once."""
    return tuple(dict.fromkeys(value["ref"] for _, value in _referring(form)))


def tell(scheme: str, form: object, resolve: Resolve | None) -> Told:
    """A form of a scheme with what its references stand for.

    Raises:
        DesignError: ``credentials.form`` for a reference that is none, that stands where none may, or that nobody
            follows (``resolve`` None).
    """
    if not isinstance(form, Mapping):
        return Told(form)
    telling = _Telling(scheme, resolve)
    if is_reference(form):
        told: dict[str, Any] = {"token": telling.followed("token", form)}
    else:
        told = {name: telling.member(name, value) for name, value in _spelled_out(form).items()}
    return Told(told, frozenset(telling.unread))


@dataclass(slots=True)
class _Telling:
    """One form while it is told."""

    scheme: str
    resolve: Resolve | None
    unread: set[str] = field(default_factory=set)

    def member(self, name: str, value: Any) -> Any:
        if is_reference(value) and name not in _NAMES:
            if name not in ELSEWHERE:
                raise _misplaced(self.scheme, str(name))
            return self.followed(name, value)
        if name in INSIDE and isinstance(value, Mapping):
            return {inner: self.inside(name, inner, each) for inner, each in value.items()}
        return value

    def inside(self, name: str, inner: str, value: Any) -> Any:
        if not is_reference(value):
            return value
        if not _may_lie(name, inner):
            raise _misplaced(self.scheme, f"{name}.{inner}")
        return self.followed(name, value)

    def followed(self, name: str, value: Mapping[str, str]) -> str:
        if self.resolve is None or value["ref"].partition(":")[0] not in _KINDS:
            raise DesignError(
                f"the reference of {self.scheme} cannot be followed",
                code="credentials.form",
                hint="write env:NAME, file:PATH, keyring:SERVICE/NAME or bao:PATH#MEMBER",
            )
        found = self.resolve(value["ref"])
        if found is not None:
            return found
        self.unread.add(name)
        return _STAND_INS.get(name, _ANY)


def _referring(form: object) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The members that are references, with their names: those that :func:`tell` follows and no others."""
    if not isinstance(form, Mapping):
        return
    if is_reference(form):
        yield "", form
        return
    for name, value in _spelled_out(form).items():
        if is_reference(value) and name not in _NAMES:
            if name in ELSEWHERE:
                yield name, value
        elif name in INSIDE and isinstance(value, Mapping):
            yield from ((name, each) for inner, each in value.items() if is_reference(each) and _may_lie(name, inner))


def _spelled_out(form: Mapping[str, Any]) -> Mapping[str, Any]:
    """``{"client_id", "ref"}`` is short for a client whose secret lies elsewhere."""
    short = isinstance(form.get("ref"), str) and "client_id" in form
    if not short or not {"client_secret", "private_key"}.isdisjoint(form):
        return form
    return {**{name: value for name, value in form.items() if name != "ref"}, "client_secret": {"ref": form["ref"]}}


def _may_lie(name: str, inner: object) -> bool:
    allowed = INSIDE[name]
    return allowed is None or inner in allowed


def _misplaced(scheme: str, name: str) -> DesignError:
    return DesignError(
        f"the credential of {scheme} has a reference in {name[:60]}, which is no secret and stands in the form itself",
        code="credentials.form",
        hint="write it as a text; of a form the secrets may lie elsewhere",
    )
