"""References of accounts, followed for whoever calls. Why one leads nowhere stands in the log: places of this machine
are no caller's to know.

Stands between :mod:`apiloom.vault.references`, which looks them up, and those who open accounts and renew tokens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from apiloom.base.errors import ApiloomError, DesignError
from apiloom.base.secret import Secret
from apiloom.vault.credentials import Credentials
from apiloom.vault.given import parse_credentials
from apiloom.vault.references import References, read_reference
from apiloom.vault.referring import references_of

_UNREAD = "the credential of this account lies where it cannot be read now"
_HINT = "ask whoever runs this server; its log says why"

_log = logging.getLogger("apiloom.gateway")


def opened_credentials(raw: Mapping[str, Any], followed: Mapping[str, Secret] | None = None) -> Credentials:
    """Credentials as the vault kept them. ``followed`` is what references stand for; without it they are only looked
    at, and something stands in their places that any scheme can send.

    Raises:
        DesignError: ``credentials.*``.
    """

    def resolved(reference: str) -> str | None:
        if followed is None:
            read_reference(reference)
            return None
        return followed[reference].reveal()

    return parse_credentials(raw, resolved)


def references_in(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The references among credentials, those inside of forms too."""
    return tuple(dict.fromkeys(reference for form in raw.values() for reference in references_of(form)))


async def follow_all(references: References | None, wanted: Iterable[str], *, anew: bool = False) -> dict[str, Secret]:
    """What references stand for now.

    Raises:
        DesignError: ``credentials.unread``.
    """
    names = tuple(wanted)
    if not names:
        return {}
    if references is None:
        raise _unread(DesignError("references are not followed here", code="credentials.ref"))
    # each is waited for in bounded time, and nobody waits for all of them in turn
    found = await asyncio.gather(*(references.resolve(one, anew=anew) for one in names), return_exceptions=True)
    values: dict[str, Secret] = {}
    for name, value in zip(names, found, strict=True):
        if isinstance(value, ApiloomError):
            raise _unread(value)
        if isinstance(value, BaseException):
            raise value
        values[name] = value
    return values


async def follow_given(
    references: References | None, given: Mapping[str, Any], before: Mapping[str, Secret]
) -> tuple[Credentials, dict[str, Secret]]:
    """Credentials that were given, and what their references stand for. What belongs together is replaced one after the
    other where it lies: where one is another than ``before``, or two do not fit, all are read anew.

    Raises:
        DesignError: ``credentials.*``.
    """
    wanted = references_in(given)
    followed = await follow_all(references, wanted)
    if len(wanted) > 1 and any(before.get(name, value) != value for name, value in followed.items()):
        with suppress(DesignError):  # while one of them cannot be asked, the last value of that counts as it does alone
            followed = await follow_all(references, wanted, anew=True)
    try:
        return opened_credentials(given, followed), followed
    except DesignError:
        if not wanted:
            raise
        followed = await follow_all(references, wanted, anew=True)
        return opened_credentials(given, followed), followed


def in_confidence(resolve: Callable[[str], Awaitable[str]]) -> Callable[[str], Awaitable[str]]:
    """The same, with nothing of where a reference leads in what is raised; its code, which health shows, stays."""

    async def resolved(reference: str) -> str:
        try:
            return await resolve(reference)
        except ApiloomError as error:
            _tell(error)
            raise type(error)(_UNREAD, code=error.code, hint=_HINT) from None

    return resolved


def _unread(error: ApiloomError) -> DesignError:
    _tell(error)
    return DesignError(_UNREAD, code="credentials.unread", hint=_HINT)


def _tell(error: ApiloomError) -> None:
    _log.warning("a credential that is a reference cannot be read: %s", error.sentence())
