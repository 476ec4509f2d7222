"""The one tree of errors, split by who must act.

    ApiloomError
    ├── CallerError      the person or program that asked: change the question
    ├── UpstreamError    the API behind us: it refused, failed or cannot be reached
    ├── DesignError      the author of a document or a configuration: mend it
    └── HouseFault       us: report it

Each carries a stable dotted ``code``, a ``message`` fit to show anyone, a ``hint`` that says what to do next, and
``facts`` fit to log. None of them may ever carry a secret. A library's own error is translated once, in the room that
imports the library; surfaces (wire, command line) render from one table each.
"""

from __future__ import annotations

from typing import ClassVar


class ApiloomError(Exception):
    """Root of the tree; raise one of the four kinds below, never this one.

    Args:
        message: one clear sentence, without a trailing full stop, that names what failed and where.
        code: stable dotted identifier such as ``document.not_found``.
        hint: what the reader can do about it; empty when there is nothing to add.
        facts: details for logs; plain JSON values, never a secret.
    """

    actor: ClassVar[str] = "house"

    def __init__(self, message: str, *, code: str, hint: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.facts = facts

    def sentence(self) -> str:
        """The message and its hint as one line, for surfaces that have only one."""
        line = f"{self.message}: {self.hint}" if self.hint else self.message
        return " ".join(line.split())


class CallerError(ApiloomError):
    """The request itself is wrong; the same request will fail again."""

    actor = "caller"


class UpstreamError(ApiloomError):
    """The API behind us refused, failed, answered nonsense or could not be reached."""

    actor = "upstream"


class DesignError(ApiloomError):
    """A document or a configuration cannot be used as it stands."""

    actor = "author"


class HouseFault(ApiloomError):  # noqa: N818 - the fault is the house's, the word says so
    """We broke one of our own promises."""

    actor = "house"
