"""Routes that are compiled when first called, so that starting a server costs nothing for tools nobody uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from apiloom.calls.endpoint import Route


class Routes(Mapping[str, Route]):
    """The routes of an endpoint by tool name.

    ``compile_route`` is called once for each name at most; the mapping never changes in what it answers. Runs on the
    event loop only, so that two callers can never compile the same route twice.
    """

    __slots__ = ("_compile", "_names", "_ready")

    def __init__(self, names: Mapping[str, object], compile_route: Callable[[str], Route]) -> None:
        self._names = names
        self._compile = compile_route
        self._ready: dict[str, Route] = {}

    def __getitem__(self, name: str) -> Route:
        ready = self._ready.get(name)
        if ready is None:
            if name not in self._names:
                raise KeyError(name)
            ready = self._ready[name] = self._compile(name)
        return ready

    def get(self, name: str, default: Route | None = None) -> Route | None:  # type: ignore[override]
        """As ``Mapping.get``, without an exception on the way of every call."""
        ready = self._ready.get(name)
        if ready is None and name in self._names:
            ready = self._ready[name] = self._compile(name)
        return ready if ready is not None else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
