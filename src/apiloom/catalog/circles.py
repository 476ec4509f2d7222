"""Which definitions contain themselves, through any number of others. Walked once, when first asked about."""

from __future__ import annotations

from apiloom.catalog.shapes import Pool
from apiloom.model.schema import references


class Circles:
    """The definitions of a pool that stand on a circle of references (Tarjan's components, without recursion)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._order: dict[str, int] = {}
        self._lowest: dict[str, int] = {}
        self._open: list[str] = []
        self._is_open: set[str] = set()
        self._circular: set[str] = set()

    def holds(self, name: str) -> bool:
        """Whether a definition contains itself."""
        if name not in self._order:
            self._walk(name)
        return name in self._circular

    def _walk(self, start: str) -> None:
        path = [(start, iter(self._enter(start)))]
        while path:
            name, waiting = path[-1]
            following = next(waiting, None)
            if following is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    self._lowest[above] = min(self._lowest[above], self._lowest[name])
                if self._lowest[name] == self._order[name]:
                    self._close(name)
            elif following not in self._order:
                path.append((following, iter(self._enter(following))))
            elif following in self._is_open:
                self._lowest[name] = min(self._lowest[name], self._order[following])

    def _enter(self, name: str) -> list[str]:
        self._order[name] = self._lowest[name] = len(self._order)
        self._open.append(name)
        self._is_open.add(name)
        named = [other for other in references(self._pool[name]) if other in self._pool]
        if name in named:
            self._circular.add(name)
        return named

    def _close(self, name: str) -> None:
        members: list[str] = []
        while not members or members[-1] != name:
            members.append(self._open.pop())
            self._is_open.discard(members[-1])
        if len(members) > 1:
            self._circular.update(members)
