"""Vocabulary walls: a word that belongs to few rooms stands in no other, and some stand nowhere.

Each wall is one line of the table: what is looked for, where it may stand, why. Walls look at code: comments and
docstrings may name anything. The walls around the whole project, machine paths and index hosts, look at every text.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

import pytest

from support.source import PACKAGE, code, functions, modules, repository_texts


@dataclass(frozen=True)
class Wall:
    name: str
    pattern: str
    rooms: tuple[str, ...]
    """Where it may stand: rooms, folders or files, as paths below the package."""
    why: str


def imports(library: str) -> str:
    return rf"^\s*(?:import|from)\s+{library}\b|[\"']{library}[.:]\w"


WALLS = (
    Wall("isError", r"\bisError\b", ("protocol", "wire", "backends/mcp"), "failure is spelled so by MCP alone"),
    Wall("environment", r"\bos\.environ\b|\bgetenv\b|\bimport environ\b", ("app",), "settings enter by the door"),
    Wall("HTTP client", imports("pyreqwest"), ("net",), "one way out to the network"),
    Wall("other HTTP clients", imports(r"(?:urllib\.request|http\.client|httpx2?|requests|aiohttp)"), (), "as above"),
    Wall("HTTP parser", imports("httptools"), ("net",), "the server brings its own by name"),
    Wall("sockets", r"\bsocket\.(?:socket|create_connection|getaddrinfo)\b", ("net", "app"), "as above"),
    Wall("ASGI server", imports("uvicorn"), ("app",), "whoever mounts us brings their own"),
    Wall("msgspec", imports("msgspec"), ("base", "protocol"), "one spelling of JSON; frames are its other use"),
    Wall("json module", imports("json"), (), "base.json keeps integers and doubles exact; two encoders differ"),
    Wall("YAML", imports("(?:yaml_rs|yaml|ruamel)"), ("readers",), "documents are read by readers"),
    Wall("command line", imports("click"), ("console/cli",), "people sit in the console"),
    Wall("tables", imports("rich"), ("console/cli",), "people sit in the console"),
    Wall("validator", imports("jsonschema_rs"), ("compile", "calls/policies", "model"), "one compiled validator"),
    Wall("late import", r"\bimportlib\b|\b__import__\b", ("base/plugins.py",), "nothing else loads by name"),
    Wall("printing", r"(?<![\w.])print\(", ("console",), "one place talks to people; a library is silent"),
    Wall(
        "exit", r"\bsys\.exit\(|\bos\._exit\(|raise SystemExit", ("console", "app", "__main__.py"), "only the door ends"
    ),
    Wall(
        "catch-all",
        r"except (?:Base)?Exception\b|except:",
        ("wire", "console", "net/inprocess.py", "app/gateway/node.py", "flows/durable"),
        "outer walls, a guest, and what runs beside requests",
    ),
    Wall("shell", r"shell\s*=\s*True|\bos\.system\(|\bos\.popen\(", (), "arguments are lists"),
    Wall("pickle", imports("(?:pickle|marshal|shelve|dill)"), (), "reading one runs code"),
    Wall("loose YAML", r"\byaml\.load\(", (), "reading it runs code"),
    Wall("evaluation", r"(?<![\w.])(?:eval|exec)\(", (), "text is never run in the house"),
    Wall("silenced types", r"# type: ignore(?!\[)|# noqa(?!: )", (), "an exception is named"),
    Wall("era words", r"(?i)\blegacy\b|[\"']20(?:24|25|26)-\d\d-\d\d|mcp-session-id", ("protocol", "wire"), "one room"),
    Wall("wire words", r"\bjsonrpc\b|tools/call|notifications/", ("protocol", "wire", "backends/mcp"), "MCP frames"),
    Wall("own bearer", r"\balways_trust\b|verify\s*=\s*False|danger_accept_invalid", ("net",), "TLS is decided once"),
)


def inside(place: str, allowed: tuple[str, ...]) -> bool:
    return any(place == room or place.startswith(f"{room}/") for room in allowed)


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.name)
def test_a_word_stands_only_in_its_rooms(wall: Wall) -> None:
    pattern = re.compile(wall.pattern, re.MULTILINE)
    strays = []
    for module in modules():
        if inside(module.place, wall.rooms):
            continue
        text = module.text if wall.name == "silenced types" else code(module)
        strays += [
            f"{module.place}:{text.count(chr(10), 0, m.start()) + 1} {m[0].strip()}" for m in pattern.finditer(text)
        ]
    assert not strays, f"{wall.why}; may stand in {wall.rooms or 'no room'}:\n" + "\n".join(strays)


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.name)
def test_the_places_a_wall_names_are_well_formed(wall: Wall) -> None:
    assert all(re.fullmatch(r"[a-z_]+(/[a-z_]+)*(\.py)?", place) for place in wall.rooms)
    assert wall.why


NAMED_BY_A_LIBRARY = frozenset({"data_received"})
"""Names that somebody else's protocol gives its methods."""

EMPTY_WORDS = frozenset(
    {"manager", "helper", "helpers", "util", "utils", "service", "processor", "data", "info", "common", "misc"}
)


def words(name: str) -> list[str]:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")


def test_names_say_something() -> None:
    named = [(module.place, module.path.stem) for module in modules()]
    for module in modules():
        classes = [node.name for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
        called = [name.split(".")[-1] for name, _ in functions(module.tree)]
        named += [(module.place, name) for name in (*classes, *called)]
    empty = [
        f"{place}: {name}"
        for place, name in named
        if (EMPTY_WORDS & set(words(name)) and name not in NAMED_BY_A_LIBRARY)
        or re.match(r"Abstract[A-Z]", name)
        or re.search(r"(?:[a-z]Impl|_v\d|_next)$", name)
    ]
    assert not empty, "\n".join(empty)


def test_folders_say_something_too() -> None:
    folders = [path.name for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    assert not [name for name in folders if EMPTY_WORDS & set(words(name))]


# Written in two halves, so that the walls do not find themselves.
INDEX_HOSTS = (
    "pypi" + r"\.org",
    "python" + r"hosted\.org",
    "registry\\." + "npm" + r"js\.org",
    "deb\\.debian" + r"\.org",
)
MACHINE_PATHS = (
    "/work/" + r"(?:main|shared|scratch)\b",
    "/root" + r"/\w",
    "/opt/" + r"(?:wheels|pypi)\b",
)


@pytest.mark.parametrize("pattern", [*INDEX_HOSTS, *MACHINE_PATHS])
def test_no_text_of_the_project_names_an_index_host_or_a_path_of_one_machine(pattern: str) -> None:
    found = [
        f"{place}:{text.count(chr(10), 0, match.start()) + 1}"
        for place, text in repository_texts()
        for match in re.finditer(pattern, text)
    ]
    assert not found, "\n".join(found)


def test_locks_pin_every_package_by_hash() -> None:
    for place, text in repository_texts():
        if place.startswith("locks/") and place.endswith(".txt"):
            pins = re.findall(r"^([\w.\[\]-]+==\S+)(.*(?:\n {4}\S.*)*)", text, re.MULTILINE)
            assert pins
            assert not [pin for pin, rest in pins if "--hash=sha256:" not in rest]


def test_the_node_lock_names_no_place_to_fetch_from() -> None:
    lock = next(text for place, text in repository_texts() if place == "tests/node/package-lock.json")
    assert '"resolved": "http' not in lock
