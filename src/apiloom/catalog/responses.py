"""What an operation answers: one canonical schema over its declared successes, not looked into.

Definitions are only named here, never touched: most of a large document is response types, and a listing needs none.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiloom.base import json
from apiloom.catalog.media import essence, is_json, successes
from apiloom.model.api import Media, Response, Schema


def output_schema(responses: Sequence[Response]) -> Schema | None:
    """The schema of a successful JSON answer, a union where several are declared; None when none is."""
    found = [media.schema for response in successes(responses) if (media := _described_json(response.media))]
    if len(found) > 1:
        found = list({json.canonical(schema): schema for schema in found}.values())
    if not found:
        return None
    return found[0] if len(found) == 1 else {"anyOf": found}


def _described_json(media: Sequence[Media]) -> Media | None:
    candidates = sorted((one for one in media if is_json(one.type)), key=_rank)
    for one in candidates:
        if one.item_schema is None and isinstance(one.schema, dict) and one.schema:
            return one
    return None


def _rank(media: Media) -> tuple[bool, str]:
    return essence(media.type) != "application/json", media.type
