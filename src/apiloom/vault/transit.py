"""OpenBao (and HashiCorp Vault) as far as the vault needs it: keys that transit wraps, and secrets that it keeps.

Where it is and what opens it is the operator's: no address guard applies. Its answers are bounded in size and time; no
sentence repeats one. Sources: OpenBao API, "Transit secrets engine" and "KV secrets engine - Version 1 and 2"; Vault's
is the same. ``app`` stands above and says where it is, :mod:`apiloom.net` below.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

from apiloom.base import json
from apiloom.base.errors import DesignError, UpstreamError
from apiloom.base.secret import Secret, Unshown
from apiloom.net.request import Request, Response, Sender

SECONDS: Final = 10.0
LARGEST: Final = 1 << 20

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}(?:/[A-Za-z0-9_.-]{1,100}){0,5}", re.ASCII)
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bao:
    """One OpenBao, and how to ask it.

    ``address`` as ``BAO_ADDR`` has it; ``token`` is asked before every request, for agents renew theirs.
    """

    sender: Sender
    address: str
    token: Callable[[], Secret]
    namespace: str = ""
    _place: tuple[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_place", _place(self.address))

    async def wrap(self, key: str, plain: bytes) -> str:
        """Bytes wrapped by a transit key, as the text that transit gives (``vault:v1:…``).

        Raises:
            UpstreamError: ``bao.unreachable``, ``bao.refused``, ``bao.answer``.
        """
        mount, name = _transit(key)
        body = Unshown(plaintext=base64.b64encode(plain).decode("ascii"))
        return _text(await self._ask("POST", f"{mount}/encrypt/{name}", body), "ciphertext")

    async def unwrap(self, key: str, wrapped: str) -> bytes:
        """What a transit key wrapped.

        Raises:
            UpstreamError: as :meth:`wrap`; what another key wrapped is ``bao.refused``.
        """
        mount, name = _transit(key)
        found = await self._ask("POST", f"{mount}/decrypt/{name}", {"ciphertext": wrapped})
        try:
            return base64.b64decode(_text(found, "plaintext"), validate=True)
        except binascii.Error:
            raise _unreadable() from None

    async def rotate(self, key: str) -> bool:
        """Have the transit key turn to a new version; False where the token may not.

        Raises:
            UpstreamError: as :meth:`wrap`.
        """
        mount, name = _transit(key)
        response = await self._send("POST", f"{mount}/keys/{name}/rotate", {})
        if response.status == 403:
            return False
        _checked(response)
        return True

    async def rewrap(self, key: str, wrapped: str) -> str:
        """The same bytes wrapped by the newest version of the transit key, without their ever leaving it.

        Raises:
            UpstreamError: as :meth:`wrap`.
        """
        mount, name = _transit(key)
        return _text(await self._ask("POST", f"{mount}/rewrap/{name}", {"ciphertext": wrapped}), "ciphertext")

    async def read(self, path: str, member: str) -> Secret | None:
        """One member of a secret, None when there is none; with an empty name the only one, or ``value``.

        The path is the one of the API or, for version 2 of the engine, the one that people see (``secret/app``).

        Raises:
            UpstreamError: as :meth:`wrap`.
            DesignError: ``credentials.ref`` for what is no path.
        """
        if not _NAME.fullmatch(path) or ".." in path.split("/"):
            raise DesignError(
                f"bao:{path[:60]} is no path of a secret", code="credentials.ref", hint="write bao:MOUNT/PATH#MEMBER"
            )
        response = await self._send("GET", path)
        mount, _, rest = path.partition("/")
        # a policy for what version 2 keeps says nothing of the path that people see: that one is refused, not missed
        if response.status in {403, 404} and rest and not rest.startswith("data/"):
            response = await self._send("GET", f"{mount}/data/{rest}")
        if response.status == 404:
            return None
        found = _checked(response)
        inner = found.get("data")
        if isinstance(inner, dict) and isinstance(found.get("metadata"), dict):
            found = inner
        chosen = member or ("value" if "value" in found or len(found) != 1 else next(iter(found)))
        value = found.get(chosen)
        return Secret(value) if isinstance(value, str) else None

    async def _ask(self, method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return _checked(await self._send(method, path, body))

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Response:
        try:
            response = await self.sender.send(self._request(method, path, body))
        except UpstreamError as error:
            raise UpstreamError(
                f"OpenBao cannot be asked: {error.message}",
                code="bao.unreachable",
                hint="is BAO_ADDR right, and OpenBao running?",
            ) from None
        if response.status >= 500 or response.status == 429:
            raise UpstreamError(
                f"OpenBao cannot answer now (status {response.status})",
                code="bao.unreachable",
                hint="it may be sealed or overloaded",
            )
        return response

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> Request:
        """Made apart, so that the token is not at hand while it is on its way."""
        origin, prefix = self._place
        headers = [("x-vault-token", self.token().reveal()), ("x-vault-request", "true")]
        if self.namespace:
            headers.append(("x-vault-namespace", self.namespace))
        if body is not None:
            headers.append(("content-type", "application/json"))
        return Request(
            method=method,
            origin=origin,
            target=f"{prefix}/v1/{quote(path, safe='/')}",
            headers=headers,
            body=None if body is None else json.dumps(dict(body)),
            timeout=SECONDS,
            max_bytes=LARGEST,
        )


def _place(address: str) -> tuple[str, str]:
    """Origin and path of an address. A token goes there, so only to this machine without TLS."""
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _address() from None
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query or parts.fragment:
        raise _address()
    if parts.scheme == "http" and host not in _HERE:
        raise DesignError(
            f"the address of OpenBao, {host[:100]}, is not https",
            code="bao.settings",
            hint="its token and every key would cross the network in clear; write https://",
        )
    shown = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{shown}" + ("" if port is None else f":{port}")
    return origin, parts.path.rstrip("/")


def _transit(key: str) -> tuple[str, str]:
    """The mount of the engine and the key's name; a name alone is at ``transit``."""
    if not _NAME.fullmatch(key) or ".." in key.split("/"):
        raise DesignError(
            "the name of the transit key is none", code="bao.settings", hint="write bao:NAME, or bao:MOUNT/NAME"
        )
    mount, _, name = key.rpartition("/")
    return mount or "transit", name


def _checked(response: Response) -> Mapping[str, Any]:
    if response.status in {401, 403}:
        raise UpstreamError(
            "OpenBao refuses the token", code="bao.refused", hint="check BAO_TOKEN and the policy that it has"
        )
    if response.status >= 300:
        raise UpstreamError(
            f"OpenBao refuses what was asked (status {response.status})",
            code="bao.refused",
            hint="is the name of the key or of the secret right?",
        )
    if response.status == 204 or not response.body:
        return {}
    try:
        found = json.loads(response.body)
    except ValueError:
        raise _unreadable() from None
    inside = found.get("data") if isinstance(found, dict) else None
    if not isinstance(inside, dict):
        if inside is None and isinstance(found, dict):
            return {}
        raise _unreadable()
    return inside


def _text(found: Mapping[str, Any], member: str) -> str:
    value = found.get(member)
    if not isinstance(value, str) or not value:
        raise _unreadable()
    return value


def _unreadable() -> UpstreamError:
    return UpstreamError("OpenBao answers what is no answer of it", code="bao.answer", hint="is BAO_ADDR right?")


def _address() -> DesignError:
    return DesignError("the address of OpenBao is none", code="bao.settings", hint="set BAO_ADDR to https://HOST:PORT")
