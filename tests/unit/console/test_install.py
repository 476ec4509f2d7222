import os
import tomllib
from pathlib import Path

import pytest

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.base.values import replace
from apiloom.console.house import Surroundings
from apiloom.console.install.edit import plan_edit, write_edit
from apiloom.console.install.launch import credential_names, program
from apiloom.emit.config import CLIENTS
from apiloom.model.variables import variable_name
from support.fake_house import Desk, catalog, tool

PLACES = {
    "claude-code": "home/.claude.json",
    "claude-desktop": "home/.config/Claude/claude_desktop_config.json",
    "cursor": "home/.cursor/mcp.json",
    "vscode": "home/.config/Code/User/mcp.json",
    "codex": "home/.codex/config.toml",
}
HOLDERS = {"vscode": "servers", "codex": "mcp_servers"}


def servers_of(client: str, path: Path) -> dict:
    text = path.read_text(encoding="utf-8")
    value = tomllib.loads(text) if client == "codex" else json.loads(text)
    return value[HOLDERS.get(client, "mcpServers")]


def backups_of(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.*.bak"))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_new_file_is_made_in_each_clients_own_format(tmp_path, capsys, client):
    desk = Desk(tmp_path, environment={"APILOOM_AUTH_SHOP_KEY": "s3cret"})
    assert desk.run("install", client, "x.yaml", "--base-url", "http://api.example") == 0
    path = tmp_path / PLACES[client]
    command = "/opt/env/bin/python"
    args = ["-m", "apiloom", "serve", str(tmp_path / "x.yaml"), "--stdio", "--base-url", "http://api.example"]
    expected = {
        "claude-code": {
            "type": "stdio",
            "command": command,
            "args": args,
            "env": {"APILOOM_AUTH_SHOP_KEY": "${APILOOM_AUTH_SHOP_KEY:-}"},
        },
        "claude-desktop": {"command": command, "args": args},
        "cursor": {
            "type": "stdio",
            "command": command,
            "args": args,
            "env": {"APILOOM_AUTH_SHOP_KEY": "${env:APILOOM_AUTH_SHOP_KEY}"},
        },
        "vscode": {
            "type": "stdio",
            "command": command,
            "args": args,
            "env": {"APILOOM_AUTH_SHOP_KEY": "${env:APILOOM_AUTH_SHOP_KEY}"},
        },
        "codex": {"command": command, "args": args, "env_vars": ["APILOOM_AUTH_SHOP_KEY"]},
    }
    assert servers_of(client, path) == {"bookshop": expected[client]}
    assert backups_of(path) == []
    assert "s3cret" not in path.read_text() + capsys.readouterr().out


@pytest.mark.parametrize("client", CLIENTS)
def test_installing_twice_changes_nothing_the_second_time(tmp_path, capsys, client):
    desk = Desk(tmp_path, environment={"APILOOM_AUTH_SHOP_KEY": "s3cret"})
    assert desk.run("install", client, "x.yaml") == 0
    path = tmp_path / PLACES[client]
    first = path.read_bytes()
    capsys.readouterr()
    assert desk.run("install", client, "x.yaml") == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert (path.read_bytes(), backups_of(path)) == (first, [])


@pytest.mark.parametrize("client", CLIENTS)
def test_an_entry_of_ours_is_brought_up_to_date_and_keeps_what_the_user_added(tmp_path, client):
    desk = Desk(tmp_path)
    desk.run("install", client, "x.yaml")
    path = tmp_path / PLACES[client]
    text = path.read_text()
    added = "enabled = false # mine\n" if client == "codex" else None
    path.write_text(text + added if added else text.replace('"args"', '"disabled": true,\n      "args"'))
    assert desk.run("install", client, "x.yaml", "--base-url", "http://api.example") == 0
    entry = servers_of(client, path)["bookshop"]
    assert entry["args"][-2:] == ["--base-url", "http://api.example"]
    assert entry["enabled" if client == "codex" else "disabled"] is (client != "codex")
    if client == "codex":
        assert "# mine" in path.read_text()


JSONC = """\
{
  // my servers
  "inputs": [], /* none yet */
  "KEY": {
    // the first
    "other": {
      "command": "npx", // as it is
      "args": ["-y",   "thing"],
      "env": { "TOKEN": "t0ken" },
    },
    // nothing below
  },
  "last": 1e400,
}
"""


@pytest.mark.parametrize("client", ["claude-code", "claude-desktop", "cursor", "vscode"])
def test_comments_and_formatting_of_others_stay_byte_for_byte(tmp_path, client):
    before = JSONC.replace("KEY", HOLDERS.get(client, "mcpServers")).replace("1e400", "1.50")
    path = tmp_path / PLACES[client]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before)
    assert Desk(tmp_path).run("install", client, "x.yaml") == 0
    after = path.read_text()
    head, _, tail = before.partition("    // nothing below\n")
    assert after.startswith(head + '    // nothing below\n    "bookshop": {\n      "')
    assert after.endswith("    }\n" + tail)
    assert after.count('"bookshop"') == 1
    (backup,) = backups_of(path)
    assert backup.read_text() == before


TOML = """\
model = "o9" # mine

[mcp_servers.other]
command = "npx"   # as it is
args = [
  "-y", # yes
  "[mcp_servers.bookshop]",
]
note = '''
[mcp_servers.bookshop]
'''

[mcp_servers.other.env]
TOKEN = "t0ken"

[tui]
theme = "dark"
"""


def test_toml_of_others_stays_byte_for_byte_and_ours_is_appended(tmp_path):
    path = tmp_path / PLACES["codex"]
    path.parent.mkdir(parents=True)
    path.write_text(TOML)
    assert Desk(tmp_path).run("install", "codex", "x.yaml") == 0
    after = path.read_text()
    assert after.startswith(TOML + "\n[mcp_servers.bookshop]\ncommand = ")
    assert backups_of(path)[0].read_text() == TOML


def test_a_toml_table_of_ours_is_changed_where_it_stands(tmp_path):
    path = tmp_path / PLACES["codex"]
    path.parent.mkdir(parents=True)
    before = TOML.replace(
        "[tui]",
        '[mcp_servers."bookshop"] # ours\n# started by hand once\ncommand = "/old/apiloom"\n'
        'args = [\n  "serve", # it\n  "/old.yaml",\n  "--stdio",\n]\nstartup_timeout_sec = 30 # slow\n'
        '[mcp_servers.bookshop.env]\nLANG = "C"\n\n[tui]',
    )
    path.write_text(before)
    assert Desk(tmp_path).run("install", "codex", "x.yaml") == 0
    after = path.read_text()
    document = tomllib.loads(after)
    assert document["mcp_servers"]["bookshop"] == {
        "command": "/opt/env/bin/python",
        "args": ["-m", "apiloom", "serve", str(tmp_path / "x.yaml"), "--stdio"],
        "startup_timeout_sec": 30,
        "env": {"LANG": "C"},
    }
    assert "# started by hand once\nstartup_timeout_sec = 30 # slow\n[mcp_servers.bookshop.env]" in after
    assert after.startswith(TOML.split("[tui]", maxsplit=1)[0])
    assert after.endswith('[tui]\ntheme = "dark"\n')
    assert "/old" not in after


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("cursor", '{"mcpServers": {'),
        ("cursor", "[]"),
        ("cursor", '{"mcpServers": []}'),
        ("cursor", '{"mcpServers": {}} trailing'),
        ("cursor", "mcpServers: {}"),
        ("vscode", '{"servers": "none"}'),
        ("codex", "model = "),
        ("codex", "mcp_servers = {}"),
        ("codex", "[[mcp_servers]]\nname = 1\n"),
        ("codex", 'mcp_servers.bookshop.command = "apiloom"\nmcp_servers.bookshop.args = ["serve", "s3cret"]\n'),
    ],
)
def test_a_file_that_cannot_be_edited_safely_is_left_alone_and_said_so(tmp_path, capsys, client, text):
    path = tmp_path / PLACES[client]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert Desk(tmp_path).run("install", client, "x.yaml") == 1
    err = capsys.readouterr().err
    assert f"{path} was left alone: " in err
    assert err.count("\n") == 1
    assert "s3cret" not in err
    assert (path.read_text(), backups_of(path)) == (text, [])


@pytest.mark.parametrize("data", [b'{"mcpServers": {"x": "\xff"}}', b"{" * 500])
def test_bytes_that_are_no_text_and_endless_nesting_are_left_alone(tmp_path, data):
    path = tmp_path / PLACES["cursor"]
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    assert Desk(tmp_path).run("install", "cursor", "x.yaml") == 1
    assert path.read_bytes() == data


WINDOWS = """\
{
    "a": 1, // one
    "mcpServers": {
        "s": {
            "command": "c"
        }
    }
}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "mcpServers": {\n    "s": {\n      "command": "c"\n    }\n  }\n}\n'),
        ("{}", '{\n  "mcpServers": {\n    "s": {\n      "command": "c"\n    }\n  }\n}'),
        ('{"a":1}', '{"a":1, "mcpServers": {"s":{"command":"c"}}}'),
        ('{"mcpServers":{"b":{}}}', '{"mcpServers":{"b":{}, "s": {"command":"c"}}}'),
        (
            '{\n\t"mcpServers": {}\n}\n',
            '{\n\t"mcpServers": {\n\t\t"s": {\n\t\t\t"command": "c"\n\t\t}\n\t}\n}\n',
        ),
        (
            '{\r\n    "a": 1 // one\r\n}\r\n',
            WINDOWS.replace("\n", "\r\n"),
        ),
        (
            "\ufeff{\n  // empty\n}\n",
            '\ufeff{\n  // empty\n  "mcpServers": {\n    "s": {\n      "command": "c"\n    }\n  }\n}\n',
        ),
        (
            '{\n  "mcpServers": { "s": { "command": "old/apiloom", "args": ["serve"] } }\n}',
            '{\n  "mcpServers": { "s": {"command":"c"} }\n}',
        ),
    ],
)
def test_an_entry_takes_the_style_of_the_file(tmp_path, before, after):
    path = tmp_path / "mcp.json"
    path.write_bytes(before.encode())
    write_edit(plan_edit(path, "cursor", "s", {"command": "c"}))
    assert path.read_bytes().decode() == after


def test_the_backup_and_the_new_file_keep_the_mode(tmp_path):
    path = tmp_path / PLACES["claude-code"]
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o600)
    assert Desk(tmp_path).run("install", "claude-code", "x.yaml") == 0
    assert [one.stat().st_mode & 0o777 for one in (path, *backups_of(path))] == [0o600, 0o600]
    assert sorted(one.name for one in path.parent.iterdir()) == sorted([path.name, backups_of(path)[0].name])


def test_every_change_keeps_a_backup_of_its_own(tmp_path):
    path = tmp_path / PLACES["cursor"]
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    for number in range(3):
        assert Desk(tmp_path).run("install", "cursor", "x.yaml", "--base-url", f"http://{number}.example") == 0
    assert len(backups_of(path)) == 3


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    real = tmp_path / "dotfiles" / "mcp.json"
    real.parent.mkdir()
    real.write_text("{}")
    link = tmp_path / PLACES["cursor"]
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert Desk(tmp_path).run("install", "cursor", "x.yaml") == 0
    assert link.is_symlink()
    assert "bookshop" in servers_of("cursor", real)


def test_a_server_that_is_not_ours_is_not_replaced_without_force(tmp_path, capsys):
    path = tmp_path / PLACES["cursor"]
    path.parent.mkdir(parents=True)
    path.write_text('{"mcpServers": {"bookshop": {"command": "npx", "args": ["-y", "bookshop"]}}}')
    before = path.read_text()
    assert Desk(tmp_path).run("install", "cursor", "x.yaml") == 2
    assert "already has another server named bookshop: choose another --name" in capsys.readouterr().err
    assert path.read_text() == before
    assert Desk(tmp_path).run("install", "cursor", "x.yaml", "--force") == 0
    assert servers_of("cursor", path)["bookshop"]["args"][2] == "serve"
    assert Desk(tmp_path).run("install", "cursor", "x.yaml", "--name", "shop") == 0
    assert sorted(servers_of("cursor", path)) == ["bookshop", "shop"]


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "mcp.json"
    path.write_text("{}")
    edit = plan_edit(path, "cursor", "s", {"command": "c"})
    path.write_text('{"a": 1}')
    with pytest.raises(DesignError, match="changed by another program"):
        write_edit(edit)
    assert path.read_text() == '{"a": 1}'


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left_behind(tmp_path, capsys):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".cursor").write_text("a file where a folder should be")
    assert Desk(tmp_path).run("install", "cursor", "x.yaml") == 1
    err = capsys.readouterr().err
    assert str(tmp_path / PLACES["cursor"]) in err
    assert err.count("\n") == 1
    assert [one.name for one in (tmp_path / "home").iterdir()] == [".cursor"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_dry_run_shows_the_difference_and_writes_nothing(tmp_path, capsys, client):
    assert Desk(tmp_path).run("install", client, "x.yaml", "--dry-run") == 0
    out = capsys.readouterr().out
    path = tmp_path / PLACES[client]
    assert out.startswith(f"--- /dev/null\n+++ {path}\n")
    assert "bookshop" in out
    assert not path.exists()


def test_a_program_gets_what_was_written_where(tmp_path, capsys):
    assert Desk(tmp_path).run("install", "codex", "x.yaml", "--json") == 0
    path = tmp_path / PLACES["codex"]
    value = json.loads(capsys.readouterr().out)
    assert value.pop("notes")[0].startswith("the API asks for credentials: set APILOOM_AUTH_SHOP_KEY")
    assert value == {
        "client": "codex",
        "path": str(path),
        "name": "bookshop",
        "entry": servers_of("codex", path)["bookshop"],
        "changed": True,
        "written": True,
        "backup": None,
    }


@pytest.mark.parametrize(
    ("client", "entry"),
    [
        (
            "claude-code",
            {"type": "http", "url": "http://127.0.0.1:1/mcp", "headers": {"Authorization": "Bearer ${T}"}},
        ),
        ("cursor", {"url": "http://127.0.0.1:1/mcp", "headers": {"Authorization": "Bearer ${env:T}"}}),
        (
            "vscode",
            {"type": "http", "url": "http://127.0.0.1:1/mcp", "headers": {"Authorization": "Bearer ${env:T}"}},
        ),
        ("codex", {"url": "http://127.0.0.1:1/mcp", "bearer_token_env_var": "T"}),
    ],
)
def test_a_running_server_is_installed_by_its_url(tmp_path, client, entry):
    desk = Desk(tmp_path)
    assert desk.run("install", client, "--url", "http://127.0.0.1:1/mcp", "--token-env", "T") == 0
    assert servers_of(client, tmp_path / PLACES[client]) == {"apiloom": entry}
    assert desk.asked == []


def test_a_change_from_command_to_url_leaves_nothing_of_the_command(tmp_path):
    desk = Desk(tmp_path)
    desk.run("install", "codex", "x.yaml")
    path = tmp_path / PLACES["codex"]
    path.write_text(path.read_text() + '[mcp_servers.bookshop.env]\nLANG = "C"\n[tui]\ntheme = "dark"\n')
    assert desk.run("install", "codex", "--url", "http://h/mcp", "--name", "bookshop", "--force") == 0
    assert tomllib.loads(path.read_text()) == {
        "mcp_servers": {"bookshop": {"url": "http://h/mcp"}},
        "tui": {"theme": "dark"},
    }


def test_claude_desktop_takes_no_url_and_says_where_to_put_it(tmp_path, capsys):
    assert Desk(tmp_path).run("install", "claude-desktop", "--url", "http://h/mcp") == 1
    assert "Settings, Connectors" in capsys.readouterr().err


def test_claude_desktop_hands_no_variables_on_and_that_is_told(tmp_path, capsys):
    desk = Desk(tmp_path, environment={"APILOOM_AUTH_SHOP_KEY": "s3cret"})
    assert desk.run("install", "claude-desktop", "x.yaml") == 0
    assert "put credentials into a file and name it with --credentials" in capsys.readouterr().out
    assert desk.run("install", "claude-desktop", "x.yaml", "--credentials", "keys.json") == 0
    entry = servers_of("claude-desktop", tmp_path / PLACES["claude-desktop"])["bookshop"]
    assert entry["args"][-2:] == ["--credentials", str(tmp_path / "keys.json")]


@pytest.mark.parametrize(
    ("client", "path"),
    [
        ("claude-code", ".mcp.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".vscode/mcp.json"),
        ("codex", ".codex/config.toml"),
    ],
)
def test_a_project_has_files_of_its_own(tmp_path, client, path):
    folder = tmp_path / "projet café 🎉"
    folder.mkdir()
    assert Desk(folder).run("install", client, "bücher.yaml", "--project") == 0
    entry = servers_of(client, folder / path)["bookshop"]
    assert str(folder / "bücher.yaml") in entry["args"]


def test_claude_desktop_has_no_projects(tmp_path, capsys):
    assert Desk(tmp_path).run("install", "claude-desktop", "x.yaml", "--project") == 2
    assert "leave --project out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("platform", "client", "environment", "path"),
    [
        ("darwin", "claude-desktop", {}, "home/Library/Application Support/Claude/claude_desktop_config.json"),
        ("darwin", "vscode", {}, "home/Library/Application Support/Code/User/mcp.json"),
        ("win32", "claude-desktop", {}, "home/AppData/Roaming/Claude/claude_desktop_config.json"),
        ("win32", "vscode", {"APPDATA": "/TMP/roaming"}, "roaming/Code/User/mcp.json"),
        ("linux", "vscode", {"XDG_CONFIG_HOME": "/TMP/xdg"}, "xdg/Code/User/mcp.json"),
        ("linux", "vscode", {"XDG_CONFIG_HOME": "relative"}, "home/.config/Code/User/mcp.json"),
        ("linux", "codex", {"CODEX_HOME": "/TMP/codex"}, "codex/config.toml"),
        ("linux", "claude-code", {"CLAUDE_CONFIG_DIR": "/TMP/claude"}, "claude/.claude.json"),
    ],
)
def test_each_platform_and_setting_has_its_place(tmp_path, platform, client, environment, path):
    here = {name: value.replace("/TMP", str(tmp_path)) for name, value in environment.items()}
    assert Desk(tmp_path, platform=platform, environment=here).run("install", client, "x.yaml") == 0
    assert (tmp_path / path).is_file()


def test_several_sources_become_one_server_named_apiloom_with_variables_by_slug(tmp_path):
    desk = Desk(tmp_path, environment={"APILOOM_BOOKSHOP_AUTH_SHOP_KEY": "s3cret"})
    assert desk.run("install", "codex", "a.yaml", "https://b.example/openapi.json") == 0
    entry = servers_of("codex", tmp_path / PLACES["codex"])["apiloom"]
    assert entry["args"][2:] == ["serve", str(tmp_path / "a.yaml"), "https://b.example/openapi.json", "--stdio"]
    assert entry["env_vars"] == ["APILOOM_BOOKSHOP_AUTH_SHOP_KEY"]


def test_a_document_that_cannot_be_read_is_not_installed(tmp_path):
    desk = Desk(tmp_path, failure=DesignError("no such file", code="document.not_found"))
    assert desk.run("install", "cursor", "x.yaml") == 1
    assert not (tmp_path / "home").exists()


def test_tools_that_a_client_would_drop_for_their_length_are_told(tmp_path, capsys):
    desk = Desk(tmp_path, catalog=catalog(tool("t" * 40)))
    assert desk.run("install", "cursor", "x.yaml", "--name", "a-rather-long-server-name") == 0
    assert "give the server a shorter --name" in capsys.readouterr().out
    assert desk.run("install", "cursor", "x.yaml") == 0
    assert "shorter" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["emacs", "x.yaml"],
        ["cursor"],
        ["cursor", "-"],
        ["cursor", "x.yaml", "--url", "http://h/mcp"],
        ["cursor", "x.yaml", "--token-env", "T"],
        ["cursor", "--url", "http://u:s3cret@h/mcp"],
        ["cursor", "--url", "http://h/mcp", "--token-env", "s3cret-token"],
        ["cursor", "x.yaml", "--env", "KEY=s3cret"],
        ["cursor", "x.yaml", "--name", "two words"],
    ],
)
def test_what_cannot_be_meant_is_refused_and_no_secret_is_repeated(tmp_path, capsys, words):
    assert Desk(tmp_path).run("install", *words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "s3cret" not in err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("scheme", ["Shop Key", "api_key", "OAuth2.0", "schlüssel"])
def test_variables_have_the_names_by_which_credentials_are_read(scheme):
    one = catalog(replace(tool(), binding=replace(tool().binding, security=(((scheme, ()),),))))
    assert credential_names({"shop": one}, "") == [variable_name(scheme)]
    assert credential_names({"shop": one}, "", by_slug=True) == [variable_name(scheme, "shop")]
    both = credential_names({"shop": one, "other": one}, "")
    assert both == sorted([variable_name(scheme, "shop"), variable_name(scheme, "other")])


def test_a_document_without_schemes_has_the_one_that_auth_defines():
    one = replace(catalog(replace(tool(), binding=replace(tool().binding, security=()))), schemes={})
    assert credential_names({"shop": one}, "bearer") == [variable_name("DEFAULT")]
    assert credential_names({"shop": one}, "") == []


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/home/u/.cache/uv/archive-v0/abc", ("uvx", "apiloom")),
        ("/home/u/.local/share/uv/tools/apiloom", ("/opt/env/bin/python", "-m", "apiloom")),
    ],
)
def test_an_environment_of_a_cache_is_asked_for_anew(prefix, command):
    assert program(Surroundings(python="/opt/env/bin/python", prefix=prefix)) == command


def test_the_script_beside_the_interpreter_starts_us(tmp_path):
    (tmp_path / "apiloom").write_text("")
    surroundings = Surroundings(python=str(tmp_path / "python"), prefix=str(tmp_path), platform="linux")
    assert program(surroundings) == (str(tmp_path / "apiloom"),)


def test_a_link_in_a_project_does_not_choose_which_other_file_is_written(tmp_path, capsys):
    desk = Desk(tmp_path)
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere.json"
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor/mcp.json").symlink_to(elsewhere)
    assert desk.run("install", "cursor", "x.yaml", "--project") == 1
    assert "leads out of the project" in capsys.readouterr().err
    assert not elsewhere.exists()


def test_a_pipe_or_a_circle_of_links_in_place_of_the_file_is_told_without_waiting(tmp_path, capsys):
    path = tmp_path / PLACES["cursor"]
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert Desk(tmp_path).run("install", "cursor", "x.yaml") == 1
    assert "is not a regular file" in capsys.readouterr().err
    path.unlink()
    path.symlink_to(path)
    assert Desk(tmp_path).run("install", "cursor", "x.yaml") == 1
    assert "circle" in capsys.readouterr().err


def test_two_documents_of_one_title_have_variables_of_their_own(tmp_path):
    here = {"APILOOM_BOOKSHOP_AUTH_SHOP_KEY": "1", "APILOOM_BOOKSHOP2_AUTH_SHOP_KEY": "2"}
    assert Desk(tmp_path, environment=here).run("install", "codex", "a.yaml", "b.yaml") == 0
    assert servers_of("codex", tmp_path / PLACES["codex"])["apiloom"]["env_vars"] == sorted(here)


def test_every_option_about_the_api_is_written_into_the_command(tmp_path):
    words = ["--server", "2", "--variable", "region=eu", "--header", "Notion-Version=2022-06-28"]
    words += ["--trust", "https://files.example", "--auth", "header:X-A", "--auth", "query:b"]
    assert Desk(tmp_path).run("install", "cursor", "x.yaml", *words) == 0
    args = servers_of("cursor", tmp_path / PLACES["cursor"])["bookshop"]["args"]
    assert args[args.index("--stdio") + 1 :] == words


def test_a_path_in_another_encoding_is_told_as_what_it_is(tmp_path, capsys):
    source = os.fsdecode(b"p\xe9ts.yaml")
    assert Desk(tmp_path).run("install", "cursor", source) == 2
    told = capsys.readouterr().err
    assert "is not named in UTF-8" in told
    assert "rename it" in told
    assert not (tmp_path / "home").exists()
