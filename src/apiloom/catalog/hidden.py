"""Parameters that are not a model's business, because whoever runs us has settled them for every call.

A constant header and the key that ``--auth`` signs with are sent by the signer; asking a model for them too would send
them twice, or send what it made up.
"""

from __future__ import annotations

from dataclasses import replace

from apiloom.model.api import ApiModel, Operation

Settled = frozenset[tuple[str, str]]
"""Places and names; names of headers in lower case, since case means nothing there."""


def without_settled(model: ApiModel, settled: Settled) -> ApiModel:
    """The API as a model is to see it: no operation takes a parameter that is settled."""
    if not settled:
        return model
    return replace(model, operations=tuple(_without(operation, settled) for operation in model.operations))


def _without(operation: Operation, settled: Settled) -> Operation:
    kept = tuple(
        one
        for one in operation.shape.parameters
        if (one.place, one.name.lower() if one.place == "header" else one.name) not in settled
    )
    if len(kept) == len(operation.shape.parameters):
        return operation
    return replace(operation, shape=replace(operation.shape, parameters=kept))
