"""Text to a tree: YAML 1.2 meaning, odd encodings, and bounds."""

from __future__ import annotations

import pytest

from apiloom.base.errors import DesignError
from apiloom.readers.parse import parse


def tree(text: str) -> object:
    return parse(text.encode(), "doc.yaml")[0]


def codes(text: str | bytes) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    return [finding.code for finding in parse(content, "doc.yaml")[1]]


def refusal(content: str | bytes) -> DesignError:
    with pytest.raises(DesignError) as caught:
        parse(content.encode() if isinstance(content, str) else content, "doc.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a: on\nb: no\nc: Yes", {"a": "on", "b": "no", "c": "Yes"}),
        ("a: 2020-01-01", {"a": "2020-01-01"}),
        ("a: 2024-13-45", {"a": "2024-13-45"}),
        ("a: 1:20\nb: 190:20:30", {"a": "1:20", "b": "190:20:30"}),
        ("a: 1_000\nb: [1_0, 2]\nc: {d: 1_0.5}", {"a": "1_000", "b": ["1_0", 2], "c": {"d": "1_0.5"}}),
        ("a: 0b11\nb: 0X1F", {"a": "0b11", "b": "0X1F"}),
        ("a: 0o17\nb: 0x1F\nc: 0777", {"a": 15, "b": 31, "c": 777}),
        ("a: 12345678901234567890123", {"a": 12345678901234567890123}),
        ("a: true\nb: ~\nc: null\nd: 1.5", {"a": True, "b": None, "c": None, "d": 1.5}),
        ("a: =\nb: <<", {"a": "=", "b": "<<"}),
        ("a: !!set {x, y}", {"a": ["x", "y"]}),
    ],
)
def test_yaml_values_mean_what_yaml_1_2_says(text: str, meaning: object) -> None:
    assert tree(text) == meaning


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0777", 777),
        ("01234", 1234),
        ("1.10", 1.1),
        ("0.50", 0.5),
        ("10.00", 10.0),
        ("0x1F", 31),
        ("0o17", 15),
        ("-1.50", -1.5),
    ],
)
def test_a_number_that_may_be_meant_as_text_remembers_how_it_was_spelled(text: str, number: float) -> None:
    for value in (
        tree(f"default: {text}")["default"],
        tree(f"a: {{const: {text}}}")["a"]["const"],
        tree(f"enum:\n- x\n- {text}\n")["enum"][1],
        tree(f"enum: [a, {text}, b]")["enum"][1],
        tree(f"info:\n  version: {text}  # why\n")["info"]["version"],
    ):
        assert value == number
        assert str(value) == text
    for value in (tree(f"a: {text}")["a"], tree(f"[{text}]")[0], tree(f"default: {{a: {text}}}")["default"]["a"]):
        assert value == number
        assert type(value) in (int, float)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a: 2001-01-01\ndefault: 01:30\nc: x 01 y", {"a": "2001-01-01", "default": "01:30", "c": "x 01 y"}),
        ("default: '1.10'\nversion: |\n  1.10\n", {"default": "1.10", "version": "1.10\n"}),
        ("default: 1.1\nconst: 10\nenum: [2.0]", {"default": 1.1, "const": 10, "enum": [2.0]}),
    ],
)
def test_other_values_are_what_they_are(text: str, meaning: object) -> None:
    found = tree(text)
    assert found == meaning
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in meaning.items()}


@pytest.mark.parametrize(
    "key",
    [
        "200",
        "010",
        "0x1F",
        "1.0",
        "1.10",
        "1e3",
        "1_000",
        "+12",
        "true",
        "False",
        "null",
        "~",
        ".inf",
        "on",
        "2020-01-01",
    ],
)
@pytest.mark.parametrize("form", ["{}: x", "a:\n  {}: x", "- {}: x", "{{a: 1, {}: x}}", "? {}\n: x"])
def test_a_key_is_the_text_that_stands_in_the_source(key: str, form: str) -> None:
    found = tree(form.format(key))
    if isinstance(found, list):
        found = found[0]
    assert isinstance(found, dict)
    inner = found.get("a", found)
    assert key in (inner if isinstance(inner, dict) else found)


def test_keys_that_are_equal_as_numbers_stay_apart() -> None:
    assert tree("1.0: a\n1: b\ntrue: c") == {"1.0": "a", "1": "b", "true": "c"}


def test_text_that_only_looks_like_keys_is_left_alone() -> None:
    assert tree('a: |\n  200: ok\n  1_000\nb: "x, 1_0, 200: y"') == {"a": "200: ok\n1_000\n", "b": "x, 1_0, 200: y"}


def test_merge_keys_merge_and_own_members_win() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\none: {<<: *b, x: 9}\ntwo:\n  <<: [*b, *m]\n"
    found = tree(text)
    assert isinstance(found, dict)
    assert found["one"] == {"x": 9, "y": 2}
    assert found["two"] == {"x": 1, "y": 2, "z": 4}


@pytest.mark.parametrize("text", ["a:\tb", '{\n\t"a":\t1, b: 2}', "a:\n\tb: 1\n\tc:\n\t\td: 2"])
def test_tabs_are_read_as_spaces_with_a_finding(text: str) -> None:
    assert codes(text) == ["document.tabs"]


def test_json_with_tabs_is_just_json() -> None:
    assert parse(b'{\t"a":\t[1,\t2]\n}', "doc.json") == ({"a": [1, 2]}, [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("text", ['{"a": "é"}', "a: é"])
def test_byte_order_marks_say_the_encoding(encoding: str, text: str) -> None:
    content = text.encode(encoding)
    if encoding.endswith("-be"):
        content = "\ufeff".encode(encoding) + content
    assert parse(content, "doc") == ({"a": "é"}, [])


def test_text_that_is_not_utf_8_is_read_with_a_finding() -> None:
    assert parse("a: café".encode("latin-1"), "doc")[0] == {"a": "café"}
    assert codes("a: café".encode("latin-1")) == ["document.encoding"]


@pytest.mark.parametrize("text", ['{"a": "\\ud83d!", "b": "\\\\ud83d"}', 'a: "\\ud83d!"\nb: "\\\\ud83d"'])
def test_half_a_surrogate_pair_is_mended_with_a_finding(text: str) -> None:
    found, findings = parse(text.encode(), "doc")
    assert found == {"a": "\ufffd!", "b": "\\ud83d"}
    assert [finding.code for finding in findings] == ["document.surrogate"]


def test_whole_surrogate_pairs_stay() -> None:
    assert parse(b'{"a": "\\ud83d\\ude00"}', "doc") == ({"a": "😀"}, [])


def test_infinity_and_nan_become_null_with_a_finding() -> None:
    found, findings = parse(b"a: .inf\nb: [.nan]\nc: 1e999", "doc")
    assert found == {"a": None, "b": [None], "c": None}
    assert {finding.pointer for finding in findings} == {"/a", "/b/0", "/c"}


def test_a_doubled_key_is_a_finding() -> None:
    assert codes("a: 1\na: 2") == ["document.duplicate_key"]
    assert codes("200: 1\n'200': 2") == ["document.duplicate_key"]


def test_a_doubled_path_keeps_the_operations_of_both() -> None:
    found, findings = parse(
        b"paths:\n  /p:\n    get: {a: 1}\n  /q: {}\n  '/p':\n    post: {b: 1}\n  /p:\n    put: {}\n", "d"
    )
    assert found == {"paths": {"/p": {"get": {"a": 1}, "post": {"b": 1}, "put": {}}, "/q": {}}}
    assert any("/p" in finding.message for finding in findings)


def test_a_doubled_path_in_json_keeps_the_operations_of_both() -> None:
    text = '{"a": ["paths", {"/p": {}}], "paths": {"/p": {"get": {"x": "}"}}, "/q": [], "/p": {"post": {}, "get": {}}}}'
    found, findings = parse(text.encode(), "doc")
    assert found["paths"] == {"/p": {"get": {}, "post": {}}, "/q": []}
    assert [(finding.code, finding.pointer) for finding in findings] == [("document.duplicate_key", "/paths/~1p")]


def test_a_path_that_is_also_named_elsewhere_is_not_doubled() -> None:
    assert codes('{"paths": {"/p": {"get": {"/p": {}}}}, "x": {"/p": {}, "/q": {"/q": {}}}}') == []


def test_an_escape_that_is_only_text_stays_as_it_is() -> None:
    assert parse(b"a: \\ud83d", "doc") == ({"a": "\\ud83d"}, [])


def test_an_alias_inside_what_it_names_is_a_finding() -> None:
    assert codes("a: &a\n  b: *a") == ["document.recursive_alias"]
    assert codes("a: &a [1, {b: *a}]") == ["document.recursive_alias"]
    assert codes("a:\n  - k: &a\n      x: 1\n    y: *a\nb:\n- &c {d: 1}\n- *c") == []


def test_several_documents_are_a_list() -> None:
    assert tree("--- a\n--- b") == ["a", "b"]


@pytest.mark.parametrize(
    "content",
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  x: *a{n - 1}\n  y: *a{n - 1}\n" for n in range(1, 40)),
        "a: &a " + "x" * 1_000_000 + "\nb: [" + ",".join(["*a"] * 5_000) + "]",
        'a: &a "' + "x" * 1_000_000 + '"\nb:\n' + "- *a\n" * 5_000,
        "a: &a |\n" + "  xxxxxxxxxxxxxxxx\n" * 60_000 + "b:\n" + "  - *a\n" * 5_000,
    ],
    ids=["lists", "maps", "one long text", "one quoted text", "one block text"],
)
def test_aliases_that_grow_without_end_are_refused_before_they_do(content: str) -> None:
    assert refusal(content).code == "document.bomb"


def test_ordinary_aliases_are_no_bomb() -> None:
    text = "base: &base\n  description: " + "word " * 200 + "\nlist:\n" + "  - *base\n" * 300
    found = tree(text)
    assert isinstance(found, dict)
    assert len(found["list"]) == 300


@pytest.mark.parametrize("text", ["[" * 400 + "]" * 400, "[" * 100_000, "a: " + "[" * 400 + "]" * 400])
def test_nesting_beyond_bounds_is_refused(text: str) -> None:
    assert refusal(text).code in ("document.too_deep", "document.not_yaml")


def test_block_nesting_is_read_up_to_the_bound_and_refused_beyond() -> None:
    def nested(levels: int) -> str:
        return "\n".join(" " * level + "a:" for level in range(levels))

    assert tree(nested(250)) is not None
    assert refusal(nested(400)).code == "document.too_deep"


@pytest.mark.parametrize(
    "text",
    [
        "- " * 200_000 + "a",
        "? " * 200_000 + "a",
        "a:\n" + "- ? " * 100_000 + "a",
        "-\t" * 200_000 + "a",
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n}\n {'- ' * 400}*a{n - 1}\n" for n in range(1, 60)),
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n}\n {'- ' * 140}*a{n - 1}\n" for n in range(1, 60)),
    ],
    ids=["dashes", "questions", "both", "tabs", "wide aliases", "many aliases"],
)
def test_nesting_that_would_end_the_process_is_refused(text: str) -> None:
    assert refusal(text).code in ("document.too_deep", "document.bomb")


@pytest.mark.parametrize("text", ["{}", "a: {}", "[{}]", "a: -{}", '{{"a": {}}}'])
def test_a_number_of_a_million_digits_is_text(text: str) -> None:
    found = str(tree(text.format("1" * 1_000_000)))
    assert "1" * 1_000_000 in found


@pytest.mark.parametrize("before", [0, 1, 193, 194, 195, 196, 394, 395])
def test_a_number_of_four_hundred_digits_is_text_wherever_it_stands(before: int) -> None:
    text = f"#{'x' * before}\na: {'1' * 400}\nb: {'x' * 500}"
    assert tree(text) == {"a": "1" * 400, "b": "x" * 500}


def test_a_long_rule_of_dashes_is_only_text() -> None:
    assert tree("a: |\n  " + "-" * 3_000 + "\n") == {"a": "-" * 3_000 + "\n"}


def test_brackets_inside_strings_do_not_count_as_nesting() -> None:
    assert tree('{"a": "' + "[{" * 2_000 + '"}') == {"a": "[{" * 2_000}


@pytest.mark.parametrize("text", ["a: [", "a: b: c", '{"a" 1}', "- a\nb: c", "a: 'x"])
def test_what_is_neither_json_nor_yaml_is_told_with_its_place(text: str) -> None:
    error = refusal(text)
    assert error.code == "document.not_yaml"
    assert "doc.yaml" in error.sentence()
    assert "line" in error.sentence() or "byte" in error.sentence()
    assert "\n" not in error.sentence()


@pytest.mark.parametrize("content", [b"\x00\x01\x02", b"\x89PNG\r\n\x1a\n\x00", b"\xff\xfe\x00", b"\x1f\x8b\x08\x00"])
def test_bytes_that_are_no_text_are_refused(content: bytes) -> None:
    assert refusal(content).code == "document.not_text"


@pytest.mark.parametrize("text", ["? {a: {b: [1]}}\n: c", "!!set {? [{a: 1}], b}", "? [{a: b}]\n: c"])
def test_keys_that_are_no_scalars_never_raise_anything_else(text: str) -> None:
    try:
        assert isinstance(tree(text), dict | list)
    except DesignError as error:
        assert error.code == "document.not_yaml"  # noqa: PT017 - either is right, nothing else is


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "http://x", // the first\n "b": [1, /* two */ 2], }',
        '// head\n{"a": "http://x", "b": [1, 2,]} // end',
        '/* "a": 0, */ {"a": "http://x", "b": [1, 2] /**/}',
    ],
)
def test_comments_in_json_are_passed_over_and_told(text: str) -> None:
    found, findings = parse(text.encode(), "x")
    assert found == {"a": "http://x", "b": [1, 2]}
    assert [finding.code for finding in findings] == ["document.comments"]


def test_what_looks_like_a_comment_inside_a_text_is_text() -> None:
    assert tree('{"a": "// x", "b": "/* y */,]", }') == {"a": "// x", "b": "/* y */,]"}
