"""Path keys: what is path, what is query, which placeholders there are, and how they meet the declared parameters.

The wild writes queries and fragments into path keys, leaves placeholders undeclared, and borrows the templates of
other systems. Nothing is ever sent with a brace in it.
"""

from __future__ import annotations

import re

from apiloom.base.values import Value, replace
from apiloom.model.api import Parameter
from apiloom.readers.openapi.reading import Reading
from apiloom.readers.openapi.spot import Spot, Unusable

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FORM_EXPANSION = re.compile(r"\{[?&]([^{}]*)\}")
_SIMPLE_NAME = re.compile(r"[\w.$@~-]+")
_GREEDY = frozenset({"path", "*", ".*", ".+", "[^?]*"})
"""Rules behind a colon with which web frameworks let a placeholder take slashes."""

MOST_PLACEHOLDERS = 200
"""Placeholders in one path key; real ones have a handful."""

LONGEST_PATH = 8_000
"""Characters of a path key. Findings repeat it, and few servers take longer request lines."""

_MOST_NOTED = 8
_COLON = re.compile(r"(?<=/):([A-Za-z_]\w*)(?=/|$)")


class Template(Value, frozen=True):
    """A path key taken apart. ``optional`` names the members of query expansions such as ``{?page,size}``."""

    path: str
    query: str
    optional: tuple[str, ...]


def read_template(key: str) -> Template:
    """Take a path key apart; the fragment is dropped, since it is never sent."""
    optional: list[str] = []

    def expansion(match: re.Match[str]) -> str:
        optional.extend(name.strip("*+ ") for name in match[1].split(",") if name.strip("*+ "))
        return ""

    bare = _FORM_EXPANSION.sub(expansion, key)
    path, _, _ = bare.partition("#")
    path, _, query = path.partition("?")
    return Template(path, query, tuple(optional))


def fit(
    reading: Reading, template: Template, parameters: list[Parameter], spot: Spot
) -> tuple[str, str, list[Parameter]]:
    """Path, fixed query and parameters that agree with each other.

    Raises:
        Unusable: braces that are no placeholders, a placeholder inside a query value, or more than any real path has.
    """
    _bound(template)
    fitting = _Fitting(reading, parameters, spot)
    path = fitting.path(template.path)
    query = fitting.query(template.query)
    for name in template.optional:
        fitting.want_query(name, required=False)
    return path, query, fitting.rest()


def _bound(template: Template) -> None:
    length = len(template.path) + len(template.query) + sum(map(len, template.optional))
    if length > LONGEST_PATH:
        raise Unusable(f"its path has over {LONGEST_PATH:,} characters")
    if template.path.count("{") + template.query.count("{") + len(template.optional) > MOST_PLACEHOLDERS:
        raise Unusable(f"its path has over {MOST_PLACEHOLDERS} placeholders")


class _Fitting:
    """One operation's parameters while its template is read."""

    def __init__(self, reading: Reading, parameters: list[Parameter], spot: Spot) -> None:
        self._reading = reading
        self._spot = spot
        self._parameters = parameters
        self._in_path = {each.name: each for each in parameters if each.place == "path"}
        self._used: dict[str, Parameter] = {}
        self._in_query = {each.name: each for each in parameters if each.place == "query"}
        self._noted = 0

    def path(self, path: str) -> str:
        """The path with every placeholder named as its parameter."""
        if ":" in path and any(f"{{{name}}}" not in path for name in self._in_path):
            path = _COLON.sub(lambda match: f"{{{match[1]}}}" if match[1] in self._in_path else match[0], path)
        rewritten = _PLACEHOLDER.sub(self._placeholder, path)
        if rewritten.count("{") != len(_PLACEHOLDER.findall(rewritten)) or rewritten.count("{") != rewritten.count("}"):
            raise Unusable("its path has braces that do not match", self._pointer())
        return rewritten

    def _placeholder(self, match: re.Match[str]) -> str:
        name = match[1]
        if name not in self._in_path:
            plain = name.partition(":")[0].strip()
            bare = plain.strip("+*")
            if bare in self._in_path or (bare != name and _SIMPLE_NAME.fullmatch(bare)):
                rule = name.partition(":")[2].strip()
                return self._named(bare, reserved=bare != plain, slashes=bare != plain or rule in _GREEDY)
            if not _SIMPLE_NAME.fullmatch(name):
                raise Unusable("its path has braces that name no parameter", self._pointer())
        return self._named(name, reserved=False, slashes=False)

    def _named(self, name: str, *, reserved: bool, slashes: bool) -> str:
        if name not in self._used:
            found = self._in_path.get(name) or self._added(name)
            reserved, slashes = reserved or found.allow_reserved, slashes or found.slashes
            if (reserved, slashes) != (found.allow_reserved, found.slashes):
                # only then: one object for one parameter lets later steps make what follows from it once
                found = replace(found, allow_reserved=reserved, slashes=slashes)
            self._used[name] = found
        return f"{{{name}}}"

    def _added(self, name: str) -> Parameter:
        self._note_undeclared(f'the path names "{name}", which is no declared parameter; it was added as text')
        return Parameter(
            name=name,
            place="path",
            schema={"type": "string"},
            required=True,
            style="simple",
            explode=False,
            pointer=self._pointer(),
        )

    def query(self, query: str) -> str:
        """The part of the query that never changes; placeholders in it become query parameters."""
        fixed: list[str] = []
        for pair in query.split("&") if query else ():
            name, _, value = pair.partition("=")
            placeholder = _PLACEHOLDER.fullmatch(value)
            if placeholder:
                self._moved(name, placeholder[1])
            elif "{" in pair or "}" in pair:
                raise Unusable("its path has a placeholder inside a query value", self._pointer())
            elif pair:
                fixed.append(pair)
                if name in self._in_query:
                    message = f'the path fixes the query parameter "{name}"; it was left out'
                    self._reading.note("note", "path.fixed_query", message, self._spot)
                    del self._in_query[name]
        return "&".join(fixed)

    def _moved(self, name: str, placeholder: str) -> None:
        """``name={placeholder}`` in the query of a path key: a query parameter, whatever place was declared."""
        declared = self._in_path.get(placeholder) or self._in_query.pop(placeholder, None)
        if declared is None:
            self.want_query(name, required=True)
            return
        if declared.place == "path":
            declared = replace(declared, place="query", style="form", explode=True)
            self._in_path.pop(placeholder)
            message = f'the parameter "{placeholder}" stands in the query of the path; it was read as a query parameter'
            self._reading.note("warning", "path.query_placeholder", message, self._spot)
        self._in_query.setdefault(name, replace(declared, name=name))

    def want_query(self, name: str, *, required: bool) -> None:
        """Have a query parameter of this name, declared or not."""
        if name in self._in_query:
            return
        self._note_undeclared(
            f'the path names the query parameter "{name}", which is not declared; it was added as text'
        )
        self._in_query[name] = Parameter(
            name=name,
            place="query",
            schema={"type": "string"},
            required=required,
            style="form",
            explode=True,
            pointer=self._pointer(),
        )

    def _note_undeclared(self, message: str) -> None:
        """Note the first few; every finding repeats the whole path in its pointer."""
        self._noted += 1
        if self._noted <= _MOST_NOTED:
            self._reading.note("warning", "path.undeclared", message, self._spot)
        elif self._noted == _MOST_NOTED + 1:
            more = "the path names further parameters that are not declared; they were added as text"
            self._reading.note("warning", "path.undeclared", more, self._spot)

    def rest(self) -> list[Parameter]:
        """All parameters in their order, without path parameters that the path does not name; added ones last."""
        kept: list[Parameter] = []
        for each in self._parameters:
            if each.place == "path":
                if each.name in self._used:
                    kept.append(self._used.pop(each.name))
                elif each.name in self._in_path:
                    message = f'the path parameter "{each.name}" is not in the path; it was left out'
                    self._reading.note("warning", "path.unused", message, self._spot)
            elif each.place != "query":
                kept.append(each)
            elif each.name in self._in_query:
                kept.append(self._in_query.pop(each.name))
        return [*kept, *self._used.values(), *self._in_query.values()]

    def _pointer(self) -> str:
        return self._reading.library.notes.pointer(self._spot)
