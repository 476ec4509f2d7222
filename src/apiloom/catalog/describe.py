"""Words a model reads: titles and descriptions of tools and arguments, tidied, and made up where a document has none.

Markup is reduced to plain sentences; nothing is translated, summarised or invented beyond what the document states.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache

from apiloom.catalog.names import full_path, words
from apiloom.model.api import Operation

TOOL_LIMIT = 1024
"""Characters; the shortest limit a major client has for a tool's description."""
TITLE_LIMIT = 80
ARGUMENT_LIMIT = 400
NESTED_LIMIT = 160

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_INLINE_TAG = re.compile(
    r"</?(?:a|abbr|b|big|cite|code|em|font|i|kbd|mark|s|small|span|strong|sub|sup|tt|u|var)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>")
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]+)\]\((?:[^()\s]|\([^()]*\))*(?:\s+\"[^\"]*\")?\)")
_FURTHER_READING = re.compile(
    r"\bFor (?:more|additional|further) (?:information|details|info)\b(?:[^\n\[.!?]{0,90}\[[^\]\n]*\]\([^)\s]*\))+"
    r"[\"”']?[.!]?[\"”']?",
    re.IGNORECASE,
)
"""A sentence that only points at a page elsewhere: without its link nobody can follow it."""
_REFERENCE_LINK = re.compile(r"\[([^\]]+)\]\[[^\]]*\]")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_LINE_START = re.compile(r"^[ \t]*(?:#{1,6}|>)[ \t]+", re.MULTILINE)
_STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
_TABLE_RULE = re.compile(r"^[ \t|:-]*\|[ \t|:-]*-[ \t|:-]*$", re.MULTILINE)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff\ud800-\udfff]")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_MARKUP = frozenset("<&[*_`~#>|")

_VERBS = {
    "get": "Get",
    "post": "Create or send",
    "put": "Replace",
    "patch": "Change",
    "delete": "Delete",
    "head": "Check",
    "options": "Get the options of",
    "trace": "Trace",
    "query": "Query",
}


@lru_cache(maxsize=16384)
def tidy(text: str, limit: int) -> str:
    """Plain text on one line, at most ``limit`` characters, cut where a sentence or word ends."""
    return shorten(_tidied(text), limit)


@lru_cache(maxsize=1024)
def _tidied(text: str) -> str:
    """The whole text, which is cut to several lengths one soon after the other."""
    if not _MARKUP.isdisjoint(text):
        text = _without_markup(text)
    if not text.isprintable():
        text = _UNPRINTABLE.sub("", text)
    return " ".join(text.split())


def _without_markup(text: str) -> str:
    if "<" in text:
        text = _TAG.sub(" ", _INLINE_TAG.sub("", _COMMENT.sub(" ", text)))
    if "&" in text:
        text = html.unescape(text)
    if "[" in text:
        text = _FURTHER_READING.sub("", _IMAGE.sub("", text))
        text = _REFERENCE_LINK.sub(r"\1", _LINK.sub(r"\1", text))
    if "```" in text or "~~~" in text:
        text = _FENCE.sub("", text)
    if "|" in text:
        text = _TABLE_RULE.sub("", text)
    if "**" in text or "__" in text:
        text = _STRONG.sub(r"\2", text)
    return _LINE_START.sub("", text) if "#" in text or ">" in text else text


def shorten(text: str, limit: int) -> str:
    """The text, or as much of it as fits: whole sentences where that keeps most of it, else whole words."""
    if len(text) <= limit:
        return text
    room = text[: limit - 1]
    ends = [match.end() for match in _SENTENCE_END.finditer(room)]
    if ends and ends[-1] >= limit // 2:
        return room[: ends[-1]]
    cut = text.rfind(" ", 0, limit)
    return f"{room[: cut if cut > limit // 2 else len(room)].rstrip(' ,;:')}…"


def is_described(operation: Operation) -> bool:
    """Whether a human wrote what the operation does."""
    return bool(tidy(operation.summary, 200) or tidy(operation.description, 200))


def title_of(operation: Operation, name: str) -> str:
    """A short title: the summary when it is one, else the tool's name as words."""
    summary = tidy(operation.summary, 10 * TITLE_LIMIT).rstrip(".")
    if summary and len(summary) <= TITLE_LIMIT:
        return summary
    first = summary[: match.start()] if (match := _SENTENCE_END.search(summary)) else ""
    if first and len(first) <= TITLE_LIMIT:
        return first
    return " ".join(name.split("_")).capitalize()


def description_of(operation: Operation, notes: Sequence[str]) -> str:
    """What the tool does in at most :data:`TOOL_LIMIT` characters, the decisive sentence first, then notes."""
    said = [*notes, "Deprecated."] if operation.deprecated else notes
    trailing = shorten(" ".join(said), TOOL_LIMIT // 2)
    text = shorten(_written(operation) or made_up(operation), TOOL_LIMIT - len(trailing) - 2)
    return f"{as_sentence(text)} {trailing}" if trailing else text


def _written(operation: Operation) -> str:
    summary = tidy(operation.summary, TOOL_LIMIT)
    description = tidy(operation.description, 2 * TOOL_LIMIT)
    if not summary or _says_again(summary, description):
        return description
    if not description or _says_again(description, summary):
        return summary
    return f"{as_sentence(summary)} {description}"


def _says_again(short: str, long: str) -> bool:
    return long.lower().startswith(short.lower().rstrip(". …"))


def as_sentence(text: str) -> str:
    """The text with an end to it, so that another sentence can follow."""
    return text if text.endswith((".", "!", "?", "…", ":", ";")) else f"{text}."


def made_up(operation: Operation) -> str:
    """A sentence from name, method, path and tags, for an operation that nobody described."""
    shape = operation.shape
    spoken = " ".join(words(operation.name)) if operation.name else ""
    if not spoken:
        things = [" ".join(words(part)) for part in shape.path.split("/") if part and not part.startswith("{")]
        things = [thing for thing in things if thing]
        spoken = f"{_VERBS.get(shape.method.lower(), shape.method)} {things[-1] if things else 'the root'}"
    tags = tidy(", ".join(operation.tags), 80)
    about = f" Part of {tags}." if tags else ""
    request = tidy_code(f"{shape.method.upper()} {full_path(operation)}")
    return f"{as_sentence(spoken[:1].upper() + spoken[1:])} Sends {request}.{about}"


def tidy_code(text: str) -> str:
    """A piece of code or a path on one line, without marks that nobody sees."""
    return shorten(" ".join(_UNPRINTABLE.sub("", text).split()), 300)
