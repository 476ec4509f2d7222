from apiloom.emit.definitions import definition_warnings, emit_anthropic, emit_openai

TOOL = {
    "name": "add_book",
    "title": "Add a book",
    "description": "Adds a book.",
    "inputSchema": {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]},
    "annotations": {"readOnlyHint": False},
}


def test_anthropic_takes_name_description_and_schema():
    assert emit_anthropic([TOOL]) == [
        {"name": "add_book", "description": "Adds a book.", "input_schema": TOOL["inputSchema"]}
    ]


def test_openai_chat_nests_the_definition():
    assert emit_openai([TOOL]) == [
        {
            "type": "function",
            "function": {"name": "add_book", "description": "Adds a book.", "parameters": TOOL["inputSchema"]},
        }
    ]


def test_openai_responses_is_flat_and_not_strict():
    assert emit_openai([TOOL], form="responses") == [
        {
            "type": "function",
            "name": "add_book",
            "description": "Adds a book.",
            "parameters": TOOL["inputSchema"],
            "strict": False,
        }
    ]


def test_openai_descriptions_end_at_a_word_within_its_limit():
    long = {**TOOL, "description": "word " * 400}
    (definition,) = emit_openai([long])
    text = definition["function"]["description"]
    assert len(text) <= 1024
    assert text.endswith("word…")
    unbroken = emit_openai([{**TOOL, "description": "x" * 2000}])[0]["function"]["description"]
    assert unbroken == "x" * 1023 + "…"
    assert emit_openai([{**TOOL, "description": "x" * 1024}])[0]["function"]["description"] == "x" * 1024
    assert emit_anthropic([long])[0]["description"] == "word " * 400


def test_a_tool_without_a_schema_takes_no_arguments():
    assert emit_anthropic([{"name": "ping"}]) == [
        {"name": "ping", "description": "", "input_schema": {"type": "object", "properties": {}}}
    ]


def test_the_order_given_is_kept():
    names = ["b", "a", "c"]
    assert [one["name"] for one in emit_anthropic([{**TOOL, "name": name} for name in names])] == names


def test_what_openai_would_lose_is_told_and_anthropic_loses_nothing():
    many = [{**TOOL, "name": f"t{number}", "description": "x" * 1025} for number in range(129)]
    assert definition_warnings(many, "openai") == [
        "129 tools, and OpenAI takes 128 in one request: send only those a task needs",
        "descriptions shortened to 1024 characters: t0, t1, t2 and 126 more",
    ]
    assert definition_warnings(many, "anthropic") == []
    assert definition_warnings([TOOL], "openai") == []
