"""What members of bodies and answers are made of: times as RFC 3339, open objects, and the two kinds of model.

What a value may be is for the flows to say; here is only its JSON type, and what a reader of the description is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from apiloom.flows.ground import Ground

_time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def seconds(text: Any) -> float:
    """A time as RFC 3339 section 5.6 writes it, in seconds since the epoch.

    Raises:
        ValueError: it is another text, or no time there ever is.
    """
    if not isinstance(text, str) or len(text) > 40 or not _time.fullmatch(text):
        raise ValueError("input should be a time such as 2027-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("there is no such time") from None


def written(at: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, with thousandths where there are any."""
    precision = "seconds" if at == int(at) else "milliseconds"
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


_TIME = WithJsonSchema({"type": "string", "format": "date-time"})

GivenTime = Annotated[float, BeforeValidator(seconds), _TIME]
"""A time in a body."""

ShownTime = Annotated[float, PlainSerializer(written, return_type=str), _TIME]
"""A time in an answer."""

Json = dict[str, Any]
"""Any JSON object."""


SHOWN_ONCE = "shown once"

Secret = Annotated[str | None, Field(repr=False), SHOWN_ONCE]
"""A member that is shown once; null in the answer to the same request sent again with its Idempotency-Key."""


class Given(BaseModel):
    """A body. Members it does not know are passed on: the flow refuses them with the nearest name it has."""

    model_config = ConfigDict(extra="allow", strict=True, json_schema_extra={"additionalProperties": False})

    def members(self) -> Mapping[str, Any]:
        """What was given, and nothing that was not."""
        return self.model_dump(exclude_unset=True)


class Shown(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    @classmethod
    def of(cls, record: Any) -> Self:
        """The answer that shows a record."""
        return cls.model_validate(record)

    @classmethod
    def here(cls, record: Any, _: Ground) -> Self:
        """The same, for answers that tell as well what only this gateway knows, such as its address or the time."""
        return cls.of(record)

    @classmethod
    def secret_members(cls) -> tuple[str, ...]:
        """The members that are shown once."""
        return tuple(name for name, field in cls.model_fields.items() if SHOWN_ONCE in field.metadata)


Id = Annotated[str, Field(description="The record's id.", examples=["srv_k3v9q2m4n6p8r0s2t4u6"])]
Metadata = Annotated[Json, Field(description="The caller's own JSON object, up to 16 KB; lists can be filtered by it.")]
ExternalId = Annotated[
    str | None, Field(description="The caller's own id for it; unique in its parent, and lists can be filtered by it.")
]
CreatedAt = Annotated[ShownTime, Field(description="When it was made.")]
CreatedBy = Annotated[str, Field(description="The id of whoever made it.")]
Revision = Annotated[int, Field(description="Rises with every change; the same as the ETag, for If-Match.")]
ExpiresAt = Annotated[ShownTime | None, Field(description="When it ends; null: never.")]
GivenExpiry = Annotated[
    GivenTime | None, Field(description="When it ends. Omitted: in 30 days. null, for never, needs the owner's role.")
]
