"""Routes that are compiled when first called, so that starting a server costs nothing for tools nobody uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from apiloom.calls.endpoint import Route


class Routes(dict[str, Route]):
    """The routes of an endpoint by tool name.

    ``compile_route`` is called once for each name at most; the mapping never changes in what it answers. Runs on the
    event loop only, so that two callers can never compile the same route twice. A dictionary, so that a route that is
    there is found by ``routes[name]`` without a step of ours.
    """

    __slots__ = ("_compile", "_names")

    def __init__(self, names: Mapping[str, object], compile_route: Callable[[str], Route]) -> None:
        super().__init__()
        self._names = names
        self._compile = compile_route

    def __missing__(self, name: str) -> Route:
        if name not in self._names:
            raise KeyError(name)
        ready = self[name] = self._compile(name)
        return ready

    def get(self, name: str, default: Route | None = None) -> Route | None:  # type: ignore[override]
        """As ``Mapping.get``."""
        return self[name] if name in self._names else default

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
