"""Removes credentials that an upstream sends back: what an agent reads never holds what signed its request."""

from __future__ import annotations

from apiloom.net.request import Response

_HIDDEN = "***"


class Eraser:
    """Knows the secrets of one signer, in every spelling in which they were sent."""

    __slots__ = ("_bytes", "_texts")

    def __init__(self, secrets: tuple[str, ...]) -> None:
        # the longest first, so that a secret inside another one does not break it up before it is found
        self._texts = tuple(sorted(secrets, key=len, reverse=True))
        self._bytes = tuple(secret.encode() for secret in self._texts)

    def erased(self, response: Response) -> Response:
        """The response itself where nothing is to be removed, which is nearly always."""
        body = response.body
        for spelling in self._bytes:
            if spelling in body:
                body = body.replace(spelling, _HIDDEN.encode())
        headers = response.headers
        everything = "\n".join([value for _, value in headers])
        for secret in self._texts:
            if secret in everything:
                headers = [(name, value.replace(secret, _HIDDEN)) for name, value in headers]
        if body is response.body and headers is response.headers:
            return response
        return Response(status=response.status, headers=headers, body=body)
