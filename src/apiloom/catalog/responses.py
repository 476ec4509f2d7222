"""What an operation answers: one canonical schema over its declared successes, not looked into.

Definitions are only named here, never touched: most of a large document is response types, and a listing needs none.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiloom.base import json
from apiloom.catalog.media import essence, is_json, successes
from apiloom.catalog.shapes import Pool
from apiloom.catalog.validation import answer_schema
from apiloom.model.api import Media, Response, Schema

EMPTY: Schema = {"type": "object", "maxProperties": 0}
"""What structured content says of an answer without a body, or with one that is no JSON."""


def output_schema(responses: Sequence[Response]) -> Schema | None:
    """The schema of a successful JSON answer, a union where several are declared; None when none is.

    Where another success has no JSON, nothing at all is one of the answers: a promise beside it could not be kept.
    """
    good = successes(responses)
    described = [_described_json(response.media) for response in good]
    found = [media.schema for media in described if media is not None]
    if not found:
        return None
    if None in described:
        found.append(EMPTY)
    if len(found) > 1:
        found = list({json.canonical(schema): schema for schema in found}.values())
    return found[0] if len(found) == 1 else {"anyOf": found}


def without_empty(schema: Schema) -> tuple[Schema, bool]:
    """What is answered where something is, and whether nothing may be."""
    members = schema.get("anyOf") if isinstance(schema, dict) else None
    if not isinstance(members, list) or EMPTY not in members:
        return schema, False
    others = [member for member in members if member != EMPTY]
    return (others[0] if len(others) == 1 else {"anyOf": others}), True


def promised(schema: Schema, pool: Pool) -> Schema:
    """What JSON answers are judged by: the strict schema, closed, of bounded size; what it leaves out admits anything.

    That there may be no answer at all is no form of one that is there.
    """
    return answer_schema(without_empty(schema)[0], pool, shown=True)


def _described_json(media: Sequence[Media]) -> Media | None:
    candidates = sorted((one for one in media if is_json(one.type)), key=_rank)
    for one in candidates:
        if one.item_schema is None and isinstance(one.schema, dict) and one.schema:
            return one
    return None


def _rank(media: Media) -> tuple[bool, str]:
    return essence(media.type) != "application/json", media.type
