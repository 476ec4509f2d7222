"""Names of tools: short, stable, one for each operation, whatever the order of the document.

Rule. A name is proposed from the operation alone: its operationId in snake case, or method and path when the id is
missing or has too few letters that survive. A proposal over :data:`LIMIT` characters loses words from its middle and
ends in a hash of method and path. When several operations propose one name, **all** of them get the hash: giving the
bare name to a winner would let an added operation take over a name that already means another one. So a name never
silently changes its meaning, and only operations that really share a proposal are ever touched by one another.

Knows nothing of prefixes for several sources, nor why a name is taken.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from apiloom.model.api import Operation

LIMIT = 40
_HASHES = (6, 10, 16, 32)
_SHARE = 2
"""A name must keep at least one in so many of the letters of the id it stands for."""

_NOT_PLAIN = re.compile(r"[^a-z0-9]+")
_PLURAL_ACRONYM = re.compile(r"(?<![A-Z])([A-Z]{2,})s(?![a-z])")
_ACRONYM_END = re.compile(r"([A-Z]+)([A-Z][a-z])")
_WORD_END = re.compile(r"([a-z0-9])([A-Z])")
_CAMEL_BRANDS = (("OAuth", "Oauth"), ("IPv", "Ipv"), ("GraphQL", "Graphql"), ("GitHub", "Github"), ("iOS", "Ios"))
_TELL_LITTLE = frozenset(
    {"a", "an", "and", "by", "for", "from", "in", "namespaced", "of", "on", "or", "the", "to", "with"}
)
_VERSION = re.compile(r"v\d+(?:(?:alpha|beta)\d*)?\Z")
_SHORT_WORD = 6
_NOT_WORD = re.compile(r"\W")
_SPELLED = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i"}
)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def ascii_of(text: str) -> str:
    """The text in ASCII: accents taken off, letters that are no letter with an accent spelled out, the rest dropped."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKD", text.translate(_SPELLED)).encode("ascii", "ignore").decode()


@lru_cache(maxsize=8192)
def words(text: str) -> tuple[str, ...]:
    """The words of an identifier or phrase in lower-case ASCII: camel case split, accents removed, the rest dropped."""
    text = ascii_of(text)
    if not text.islower():
        for brand, plain in _CAMEL_BRANDS:
            text = text.replace(brand, plain)
        text = _PLURAL_ACRONYM.sub(lambda m: m.group(1).capitalize() + "s", text)
        text = _WORD_END.sub(r"\1_\2", _ACRONYM_END.sub(r"\1_\2", text))
    return tuple(word for word in _NOT_PLAIN.split(text.lower()) if word)


def path_words(method: str, path: str) -> list[str]:
    """The words of method and path: ``GET /pets/{id}`` gives ``get pets by id``."""
    found = list(words(method))
    for segment in path.split("/"):
        plain = words(_PLACEHOLDER.sub(" ", segment))
        held = [word for name in _PLACEHOLDER.findall(segment) for word in words(name)]
        found += plain
        if held:
            found += ["by", *held]
    if len(found) == 1 and not path.strip("/"):
        found.append("root")
    return found


def hash_of(key: str, length: int) -> str:
    """The first characters of the SHA-256 of an operation's key (its method and path), hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:length]


def resolve_names(operations: Iterable[Operation], taken: Collection[str] = ()) -> Mapping[str, str]:
    """The name of every operation by its key, in one pass over everything and independent of order.

    ``taken`` are names that none of them may have.
    """
    proposals = {operation.key: propose(operation) for operation in operations}
    level = {key: 0 if telling else 1 for key, (_, telling) in proposals.items()}
    while True:
        holders: dict[str, list[str]] = defaultdict(list)
        for key, (parts, _) in proposals.items():
            holders[_name(parts, key, level[key])].append(key)
        crowded = [key for name, keys in holders.items() if len(keys) > 1 or name in taken for key in keys]
        if not crowded:
            return {keys[0]: name for name, keys in holders.items()}
        for key in crowded:
            level[key] += 1


def full_path(operation: Operation) -> str:
    """The path as the document wrote it, with the query that stood in it."""
    shape = operation.shape
    return f"{shape.path}?{shape.fixed_query}" if shape.fixed_query else shape.path


def propose(operation: Operation) -> tuple[list[str], bool]:
    """The words an operation would like to be named by, never none, and whether they say more than its method."""
    shape = operation.shape
    named = list(_id_words(operation.name, shape.method, shape.path)) if operation.name else []
    telling = bool(named)
    if not named:
        named = path_words(shape.method, full_path(operation))
        telling = len(named) > 1
    if not named or not named[0][0].isalpha():
        named = ["call", *named]
    return named, telling


def _id_words(name: str, method: str, path: str) -> Sequence[str]:
    name = _without_route(name, method, path)
    found = words(name)
    letters = sum(character.isalnum() for character in name)
    return found if sum(map(len, found)) * _SHARE >= letters else ()


def _without_route(name: str, method: str, path: str) -> str:
    """FastAPI ends ids in the whole route and method: ``read_item_items__item_id__get`` is named ``read_item``."""
    ending = f"{_NOT_WORD.sub('_', path)}_{method.lower()}"
    if len(ending) < len(name) and name.lower().endswith(ending.lower()):
        return name[: -len(ending)]
    return name


def _name(parts: list[str], key: str, level: int) -> str:
    whole = "_".join(parts)
    if level == 0 and len(whole) <= LIMIT:
        return whole
    digits = _HASHES[min(max(level, 1), len(_HASHES)) - 1]
    further = f"{key}#{level}" if level > len(_HASHES) else key
    return f"{_shortened(parts, LIMIT - digits - 1)}_{hash_of(further, digits)}"


def _shortened(parts: list[str], room: int) -> str:
    """The words in less room: first without those that tell least, then with long ones cut, then without the middle.

    The first word is the verb and stays; the last ones tell similar operations apart.
    """
    kept = [parts[0], *(word for word in parts[1:] if word not in _TELL_LITTLE and not _VERSION.match(word))]
    while len("_".join(kept)) > room:
        longest = max(range(len(kept)), key=lambda index: len(kept[index]) if index else 0)
        if longest and len(kept[longest]) > _SHORT_WORD:
            kept[longest] = kept[longest][:-1]
        elif len(kept) > 1:
            del kept[len(kept) // 2]
        else:
            break
    return "_".join(kept)[:room].rstrip("_")
