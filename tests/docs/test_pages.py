"""The pages keep up with the house: links lead somewhere, and what a user can meet is explained."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from apiloom.calls.order import ORDER
from apiloom.console.cli.platform.late import LateCommand, LateGroup
from apiloom.console.cli.run import root
from apiloom.console.cli.seat import Seat
from apiloom.console.house import House
from support.source import NOT_OURS, PACKAGE, ROOT, modules, rooms

PAGES = sorted(path for path in ROOT.rglob("*.md") if not NOT_OURS & set(path.relative_to(ROOT).parts))
MANUALS = ("docs/cli.md", "docs/platform-cli.md", "docs/declarative.md")
"""The pages that explain commands, each in a section of its own."""

EVERYWHERE = frozenset({"--json", "--debug", "--gateway", "--token-file", "--data", "--public-url"})
"""Options of many commands, which are explained once."""

CODE = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")


@cache
def text(place: str) -> str:
    return (ROOT / place).read_text(encoding="utf-8")


def headings(page: Path) -> set[str]:
    """The anchors of a page, made from its headings the way the usual renderers make them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if place.startswith(("https://", "http://", "mailto:")):
            continue
        if not target.exists() or (anchor and anchor not in headings(target)):
            lost.append(link)
    assert not lost


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text() + (ROOT / "docs/decisions/README.md").read_text()
    named = {Path(link).name for link in re.findall(r"\]\(([^)\s]+)\)", index)}
    pages = {page.name for page in PAGES if page.is_relative_to(ROOT / "docs") and page.name != "README.md"}
    assert not pages - named


def noted(call: ast.Call) -> list[str]:
    """The codes among the arguments of a call that also names a finding's level."""
    texts = [value.value for value in call.args if isinstance(value, ast.Constant) and isinstance(value.value, str)]
    return [value for value in texts if CODE.fullmatch(value)] if {"error", "warning", "note"} & set(texts) else []


def codes() -> set[str]:
    """Every dotted code of an error or a finding: texts of that form whose family is used as a ``code`` somewhere."""
    texts, families = set(), set()
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.keyword) and node.arg == "code":
                values = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
                families |= {
                    value.split(".")[0] for value in values if isinstance(value, str) and CODE.fullmatch(value)
                }
            elif isinstance(node, ast.Call):
                families |= {value.split(".")[0] for value in noted(node)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                texts.add(node.value)
    names_of_files = {
        found for found in texts if found.rsplit(".", 1)[1] in {"toml", "json", "yaml", "yml", "md", "txt"}
    }
    policies = {policy for policy, _ in ORDER}
    return {found for found in texts - names_of_files - policies if found.split(".")[0] in families}


def test_every_error_and_finding_is_explained() -> None:
    assert len(codes()) > 20
    explained = set(re.findall(r"^\| `([a-z_.]+)` \|", text("docs/errors.md"), re.MULTILINE))
    assert not codes() - explained, "docs/errors.md does not explain them"
    assert not explained - codes(), "docs/errors.md explains what no longer happens"


def test_every_policy_has_its_paragraph() -> None:
    assert not [policy for policy, _ in ORDER if f"`{policy}`" not in text("docs/concepts/call.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_rooms_and_files_named_on_a_page_are_there(page: Path) -> None:
    named = re.findall(r"`((?:{})(?:/\w+)+(?:\.py)?)`".format("|".join(rooms())), page.read_text(encoding="utf-8"))
    assert not [name for name in named if not any((PACKAGE / name).with_suffix(end).exists() for end in ("", ".py"))]


def commands() -> Iterator[tuple[str, click.Command]]:
    yield from ((name, command) for name, command in root.commands.items() if not command.hidden)


def within(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command, or those of a group, by what is typed."""
    if isinstance(command, LateGroup):
        command.list_commands(click.Context(command))
    if isinstance(command, click.Group):
        for inner, each in command.commands.items():
            yield from within(f"{name} {inner}", each)
    else:
        if isinstance(command, LateCommand):
            command.load()
        yield name, command


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_and_option_is_explained(name: str, command: click.Command) -> None:
    page = next(page for page in map(text, MANUALS) if f"## apiloom {name}\n" in page)
    section = page.partition(f"## apiloom {name}\n")[2].partition("\n## ")[0]
    for typed, each in within(name, command):
        options = {option for parameter in each.params for option in parameter.opts if option.startswith("-")}
        assert not [option for option in options - EVERYWHERE if f"`{option}" not in page], typed
        assert typed == name or typed.split()[1] in section, typed


def test_options_of_many_commands_are_explained_once() -> None:
    manuals = "".join(map(text, MANUALS))
    assert not [option for option in EVERYWHERE if f"`{option}" not in manuals]


def test_every_environment_variable_is_explained() -> None:
    used = set()
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used |= set(re.findall(r"(?<![\w_])APILOOM_[A-Z]+(?:_[A-Z]+)*", node.value))
    assert used
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert not [name for name in used if name not in pages]


def console_lines() -> Iterator[tuple[str, str]]:
    """Every line that a page tells its reader to type."""
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.splitlines():
                if line.startswith("$ "):
                    yield page.relative_to(ROOT).as_posix(), line.removeprefix("$ ")


def words_of(line: str) -> list[str]:
    """The words of a line without the variables set before it, and without what stands behind a pipe."""
    words = shlex.split(line.split(" > ", maxsplit=1)[0].split(" | ", maxsplit=1)[0])
    while "=" in words[0]:
        words.pop(0)
    return words


@pytest.mark.parametrize(("page", "line"), list(console_lines()))
def test_every_line_to_type_can_be_typed(page: str, line: str) -> None:
    words = words_of(line)
    if words[:2] in (["pip", "install"], ["uvx", "apiloom"]):
        assert f'name = "{words[2] if words[0] == "pip" else words[1]}"' in text("pyproject.toml")
        words = words[1:] if words[0] == "uvx" else []
    if words and words[0] == "make":
        assert f"\n{words[1]}:" in text("Makefile")
    elif words:
        assert words[0] == "apiloom"
        parse(words[1:])


def parse(words: list[str]) -> None:
    """Check a command line of ours word by word, options and their values included, without running it."""
    if words == ["--version"]:
        return
    command, at = root.commands[words[0]], 1
    while isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), words[at])
        assert inner is not None, words
        command, at = inner, at + 1
    assert not command.hidden
    house = House(read=absent, call=absent, preview=absent, serve=absent)
    with click.Context(root, info_name="apiloom", obj=Seat(house)) as above:
        command.make_context(words[at - 1], words[at:], parent=above)


def absent(*_: object) -> None:
    raise AssertionError


def test_the_readme_names_only_what_the_package_has() -> None:
    readme = text("README.md")
    assert {name for name, _ in commands()} >= set(
        re.findall(r"apiloom ([a-z]+) ", " ".join(re.findall(r"`.*?`", readme)))
    )
