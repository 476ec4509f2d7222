"""References and OpenBao as this process's environment sets them up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from apiloom.app.outbound import open_sender
from apiloom.base.errors import ApiloomError, DesignError
from apiloom.base.secret import Secret
from apiloom.vault.references import Places, follow, read_secret_file
from apiloom.vault.transit import Bao

KEYRING = "APILOOM_KEYRING_BACKEND"
"""Names the class of the keyring to use; without it the one of the platform."""


def places_of(environment: Mapping[str, str]) -> Places:
    """Where references lead."""
    return Places(
        environment=environment, bao=lambda: opened_bao(environment), keyring=environment.get(KEYRING, "").strip()
    )


@asynccontextmanager
async def opened_bao(environment: Mapping[str, str]) -> AsyncIterator[Bao]:
    """OpenBao as ``BAO_ADDR`` and ``BAO_TOKEN`` (or ``VAULT_…``) name it, on a way out of its own.

    It is the operator's own, so what guards other ways out does not hold here.

    Raises:
        DesignError: ``bao.settings``.
    """
    address = _either(environment, "ADDR")
    if not address:
        raise DesignError("nothing says where OpenBao is", code="bao.settings", hint="set BAO_ADDR")
    sender = open_sender(environment, frozenset())
    try:
        yield Bao(
            sender=sender,
            address=address,
            token=lambda: _token(environment),
            namespace=_either(environment, "NAMESPACE"),
        )
    finally:
        await sender.close()


def follow_now(reference: str, environment: Mapping[str, str]) -> str:
    """What a reference stands for, for whoever cannot wait otherwise.

    Raises:
        ApiloomError: as :func:`~apiloom.vault.references.follow`.
    """
    found: list[Secret | ApiloomError] = []

    def run() -> None:
        try:
            found.append(asyncio.run(follow(reference, places_of(environment))))
        except ApiloomError as error:
            found.append(error)

    # a loop may be running here already
    thread = threading.Thread(target=run, name="references")
    thread.start()
    thread.join()
    if isinstance(found[0], ApiloomError):
        raise found[0]
    return found[0].reveal()


def _token(environment: Mapping[str, str]) -> Secret:
    """The token, from its file each time it is needed: whoever renews it writes it there."""
    token = _either(environment, "TOKEN")
    if token:
        return Secret(token)
    file = _either(environment, "TOKEN_FILE")
    if not file:
        raise DesignError("there is no token for OpenBao", code="bao.settings", hint="set BAO_TOKEN or BAO_TOKEN_FILE")
    try:
        return Secret(read_secret_file(file).reveal().strip())
    except DesignError as error:
        raise DesignError(f"the token of OpenBao: {error.message}", code="bao.settings", hint=error.hint) from None


def _either(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(f"BAO_{name}") or environment.get(f"VAULT_{name}") or "").strip()
