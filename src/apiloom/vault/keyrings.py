"""Entries of the operating system's keyring. Loaded by dotted name, for it brings the library ``keyring``.

The backend is always named, never found: what the library finds by itself may ask on the terminal, or keep secrets in
plain files. Nothing here ever waits for a person, neither for a password nor for a dialogue: a keyring that is locked
is refused. Knows no keys and no credentials; whoever needs an entry stands above.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from keyring.backend import KeyringBackend
from keyring.backends import SecretService

from apiloom.base import plugins
from apiloom.base.errors import DesignError, HouseFault
from apiloom.base.secret import Secret
from apiloom.vault.few import Broken, Few, Unanswered

PATIENCE: Final = 10.0
"""Seconds that a keyring may take to answer."""

MOST_LEFT: Final = 4
"""Questions that a keyring may leave without an answer; nobody asks it more until one of them is answered."""

LARGEST: Final = 64 * 1024
"""Characters of an entry."""

_OF_PLATFORM: Final = {
    "darwin": "keyring.backends.macOS.Keyring",
    "win32": "keyring.backends.Windows.WinVaultKeyring",
}
_NEVER: Final = frozenset({"chainer", "fail", "null"})
"""Backends of the library that choose among others, which may ask or keep secrets in plain, or keep none."""


class _Quiet(SecretService.Keyring):
    """The Secret Service of the session, never asking anybody to unlock anything."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def get_preferred_collection(self) -> Any:
        secretstorage: Any = getattr(SecretService, "secretstorage")  # noqa: B009 - the library does not export it
        errors = plugins.load("secretstorage.exceptions")
        try:
            collection = secretstorage.Collection(secretstorage.dbus_init())
            locked = collection.is_locked()
        except errors.SecretStorageException as error:
            raise _unusable(f"there is no keyring in this session ({type(error).__name__})") from None
        if locked:
            raise _locked()
        return collection

    def unlock(self, item: Any) -> None:
        if item.is_locked():
            raise _locked()


def read_entry(service: str, name: str, backend: str = "") -> Secret | None:
    """An entry of the keyring; None when there is none.

    Args:
        service: the service the entry belongs to.
        name: the name of the entry in it.
        backend: the class of the keyring, as ``package.module.Class``; empty for the one of this platform.

    Raises:
        DesignError: ``keyring.unusable`` when there is no keyring, it is locked, does not answer in time, or may not be
            used; ``keyring.large`` for an entry that is no secret.
    """
    value = _bounded(lambda: _backend(backend).get_password(service, name))
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LARGEST:
        raise DesignError(
            "the entry of the keyring is too large for a secret", code="keyring.large", hint="it should hold one line"
        )
    return Secret(value)


def write_entry(service: str, name: str, value: Secret, backend: str = "") -> None:
    """Write an entry, in place of one of that name.

    Raises:
        DesignError: as :func:`read_entry`.
    """
    _bounded(lambda: _backend(backend).set_password(service, name, value.reveal()))


def _backend(named: str) -> Any:
    named = named or _OF_PLATFORM.get(sys.platform, "")
    if not named:
        return _Quiet()
    module, _, name = named.rpartition(".")
    if named.startswith("keyrings.alt") or module.rpartition(".")[2] in _NEVER:
        raise _unusable(f"{named[:100]} may not hold a secret of apiloom: it asks, or keeps them in plain")
    if named == "keyring.backends.SecretService.Keyring":
        return _Quiet()
    try:
        made = plugins.load(f"{module}:{name}")()
    except (HouseFault, ImportError, AttributeError, ValueError, RuntimeError) as error:
        raise _unusable(f"the keyring {named[:100]} cannot be used ({type(error).__name__})") from None
    if not isinstance(made, KeyringBackend):
        raise _unusable(f"{named[:100]} is no keyring")
    return made


_FEW = Few("keyring", MOST_LEFT, PATIENCE)


def _bounded(work: Callable[[], Any]) -> Any:
    """What work returns. A keyring that hangs is left behind in a thread that ends with the process."""
    try:
        return _FEW.run(work)
    except Unanswered as silence:
        what = f"does not answer within {PATIENCE:g} seconds"
        if silence.all_hang:
            what = f"has left {MOST_LEFT} questions without an answer and is asked no more"
        raise _unusable(f"the keyring {what}") from None
    except Broken as broken:
        raise _unusable(f"the keyring refuses ({broken.kind})") from None


def _locked() -> DesignError:
    return DesignError(
        "the keyring is locked, and nobody is asked for its password",
        code="keyring.unusable",
        hint="unlock it and start again, or keep the secret in a file",
    )


def _unusable(what: str) -> DesignError:
    return DesignError(what, code="keyring.unusable", hint="keep the secret in a file or in the environment instead")
