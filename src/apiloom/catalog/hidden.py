"""Parameters that are not a model's business, because whoever runs us has settled them for every call.

A constant header and the key that ``--auth`` signs with are sent by the signer; asking a model for them too would send
them twice, or send what it made up. Neither goes to a server that a path or operation names for itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from apiloom.base.values import replace
from apiloom.model.api import ApiModel, HttpShape, Operation, SecurityNeed, Server

Settled = Mapping[tuple[str, str], str]
"""By place and name the security scheme that is sent there, empty for a constant. Names of headers are in lower case,
since case means nothing there."""


def without_settled(model: ApiModel, settled: Settled) -> ApiModel:
    """The API as a model is to see it: no operation takes a parameter that is settled.

    An operation that took a key as a parameter needs it, beside whatever else it is signed with.
    """
    if not settled:
        return model
    home = next((one.shape.servers for one in model.operations if not one.shape.own_servers), ())
    return replace(model, operations=tuple(_without(operation, settled, home) for operation in model.operations))


def _without(operation: Operation, settled: Settled, home: tuple[Server, ...]) -> Operation:
    if home and _is_elsewhere(operation.shape, home):
        return operation
    kept = []
    schemes: list[str] = []
    for one in operation.shape.parameters:
        scheme = settled.get((one.place, one.name.lower() if one.place == "header" else one.name))
        if scheme is None:
            kept.append(one)
        elif scheme:
            schemes.append(scheme)
    if len(kept) == len(operation.shape.parameters):
        return operation
    security = _joined(operation.security, schemes) if schemes else operation.security
    return replace(operation, security=security, shape=replace(operation.shape, parameters=tuple(kept)))


def _joined(security: tuple[SecurityNeed, ...], schemes: list[str]) -> tuple[SecurityNeed, ...]:
    """The alternatives with the schemes in each, before what they are alone."""
    more = tuple((scheme, ()) for scheme in schemes)
    joined = tuple(tuple(sorted({*need, *more})) for need in security if need)
    return (*joined, *security)


def _is_elsewhere(shape: HttpShape, home: tuple[Server, ...]) -> bool:
    return shape.own_servers and _host(shape.servers[0].url) not in {"", *(_host(server.url) for server in home)}


def _host(url: str) -> str:
    """Scheme and host of an absolute URL as it is written, without regard to case; empty for a relative one."""
    scheme, mark, rest = url.strip().lower().partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" if mark else ""
