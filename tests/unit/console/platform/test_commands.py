"""The platform's commands: the API's own words and answers, and nothing of a secret anywhere else."""

from __future__ import annotations

import click
import pytest

from apiloom.base import json
from apiloom.console.cli.run import root
from support.admin import PETS, text_of
from support.shell import Shell, shell

__all__ = ["shell"]

SECRET = "k3y-that-nobody-may-see"


@pytest.fixture
def pets(shell: Shell) -> Shell:
    shell.put("pets.json", text_of(PETS))
    shell.ask("connector", "add", "pets.json", "--slug", "pets")
    return shell


def account(shell: Shell, *words: str) -> str:
    id_: str = shell.ask("account", "add", "pets", "--tenant", "acme", *words)["id"]
    return id_


def test_json_is_what_the_api_answers(pets):
    made = pets.ask("connector", "show", "pets")
    assert made["slug"] == "pets"
    assert made["source"] == {"text": True}
    page = pets.ask("connector", "list")
    assert page == {"items": [made], "next_cursor": None}


def test_people_get_tables_and_sentences(pets):
    assert "pets" in pets.type("connector", "list").out
    assert "list_pets" in pets.type("connector", "tools", "pets").out
    added = pets.type("connector", "add", "pets.json", "--slug", "other").out
    assert "other is served: version 1 of Pets with 3 tools" in added
    assert "of 3 operations 3 are exposed" in added


@pytest.mark.parametrize(
    "words", [("token", "create", "ops", "--role", "operator"), ("server", "create", "--connector", "pets")]
)
def test_what_is_shown_once_is_said_so_and_stands_alone_on_a_line(pets, words):
    done = pets.type(*words)
    assert done.code == 0
    last = done.out.splitlines()[-1]
    assert "al" in last
    assert " " not in last
    assert "shown this once" in done.err
    assert last not in done.err


def test_no_server_is_made_whose_url_would_have_a_path_before_it(pets):
    done = pets.type("server", "create", "--connector", "pets", "--public-url", "https://x.example/loom")
    assert done.code == 2
    assert "the gateway cannot be known by a URL with a path" in done.err
    assert pets.ask("server", "list")["items"] == []


def test_a_connector_is_imported_from_a_pipe_and_set(pets):
    made = pets.ask("connector", "add", "-", "--header", "X-A=1", "--tenant", "acme", typed=text_of(PETS))
    assert made["options"] == {"headers": {"X-A": "1"}}
    assert made["tenants"] == ["acme"]
    changed = pets.ask(
        "connector", "set", made["slug"], "--all-tenants", "--title", "Zoo", "--unset", "options.headers"
    )
    assert (changed["tenants"], changed["title"], changed["options"]) == (None, "Zoo", {})


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("nothere.yaml", "document.not_found"),
        ("folder", "cli.source"),
        ("parts.yaml", "cli.source"),
        ("strip", "catalogue.not_found"),
    ],
)
def test_a_source_that_cannot_be_one_connector_is_refused_in_a_sentence(shell, source, code):
    shell.put("folder/pets.json", "{}")
    shell.put("other.yaml", "{}")
    shell.put("parts.yaml", "paths:\n  /a:\n    $ref: 'other.yaml#/a'\n")
    assert shell.refused("connector", "add", source)["code"] == code


def test_a_version_is_proposed_looked_at_promoted_and_taken_back(pets):
    changed = {**PETS, "paths": {path: item for path, item in PETS["paths"].items() if path == "/pets"}}
    pets.put("pets.json", text_of(changed))
    assert pets.ask("connector", "import", "pets", "pets.json", "--plan")["verdict"] == "breaking"
    assert len(pets.ask("connector", "versions", "pets")["items"]) == 1
    told = pets.type("connector", "import", "pets", "pets.json")
    assert "version 2 of pets is proposed: breaking" in told.out
    assert "list_shops" in pets.type("connector", "difference", "pets").out
    assert pets.ask("connector", "promote", "pets", "2", "--plan")["done"] is False
    assert pets.type("connector", "promote", "pets", "2").out == "version 2 of pets is served now, in place of 1\n"
    assert pets.ask("connector", "rollback", "pets")["version"]["number"] == 1
    assert pets.type("connector", "import", "pets", "pets.json").out.startswith("nothing is new: version 2")


def test_credentials_come_from_a_private_file_or_the_environment_and_are_never_shown(pets):
    file = pets.put("keys.json", json.dumps({"ApiKeyAuth": {"key": SECRET}}).decode(), 0o644)
    refused = pets.refused("account", "add", "pets", "--credentials", "keys.json")
    assert refused["code"] == "credentials.file"
    assert SECRET not in str(refused)
    file.chmod(0o600)
    made = pets.ask("account", "add", "pets", "--credentials", "keys.json")
    assert made["schemes"] == ["ApiKeyAuth"]
    assert pets.refused("account", "add", "pets", "--credential", "ApiKeyAuth")["code"] == "cli.no_secret"
    pets.environment = {"APILOOM_AUTH_APIKEYAUTH": SECRET}
    done = pets.type("account", "add", "pets", "--credential", "ApiKeyAuth", "--label", "env")
    assert "credentials for ApiKeyAuth" in done.out
    assert SECRET not in done.out + done.err
    assert SECRET not in str(pets.ask("account", "list"))


def test_no_option_takes_a_secret():
    def every(command: click.Command):
        if isinstance(command, click.Group):
            with click.Context(command) as context:
                for name in command.list_commands(context):
                    yield from every(command.get_command(context, name))
        else:
            yield command

    words = [
        option
        for name in ("account", "server", "token")
        for command in every(root.commands[name])
        for parameter in command.params
        for option in parameter.opts
    ]
    assert not {"--password", "--secret", "--key", "--bearer"} & set(words)
    assert "--credentials" in words


def test_things_are_found_by_the_names_that_people_gave_them(pets):
    id_ = account(pets, "--label", "Ada", "--external-id", "crm-7")
    assert pets.ask("account", "show", "crm-7")["id"] == id_
    assert pets.ask("account", "show", "Ada")["id"] == id_
    account(pets, "--label", "Ada")
    assert pets.refused("account", "show", "Ada")["code"] == "cli.ambiguous"
    made = pets.ask("server", "create", "desk", "--tenant", "acme", "--account", "crm-7")
    assert made["accounts"] == [id_]
    assert pets.ask("server", "show", "desk")["id"] == made["id"]
    assert pets.refused("server", "show", "nobody")["code"] == "server.not_found"


def test_a_server_takes_every_filter_and_gives_them_back(pets):
    made = pets.ask(
        "server", "create", "desk", "--connector", "pets", "--method", "read", "--method", "write", "--tag", "pets",
        "--allow", "*pet*", "--deny", "add_*", "--mode", "direct", "--profile", "openai", "--result-tokens", "500",
        "--require-api-token", "--pin", "1", "--allow-address", "10.0.0.0/8", "--expires", "never",
        "--metadata", '{"a": 1}', "--external-id", "x-1",
    )  # fmt: skip
    config = made["config"]
    assert config["tools"] == {"allow": ["*pet*"], "deny": ["add_*"]}
    assert (config["pin_version"], config["require_api_token_auth"], config["result_tokens"]) == (1, True, 500)
    assert (made["expires_at"], made["metadata"], made["tools"]) == (None, {"a": 1}, 1)
    changed = pets.ask("server", "set", "desk", "--unset", "config.tools.deny", "--unset", "metadata", "--disabled")
    assert changed["config"]["tools"] == {"allow": ["*pet*"], "deny": []}
    assert (changed["metadata"], changed["enabled"], changed["tools"]) == ({}, False, 2)


def test_urls_are_rotated_added_and_revoked(pets):
    made = pets.ask("server", "create", "desk", "--connector", "pets")
    pets.ask("server", "token", "add", "desk", "--label", "ben")
    rotated = pets.ask("server", "rotate", "desk", "--grace", "1h", "--token", made["token_id"])
    assert rotated["url"] != made["url"]
    tokens = pets.ask("server", "token", "list", "desk")["items"]
    assert len(tokens) == 3
    assert next(token for token in tokens if token["id"] == made["token_id"])["expires_at"]
    gone = pets.ask("server", "token", "revoke", "desk", made["token_id"])
    assert gone["done"] is True
    assert len(pets.ask("server", "token", "list", "desk")["items"]) == 2


def test_a_toolset_is_made_and_switched(pets):
    pets.ask("toolset", "add", "pets", "shops", "--tag", "shops", "--title", "Shops")
    pets.ask("toolset", "set", "pets/shops", "--tool", "list_shops", "--description", "All shops")
    assert pets.ask("toolset", "show", "pets/shops")["select"] == {"tools": ["list_shops"]}
    pets.ask("server", "create", "desk", "--connector", "pets")
    assert pets.ask("server", "toolset", "off", "desk", "shops")["toolsets_off"] == ["shops"]
    assert pets.ask("server", "toolset", "on", "desk", "shops")["toolsets_off"] == []


def test_overlays_are_merged_replaced_and_taken_back(pets):
    first = pets.ask("overlay", "set", "pets", '{"tools": {"list_pets": {"title": "Find"}}}')
    second = pets.ask("overlay", "set", "pets", '{"tools": {"add_pet": {"hide": true}}}')
    assert first["id"] == second["id"]
    assert sorted(second["patch"]["tools"]) == ["add_pet", "list_pets"]
    third = pets.ask("overlay", "set", "pets", '{"tools": {"add_pet": {"title": "Add"}}}', "--replace")
    assert third["patch"] == {"tools": {"add_pet": {"title": "Add"}}}
    own = pets.ask("overlay", "set", "pets", "@-", "--tenant", "acme", typed='{"instructions": "Be kind."}')
    assert (own["layer"], own["tenant"]) == ("tenant", "acme")
    pets.ask("server", "create", "desk", "--connector", "pets")
    aimed = pets.ask("overlay", "set", "pets", '{"instructions": "Be brief."}', "--server", "desk")
    assert aimed["layer"] == "server"
    assert pets.ask("overlay", "remove", own["id"])["done"] is True
    assert len(pets.ask("overlay", "list", "--connector", "pets")["items"]) == 2


def test_what_stands_in_the_way_is_shown_and_only_a_yes_takes_it_along(pets):
    id_ = account(pets, "--label", "Ada")
    done = pets.type("tenant", "remove", "acme")
    assert done.code == 2
    assert f"account {id_} would be removed" in done.err
    assert "acme is in use (1 account)" in done.err
    assert pets.refused("tenant", "remove", "acme")["affected"] == [
        {"kind": "account", "id": id_, "becomes": "removed"}
    ]
    assert pets.ask("tenant", "remove", "acme", "--plan")["done"] is False
    assert pets.refused("tenant", "remove", "acme", "--cascade")["code"] == "cli.unconfirmed"
    assert pets.ask("tenant", "remove", "acme", "--cascade", "--yes")["done"] is True


def test_a_change_may_demand_the_revision_that_was_read(pets):
    assert pets.refused("tenant", "set", "acme", "--name", "A", "--if-match", "9")["code"] == "store.stale"
    assert pets.ask("tenant", "set", "acme", "--name", "A", "--if-match", "1")["name"] == "A"
    assert pets.refused("tenant", "set", "acme")["code"] == "cli.nothing_to_set"


def test_tokens_are_made_rotated_and_revoked(shell):
    made = shell.ask("token", "create", "ops", "--role", "operator", "--expires", "never")
    assert made["expires_at"] is None
    rotated = shell.ask("token", "rotate", made["id"])
    assert rotated["token"] != made["token"]
    assert shell.ask("token", "revoke", rotated["id"])["done"] is True
    assert shell.refused("token", "create", "x", "--role", "owner", "--tenant", "acme")["code"] == "identity.scope"


def test_a_leaked_token_dies_whether_it_is_typed_or_piped_in(pets):
    typed = pets.ask("server", "create", "counter", "--connector", "pets")
    told = pets.ask("token", "leaked", typed["url"])
    assert [leak["id"] for leak in told["items"]] == [typed["token_id"]]
    assert typed["url"].rpartition("/")[2] not in str(told)
    made = pets.ask("server", "create", "desk", "--connector", "pets")
    told = pets.ask("token", "leaked", typed=f"see {made['url']} in the log")
    assert [leak["id"] for leak in told["items"]] == [made["token_id"]]
    assert pets.type("token", "leaked", typed="nothing").out == "no token of this gateway stands in the text\n"


def test_the_audit_is_listed_newest_first_in_pages(shell):
    page = shell.ask("audit", "list", "--limit", "1")
    assert page["items"][0]["action"] == "tenant.create"
    shell.admin.clock.now += 1
    shell.ask("tenant", "add", "bolt")
    first = shell.ask("audit", "list", "--limit", "1")
    second = shell.ask("audit", "list", "--limit", "1", "--cursor", first["next_cursor"])
    assert [first["items"][0]["target"], second["items"][0]["target"]] == ["bolt", "acme"]
    assert len(shell.ask("audit", "list", "--all")["items"]) == 2


def test_the_catalogue_is_searched_and_shown(shell):
    found = shell.ask("catalogue", "search", "stripe")["items"]
    assert found[0]["name"] == "stripe"
    assert "apiloom catalogue add stripe" in shell.type("catalogue", "show", "stripe").out
    assert shell.refused("catalogue", "add", "strpe")["code"] == "catalogue.not_found"


def test_a_gateway_is_asked_when_one_is_named_and_its_token_is_no_argument(shell):
    shell.environment = {"APILOOM_GATEWAY": "https://loom.example.com"}
    assert shell.refused("tenant", "list")["code"] == "cli.no_token"
    shell.environment = {**shell.environment, "APILOOM_TOKEN": "ala_x"}
    shell.ask("tenant", "list")
    assert (shell.reached[-1].gateway, shell.reached[-1].token) == ("https://loom.example.com", "ala_x")
    assert "ala_x" not in repr(shell.reached[-1])
    shell.put("token", "ala_y\n", 0o600)
    shell.ask("tenant", "list", "--gateway", "https://other.example.com", "--token-file", "token")
    assert (shell.reached[-1].gateway, shell.reached[-1].token) == ("https://other.example.com", "ala_y")
    shell.ask("tenant", "list", "--data", "here")
    assert (shell.reached[-1].gateway, shell.reached[-1].data) == ("", "here")
    twice = shell.refused("tenant", "list", "--data", "here", "--gateway", "https://other.example.com")
    assert twice["code"] == "cli.gateway_twice"


@pytest.mark.parametrize("when", ["soon", "5y", "99999999w"])
def test_a_time_that_is_none_is_refused(shell, when):
    assert shell.refused("token", "create", "x", "--role", "owner", "--expires", when)["code"] == "cli.usage"


def test_an_account_is_tried(pets):
    account(pets, "--label", "Ada")
    assert pets.ask("account", "test", "Ada", "--tenant", "acme") == {"ok": True, "tool": "list_pets"}
    pets.ask("account", "set", "Ada", "--label", "Eva", "--disabled", "--not-shared")
    assert pets.ask("account", "remove", "Eva")["done"] is True


def test_a_secret_that_is_nowhere_is_asked_for_without_echo(pets):
    pets.monkeypatch.setattr("apiloom.console.cli.platform.credentials.is_watched", lambda: True)
    pets.monkeypatch.setattr("getpass.getpass", lambda prompt: SECRET if prompt.startswith("ApiKeyAuth") else "")
    done = pets.type("account", "add", "pets", "--credential", "ApiKeyAuth")
    assert done.code == 0, done.err
    assert SECRET not in done.out + done.err
    assert pets.ask("account", "list")["items"][0]["schemes"] == ["ApiKeyAuth"]


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 2), ("no\n", 2)])
def test_a_cascade_asks_whoever_watches(pets, answer, code):
    id_ = account(pets, "--label", "Ada")
    pets.monkeypatch.setattr("apiloom.console.cli.platform.records.is_watched", lambda: True)
    done = pets.type("tenant", "remove", "acme", "--cascade", typed=answer)
    assert done.code == code
    assert f"account {id_} would be removed" in done.err
    assert "go on?" in done.err
    left = pets.ask("tenant", "list")["items"]
    assert ("acme" in [item["id"] for item in left]) == (code != 0)
