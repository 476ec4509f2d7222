import tomllib

import pytest

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.emit.config import CLIENTS, Launch, container, emit_claude_command, emit_config, emit_entry

LOCAL = Launch(name="shop", command=("/bin/apiloom", "serve", '/a "b"\\ü.yaml', "--stdio"), environment=("KEY",))
REMOTE = Launch(name="shop", url="https://h.example/mcp", token="TOKEN")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_snippet_reads_as_the_entry_under_the_clients_own_member(client):
    text = emit_config(client, LOCAL)
    value = tomllib.loads(text) if client == "codex" else json.loads(text)
    assert value == {container(client): {"shop": emit_entry(client, LOCAL)}}
    assert text.endswith("\n")
    assert value[container(client)]["shop"]["args"][1] == '/a "b"\\ü.yaml'


def test_a_json_snippet_is_laid_out_for_people():
    assert emit_config("claude-desktop", LOCAL) == (
        '{\n  "mcpServers": {\n    "shop": {\n      "command": "/bin/apiloom",\n'
        '      "args": ["serve", "/a \\"b\\"\\\\ü.yaml", "--stdio"]\n    }\n  }\n}\n'
    )


@pytest.mark.parametrize("client", ["claude-code", "cursor", "vscode", "codex"])
def test_a_token_is_named_and_never_written(client):
    assert "TOKEN" in emit_config(client, REMOTE)


def test_claude_desktop_has_no_entry_for_a_url():
    with pytest.raises(DesignError, match="takes commands, not URLs"):
        emit_entry("claude-desktop", REMOTE)


def test_the_claude_command_line_quotes_what_a_shell_would_read():
    assert emit_claude_command(LOCAL) == (
        "claude mcp add --transport stdio shop -- /bin/apiloom serve '/a \"b\"\\ü.yaml' --stdio"
    )
    assert emit_claude_command(REMOTE) == (
        "claude mcp add --transport http shop https://h.example/mcp --header 'Authorization: Bearer ${TOKEN}'"
    )
