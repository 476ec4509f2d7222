from types import SimpleNamespace

import pytest
from anthropic.types import ToolUseBlock

from apiloom.base.errors import CallerError
from apiloom.calls.call import Blob, Outcome, Text
from apiloom.emit.execute import ToolCall, read_tool_call, render_tool_result

ARGUMENTS = {"title": "A", "copies": 2}

ANTHROPIC = {"type": "tool_use", "id": "toolu_1", "name": "add_book", "input": ARGUMENTS}
CHAT = {
    "type": "function",
    "id": "call_1",
    "function": {"name": "add_book", "arguments": '{"title":"A","copies":2}'},
}
RESPONSES = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_2",
    "name": "add_book",
    "arguments": '{"title":"A","copies":2}',
}


def as_object(block: dict) -> SimpleNamespace:
    return SimpleNamespace(**{key: as_object(value) if key == "function" else value for key, value in block.items()})


@pytest.mark.parametrize(
    ("block", "call_id", "form"),
    [(ANTHROPIC, "toolu_1", "anthropic"), (CHAT, "call_1", "chat"), (RESPONSES, "call_2", "responses")],
)
def test_each_form_is_read_as_a_dictionary_and_as_an_sdks_object(block, call_id, form):
    expected = ToolCall(name="add_book", arguments=ARGUMENTS, id=call_id, form=form)
    assert read_tool_call(block) == expected
    assert read_tool_call(as_object(block)) == expected


def test_the_anthropic_sdks_own_block_is_read():
    call = read_tool_call(ToolUseBlock(type="tool_use", id="toolu_1", name="add_book", input=ARGUMENTS))
    assert (call.name, call.arguments, call.form) == ("add_book", ARGUMENTS, "anthropic")


def test_a_chat_call_without_its_type_is_still_understood():
    assert read_tool_call({key: value for key, value in CHAT.items() if key != "type"}).form == "chat"


@pytest.mark.parametrize("arguments", ["", "  ", "{}", None])
def test_a_tool_without_arguments_may_have_no_text(arguments):
    assert read_tool_call({**RESPONSES, "arguments": arguments}).arguments == {}


@pytest.mark.parametrize("arguments", ['{"title":', "[1]", '"x"', "null", 5])
def test_arguments_that_are_no_object_are_refused(arguments):
    with pytest.raises(CallerError) as refused:
        read_tool_call({**RESPONSES, "arguments": arguments})
    assert refused.value.code == "tool_call.arguments"


def test_arguments_beyond_all_measure_are_refused():
    with pytest.raises(CallerError, match="over 16777216 characters"):
        read_tool_call({**RESPONSES, "arguments": '"' + "x" * (16 * 1024 * 1024) + '"'})


@pytest.mark.parametrize(
    "block",
    [{}, {"type": "text", "text": "hi"}, None, "add_book", {"type": "custom", "function": {}}, {"type": "tool_use"}],
)
def test_what_is_no_tool_call_is_refused(block):
    with pytest.raises(CallerError) as refused:
        read_tool_call(block)
    assert refused.value.code == "tool_call.form"


def test_the_arguments_are_the_callers_own():
    call = read_tool_call(ANTHROPIC)
    call.arguments["title"] = "B"
    assert ARGUMENTS["title"] == "A"


OUTCOME = Outcome(
    content=(
        Text("one"),
        Blob(b"\x89PNG", "image/png"),
        Blob(b"%PDF", "application/pdf"),
        Blob(b"PK", "application/zip"),
    )
)
TOLD = "[2 bytes of application/zip, which cannot be shown here]"


def test_anthropic_gets_images_and_documents_as_blocks_and_a_word_for_the_rest():
    assert render_tool_result(read_tool_call(ANTHROPIC), OUTCOME) == {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [
            {"type": "text", "text": "one"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}},
            {"type": "text", "text": TOLD},
        ],
    }


def test_anthropic_is_told_of_failure():
    failed = Outcome(content=(Text("no"),), failed=True)
    assert render_tool_result(read_tool_call(ANTHROPIC), failed)["is_error"] is True


def test_chat_gets_text_only():
    assert render_tool_result(read_tool_call(CHAT), OUTCOME) == {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": "one\n[4 bytes of image/png, which cannot be shown here]\n"
        "[4 bytes of application/pdf, which cannot be shown here]\n" + TOLD,
    }


def test_responses_gets_text_as_text_and_images_as_parts():
    call = read_tool_call(RESPONSES)
    assert render_tool_result(call, Outcome(content=(Text("one"), Text("two")))) == {
        "type": "function_call_output",
        "call_id": "call_2",
        "output": "one\ntwo",
    }
    parts = render_tool_result(call, OUTCOME)["output"]
    assert parts[1] == {"type": "input_image", "image_url": "data:image/png;base64,iVBORw=="}
    assert [part["type"] for part in parts] == ["input_text", "input_image", "input_text", "input_text"]
