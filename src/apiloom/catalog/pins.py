"""Published names outlive the document they came from: who wrote a tool's name down finds the same tool again.

A :class:`Pin` says what one operation was published as. Given the pins of what was published before, an operation that
is still there keeps its name and the names of its arguments, whatever was added, reordered or renamed around it:

1. the same key (method and path) under the same operationId is the same operation;
2. then the same operationId at another place, where it names one operation before and after;
3. then the same key under another operationId;
4. then the same key but for the names of placeholders.

A name that could only read is not kept for what can do more. What is new is named as always, but never by a name that
was published, even if its tool is gone: a name in somebody's allow list must not come to mean something else. Two tools
that become one operation leave the second name as an alias.
Pure; knows neither where pins are stored nor how aliases are served.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from apiloom.base.values import Value, field, replace
from apiloom.catalog.names import resolve_names
from apiloom.catalog.semantics import SAFE
from apiloom.catalog.tool import Argument, BoundBody, Tool
from apiloom.model.api import Operation
from apiloom.model.findings import Finding

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_Thing = TypeVar("_Thing")


class Pin(Value, frozen=True, kw_only=True):
    """What one operation was published as.

    ``operation`` is its key and ``called`` its operationId at that time. ``arguments`` maps what an argument stands for
    (see :func:`argument_ids`) to its published name, those that are gone included. ``aliases`` are further names.
    """

    name: str
    operation: str
    called: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


class Published(Value, frozen=True, kw_only=True):
    """Names for a new version.

    ``kept`` are pins by the key of the operation they now belong to, their own key and operationId brought up to date;
    ``gone`` are those of operations that are no more.
    """

    names: Mapping[str, str]
    kept: Mapping[str, Pin] = field(default_factory=dict)
    gone: tuple[Pin, ...] = ()
    findings: tuple[Finding, ...] = ()

    def arguments(self, key: str) -> Mapping[str, str]:
        """Published names of an operation's arguments by what they stand for."""
        pin = self.kept.get(key)
        return pin.arguments if pin is not None else {}

    def aliases(self) -> dict[str, str]:
        """Further names of tools: alias to name."""
        return {alias: pin.name for pin in self.kept.values() for alias in pin.aliases}


def resolve_published(operations: Sequence[Operation], pins: Sequence[Pin]) -> Published:
    """A name for every operation, published ones kept."""
    matched = _matched(operations, pins)
    kept: dict[str, Pin] = {}
    findings: list[Finding] = []
    for operation in operations:
        pin = matched.get(operation.key)
        if pin is not None:
            kept[operation.key] = _moved(pin, operation)
            if (pin.operation, pin.called) != (operation.key, operation.name or ""):
                findings.append(_kept_finding(pin, operation))
    names_held = {pin.name for pin in matched.values()}
    gone: list[Pin] = []
    for pin in pins:
        if pin.name in names_held:
            continue
        heir = kept.get(pin.operation)
        if heir is not None:
            aliases = dict.fromkeys([*heir.aliases, pin.name, *pin.aliases])
            kept[pin.operation] = replace(heir, aliases=tuple(sorted(aliases)))
            continue
        gone.append(pin)
        findings.append(_gone_finding(pin))
    taken = {name for pin in pins for name in (pin.name, *pin.aliases)}
    fresh = resolve_names([each for each in operations if each.key not in kept], taken)
    names = {**fresh, **{key: pin.name for key, pin in kept.items()}}
    return Published(names=names, kept=kept, gone=tuple(gone), findings=tuple(findings))


def pins_of(
    tools: Mapping[str, Tool], aliases: Mapping[str, str] | None = None, pinned: Sequence[Pin] = ()
) -> tuple[Pin, ...]:
    """What is to be kept from now on: the tools of a catalog, and every pin it was built with, sorted by name.

    ``aliases`` are the catalog's own (see ``Catalog.aliases``).
    """
    pins = {pin.name: pin for pin in pinned}
    further: dict[str, list[str]] = {}
    for alias, name in (aliases or {}).items():
        pins.pop(alias, None)
        further.setdefault(name, []).append(alias)
    for tool in tools.values():
        now = argument_ids(tool)
        held = set(now.values())
        known = pins.get(tool.name)
        before = known.arguments if known is not None else {}
        pins[tool.name] = Pin(
            name=tool.name,
            operation=tool.operation,
            called=tool.called,
            arguments={**{what: name for what, name in before.items() if name not in held}, **now},
            aliases=tuple(sorted(further.get(tool.name, ()))),
        )
    return tuple(pins[name] for name in sorted(pins))


def join_pins(*published: Iterable[Pin]) -> tuple[Pin, ...]:
    """What several versions have published, as one; of two that say something else of a name, the last counts."""
    joined: dict[str, Pin] = {}
    owner: dict[str, str] = {}
    for pin in (pin for pins in published for pin in pins):
        before = joined.get(pin.name)
        known = before.arguments if before is not None and before.operation == pin.operation else {}
        held = set(pin.arguments.values())
        kept = {what: name for what, name in known.items() if name not in held}
        joined[pin.name] = replace(pin, arguments={**kept, **pin.arguments})
        owner |= dict.fromkeys([pin.name, *pin.aliases], pin.name)
    aliases: dict[str, list[str]] = {}
    for name in owner:
        root = owner[name]
        while owner[root] != root:
            root = owner[root]
        if root != name:
            aliases.setdefault(root, []).append(name)
    return tuple(
        replace(joined[name], aliases=tuple(sorted(aliases.get(name, ()))))
        for name in sorted(joined)
        if owner[name] == name
    )


def argument_ids(tool: Tool) -> dict[str, str]:
    """Names of arguments by what they stand for: ``query:page``, ``body:/name``, ``body:=`` for a whole body."""
    return {_argument_id(argument, tool.binding.body): argument.name for argument in tool.arguments}


def _argument_id(argument: Argument, body: BoundBody | None) -> str:
    if argument.place == "body" and body is not None:
        if argument.name == body.rest:
            return "body:*"
        if argument.name == body.whole:
            return "body:="
        for other in body.others:
            if argument.name == other.whole:
                return f"body:={other.media_type}"
    return f"{argument.place}:{argument.original}"


def _matched(operations: Sequence[Operation], pins: Sequence[Pin]) -> dict[str, Pin]:
    """The pin of each operation that was published before, by the operation's key."""
    found: dict[str, Pin] = {}
    held: set[str] = set()
    for of_operation, of_pin in _RULES:
        known = _once(pins, of_pin)
        for what, operation in _once(operations, of_operation).items():
            pin = known.get(what)
            if pin is None or pin.name in held or operation.key in found or _begins_to_write(pin, operation):
                continue
            found[operation.key] = pin
            held.add(pin.name)
    return found


_RULES: tuple[tuple[Callable[[Operation], object], Callable[[Pin], object]], ...] = (
    (lambda operation: (operation.key, operation.name or ""), lambda pin: (pin.operation, pin.called)),
    (lambda operation: operation.name or None, lambda pin: pin.called or None),
    (lambda operation: operation.key, lambda pin: pin.operation),
    (lambda operation: _PLACEHOLDER.sub("{}", operation.key), lambda pin: _PLACEHOLDER.sub("{}", pin.operation)),
)


def _once(things: Iterable[_Thing], of: Callable[[_Thing], object]) -> dict[object, _Thing]:
    """Things by what they are known by, without those that share it; None is nothing to be known by."""
    listed = [(of(thing), thing) for thing in things]
    times = Counter(what for what, _ in listed)
    return {what: thing for what, thing in listed if what is not None and times[what] == 1}


def _begins_to_write(pin: Pin, operation: Operation) -> bool:
    """Whether a name that could only read would come to stand for something that can do more."""
    return pin.operation.partition(" ")[0] in SAFE and operation.shape.method not in SAFE


def _moved(pin: Pin, operation: Operation) -> Pin:
    """The pin with the operation's own key and id, and with path parameters under the names they have now."""
    before, after = _PLACEHOLDER.findall(pin.operation), _PLACEHOLDER.findall(operation.key)
    arguments = dict(pin.arguments)
    if before != after and _PLACEHOLDER.sub("{}", pin.operation) == _PLACEHOLDER.sub("{}", operation.key):
        moves = {f"path:{old}": f"path:{new}" for old, new in zip(before, after, strict=True)}
        arguments = {moves.get(what, what): name for what, name in arguments.items()}
    return replace(pin, operation=operation.key, called=operation.name or "", arguments=arguments)


def _kept_finding(pin: Pin, operation: Operation) -> Finding:
    was = f"{pin.operation} ({pin.called})" if pin.called else pin.operation
    now = f"{operation.key} ({operation.name})" if operation.name else operation.key
    message = f"{now} was {was} when it was published; it keeps the name {pin.name}"
    return Finding(level="note", code="catalog.name_kept", message=message, pointer=operation.pointer)


def _gone_finding(pin: Pin) -> Finding:
    message = f"the tool {pin.name} is gone with {pin.operation}; its name is not given to another"
    return Finding(level="warning", code="catalog.tool_gone", message=message)
