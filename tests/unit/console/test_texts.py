"""The two text editors, over texts nobody wrote by hand: what is not ours reads as before, and stays as it stood."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiloom.base import json
from apiloom.console.install.jsontext import read_jsonc, set_member
from apiloom.console.install.tomltext import set_table
from apiloom.emit.config import emit_toml_table, render_json, toml_key

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(texts, values, max_size=4)
fillers = st.sampled_from(["", " ", "\n", "\r\n\t", '/* " } */', "// , {\n", " /**/ "])


def typed(value: object, draw: st.DataObject, commas: bool) -> str:
    """A value as text, with white space, comments and trailing commas thrown in."""
    fill = lambda: draw.draw(fillers)  # noqa: E731
    if isinstance(value, dict):
        parts = [
            f"{fill()}{json.dumps(key).decode()}{fill()}:{typed(item, draw, commas)}" for key, item in value.items()
        ]
        inside = f"{fill()},".join(parts)
        tail = "," if commas and parts else ""
        return f"{fill()}{{{inside}{fill()}{tail}{fill()}}}{fill()}"
    if isinstance(value, list):
        return f"{fill()}[{f'{fill()},'.join(typed(item, draw, commas) for item in value)}]{fill()}"
    return f"{fill()}{json.dumps(value).decode()}{fill()}"


@settings(deadline=None)
@given(objects, objects, st.booleans(), texts, values, st.data())
def test_any_json_with_comments_reads_the_same_after_one_member_is_set(outer, servers, held, name, value, data):
    document = {**outer, "servers": servers} if held else {key: item for key, item in outer.items() if key != "servers"}
    text = typed(document, data, data.draw(st.booleans()))
    assert read_jsonc(text) == document
    edited = set_member(text, "servers", name, value)
    expected = {**document, "servers": {**document.get("servers", {}), name: value}}
    assert read_jsonc(edited) == expected
    assert edited.count("//") >= text.count("//") or name in document.get("servers", {})


@settings(deadline=None)
@given(values)
def test_json_for_people_reads_as_what_was_said(value):
    assert json.loads(render_json(value)) == value


@pytest.mark.parametrize(
    "text", ['{"a": 01}', '{"a" 1}', "{'a': 1}", '{"a": 1,,}', "{,}", "[1 2]", '{"a": tru}', "", '"\n"']
)
def test_what_is_not_json_is_refused_by_place_and_not_by_content(text):
    with pytest.raises(ValueError, match=r"^line \d+, column \d+ is not JSON$"):
        read_jsonc(text)


toml_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
entries = st.fixed_dictionaries({"command": toml_texts, "args": st.lists(toml_texts, max_size=3)})
extras = st.lists(
    st.sampled_from(
        [
            'note = """a\n[mcp_servers.x]\n\\""" # no\n"""\n',
            "note = '''\n'quote''''\n",
            "wide = [\n  1, # one ]\n  [2],\n]\n",
            'inline = { "a]" = "#", b = [1] }\n',
            "# [mcp_servers.ours]\n",
            "\n",
            "[tui]\n",
            "[[many]]\n",
            '[a."b.c"] # header\n',
        ]
    ),
    max_size=5,
)


@settings(deadline=None)
@given(extras, extras, names, names, entries, entries)
def test_any_toml_reads_the_same_after_one_table_is_set(before, after, other, name, old, new):
    parts = [*before, "\n", *([emit_toml_table(other, old)] if other != name else []), *after]
    text = "".join(parts)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # the same table twice; nobody can have such a file
    added = set_table(text, name, new, whole=False, owned=("command", "args"))
    assert added.startswith(text)
    servers = document.get("mcp_servers", {})
    assert tomllib.loads(added) == {**document, "mcp_servers": {**servers, name: new}}
    again = set_table(added, name, old, whole=False, owned=("command", "args"))
    assert tomllib.loads(again) == {**document, "mcp_servers": {**servers, name: old}}
    assert again.startswith(text)


@settings(deadline=None)
@given(toml_texts)
def test_any_text_is_a_toml_key(text):
    assert tomllib.loads(f"{toml_key(text)} = 1") == {text: 1}
