"""State in files: applied once it is there, applied twice nothing happens, pulled it can be applied elsewhere."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from apiloom.base import json
from apiloom.console.state.documents import read_documents
from apiloom.console.state.kinds import KINDS, WORDS, schema_of
from apiloom.readers.parse import parse
from apiloom.readers.yaml_out import write_yaml
from support.admin import PETS, AdminHouse, text_of
from support.shell import Shell, shell
from support.source import ROOT

__all__ = ["shell"]

STATE = """
# A shelter and who looks after it.
kind: tenant
name: zoo
spec: {name: Zoo, external_id: crm-1, metadata: {plan: gold}}
---
kind: connector
name: pets
spec:
  document: {file: apis/pets.json}
  options: {headers: {X-A: "1"}}
  tenants: [zoo]
---
kind: account
tenant: zoo
connector: pets
name: ada
spec: {label: Ada, shared: true}
---
kind: toolset
connector: pets
name: shops
spec: {title: Shops, select: {tags: [shops]}}
---
kind: server
tenant: zoo
name: desk
spec:
  accounts: [pets/ada]
  config: {methods: [read, write], tools: {deny: [add_*]}, result_tokens: 500}
  toolsets_off: [shops]
  expires_at: "2027-06-01T00:00:00Z"
---
kind: overlay
layer: server
connector: pets
tenant: zoo
target: desk
spec: {patch: {tools: {list_pets: {title: Find}}}}
"""


@pytest.fixture
def files(shell: Shell) -> Shell:
    shell.put("state/apis/pets.json", text_of(PETS))
    shell.put("state/zoo.yaml", STATE)
    return shell


def applied(shell: Shell, *words: str) -> list[str]:
    """What was done, in its order."""
    told = shell.ask("apply", "-f", "state", *words)
    return [f"{each['action']} {each['kind']} {' '.join(each['name'])}" for each in told["actions"]]


def elsewhere(shell: Shell) -> Shell:
    """Another gateway, empty."""
    return Shell(shell.folder, shell.capsys, shell.monkeypatch, AdminHouse())


def test_what_others_name_is_made_first_and_the_second_time_nothing_is(files):
    assert applied(files) == [
        "create tenant zoo",
        "create connector pets",
        "create account zoo pets ada",
        "create toolset pets shops",
        "create server zoo desk",
        "create overlay server pets zoo desk",
    ]
    assert files.ask("apply", "-f", "state") == {"actions": [], "unchanged": 6}
    assert files.ask("server", "show", "desk")["toolsets_off"] == ["shops"]


def test_a_plan_changes_nothing_and_says_member_by_member(files):
    assert len(applied(files, "--plan")) == 6
    assert files.ask("connector", "list")["items"] == []
    applied(files)
    files.ask("server", "set", "desk", "--deny", "x*", "--expires", "never")
    told = files.ask("apply", "-f", "state", "--plan")["actions"]
    assert [change["member"] for change in told[0]["changes"]] == ["config.tools", "expires_at"]
    assert files.type("apply", "-f", "state", "--plan").code == 0
    assert files.type("apply", "-f", "state", "--plan", "--fail-on-drift").code == 1
    assert "config.tools" in files.type("apply", "-f", "state", "--plan").out
    assert applied(files) == ["update server zoo desk"]
    assert files.type("apply", "-f", "state", "--plan", "--fail-on-drift").code == 0


def test_every_member_that_differs_is_set_back(files):
    applied(files)
    files.ask("tenant", "set", "zoo", "--name", "Other", "--metadata", '{"plan": "iron", "more": 1}')
    files.ask("account", "set", "ada", "--not-shared", "--end-user", "x", "--metadata", '{"a": 1}')
    files.ask("toolset", "set", "pets/shops", "--tag", "pets")
    files.ask("overlay", "set", "pets", '{"tools": {"list_pets": {"title": "Else"}}}', "--server", "desk")
    files.ask("server", "toolset", "on", "desk", "shops")
    files.ask("connector", "set", "pets", "--trusted", "--header", "X-B=2", "--all-tenants")
    assert len(applied(files)) == 6
    assert files.ask("apply", "-f", "state")["actions"] == []
    assert files.ask("tenant", "show", "zoo")["metadata"] == {"plan": "gold"}
    connector = files.ask("connector", "show", "pets")
    assert (connector["options"], connector["tenants"]) == ({"headers": {"X-A": "1"}}, ["zoo"])
    assert files.ask("account", "show", "ada")["metadata"] == {}


def test_a_version_that_was_read_otherwise_is_read_anew(files):
    applied(files)
    files.ask("connector", "set", "pets", "--header", "X-A=2")
    files.ask("connector", "import", "pets", "state/apis/pets.json")
    files.ask("connector", "promote", "pets", "2")
    files.ask("connector", "set", "pets", "--header", "X-A=1")
    (change,) = files.ask("apply", "-f", "state", "--plan")["actions"][0]["changes"]
    assert (change["member"], change["before"]) == ("document", "version 2")
    files.ask("apply", "-f", "state", "--breaking")
    assert files.ask("connector", "show", "pets")["current"] == 1
    assert files.ask("apply", "-f", "state")["actions"] == []


def test_suggested_toolsets_are_no_state_until_a_file_takes_one_over(shell):
    paths = {
        f"/{tag}/{at}": {"get": {"operationId": f"{tag}{at}", "tags": [tag], "responses": {}}}
        for tag in "abcd"
        for at in range(5)
    }
    shell.put("state/apis/many.json", text_of({**PETS, "paths": paths}))
    state = (
        "kind: connector\nname: many\nspec: {document: {file: apis/many.json}}\n---\n"
        "kind: toolset\nconnector: many\nname: NAME\nspec: {select: {tags: [a]}}\n"
    )
    shell.put("state/x.yaml", state.replace("NAME", "own"))
    assert len(applied(shell)) == 2
    suggested = shell.ask("toolset", "list", "--origin", "suggested")["items"]
    assert len(suggested) == 4
    assert [each["name"] for each in shell.ask("pull")["documents"] if each["kind"] == "toolset"] == ["own"]
    assert applied(shell, "--prune") == []
    shell.put("state/x.yaml", state.replace("NAME", suggested[1]["name"]))
    assert applied(shell, "--prune") == [f"update toolset many {suggested[1]['name']}", "remove toolset many own"]
    taken = shell.ask("toolset", "show", suggested[1]["id"])
    assert (taken["origin"], taken["select"]) == ("given", {"tags": ["a"]})
    assert applied(shell) == []


def test_what_goes_goes_before_what_it_stood_on(files):
    applied(files)
    others = (
        "kind: server\ntenant: zoo\nname: other\nspec: {connectors: [pets]}\n---\n"
        "kind: account\ntenant: zoo\nconnector: pets\nname: eve\nspec: {}\n"
    )
    files.put("state/zoo.yaml", others)
    done = applied(files, "--prune")
    assert done[-2:] == ["remove server zoo desk", "remove account zoo pets ada"]


def test_urls_of_new_servers_are_shown_once(files):
    done = files.type("apply", "-f", "state")
    assert "/mcp/als_" in done.out
    assert "shown this once" in done.err
    assert "/mcp/" not in files.type("apply", "-f", "state").out


def test_pulled_files_make_the_same_elsewhere(files):
    applied(files)
    files.ask("pull", "-o", "first")
    other = elsewhere(files)
    made = other.ask("apply", "-f", "first")
    other.ask("pull", "-o", "second")
    names = sorted(path.relative_to(files.folder / "first") for path in (files.folder / "first").rglob("*.*"))
    assert [str(name) for name in names] == ["documents/pets.1.json", "house.yaml", "tenant-zoo.yaml"]
    for name in names:
        assert (files.folder / "first" / name).read_bytes() == (files.folder / "second" / name).read_bytes()
    versions = [each.ask("connector", "versions", "pets")["items"][0]["hash"] for each in (files, other)]
    assert versions[0] == versions[1]
    assert next(each["hash"] for each in made["actions"] if each["kind"] == "connector") == versions[0]
    assert files.ask("apply", "-f", "first", "--prune")["actions"] == []


def test_names_that_a_tool_had_before_go_along(files):
    applied(files)
    renamed = json.loads(text_of(PETS))
    renamed["paths"]["/pets"]["get"]["operationId"] = "findAllPets"
    files.put("state/apis/pets.json", text_of(renamed))
    assert applied(files) == ["update connector pets"]
    current = files.ask("connector", "show", "pets")["current"]
    assert current == 2
    files.ask("pull", "-o", "first")
    other = elsewhere(files)
    other.ask("apply", "-f", "first")
    hashes = [
        each.ask("connector", "versions", "pets", "--state", "current")["items"][0]["hash"] for each in (files, other)
    ]
    assert hashes[0] == hashes[1]
    assert other.ask("apply", "-f", "first")["actions"] == []


def test_pulled_documents_are_valid_by_their_schemas_and_hold_no_secret_and_no_id(files):
    files.put("keys.json", '{"ApiKeyAuth": {"key": "s3cret"}}', 0o600)
    applied(files)
    files.ask("account", "set", "ada", "--credentials", "keys.json")
    files.put("secret", "s3cret", 0o600)
    files.ask("oauth-client", "add", "pets", "c", "--secret-file", "secret")
    documents = files.ask("pull")["documents"]
    assert {each["kind"] for each in documents} == set(WORDS)
    for document in documents:
        jsonschema_rs.Draft202012Validator(schema_of(KINDS[document["kind"]])).validate(document)
    text = str(documents)
    assert "s3cret" not in text
    assert not [prefix for prefix in ("acc_", "srv_", "ovl_", "key_", "tok_") if prefix in text]
    applied(files)
    assert files.ask("account", "show", "ada")["schemes"] == ["ApiKeyAuth"]


@pytest.mark.parametrize("word", WORDS)
def test_schemas_are_schemas(shell, word):
    schema = shell.ask("schema", word)
    jsonschema_rs.meta.validate(schema)
    assert schema["title"] == word


def test_pruning_reaches_the_kinds_and_tenants_that_appear_and_no_further(files):
    files.put("state/zoo.yaml", STATE.replace("  tenants: [zoo]\n", ""))
    applied(files)
    files.ask("account", "add", "pets", "--tenant", "zoo", "--label", "Ben")
    files.ask("account", "add", "pets", "--tenant", "acme", "--label", "Cy")
    files.ask("toolset", "add", "pets", "own", "--tenant", "zoo", "--tag", "shops")
    assert applied(files) == []
    assert applied(files, "--prune", "--plan") == ["remove account zoo pets Ben", "remove tenant acme"]
    without_tenants = STATE.replace("  tenants: [zoo]\n", "").partition("---")[2]
    files.put("state/zoo.yaml", without_tenants)
    assert applied(files, "--prune") == ["remove account zoo pets Ben"]
    assert [each["label"] for each in files.ask("account", "list", "--tenant", "acme")["items"]] == ["Cy"]
    assert files.ask("toolset", "show", "pets/own@zoo")["tenant"] == "zoo"


def test_it_stops_at_the_first_failure_and_says_what_was_done(files):
    files.put("state/zoo.yaml", STATE.replace("pets/ada", "pets/nobody"))
    done = files.type("apply", "-f", "state", "--json")
    assert done.code == 2
    told = done.value["actions"]
    assert [each["done"] for each in told] == [True, True, True, True, False, False]
    assert done.error["code"] == "state.reference"
    assert done.error["message"].startswith("server zoo desk: there is no account pets/nobody")
    files.put("state/zoo.yaml", STATE)
    assert len(applied(files)) == 2


def test_a_version_that_breaks_callers_is_served_only_when_told_to(files):
    applied(files)
    files.put("state/apis/pets.json", text_of({**PETS, "paths": {"/pets": PETS["paths"]["/pets"]}}))
    left = [part for part in STATE.split("---") if "kind: toolset" not in part]
    files.ask("server", "toolset", "on", "desk", "shops")
    files.ask("toolset", "remove", "pets/shops")
    files.put("state/zoo.yaml", "---".join(left).replace("  toolsets_off: [shops]\n", ""))
    done = files.type("apply", "-f", "state", "--json")
    assert done.error["code"] == "state.breaking"
    assert files.ask("connector", "show", "pets")["current"] == 1
    files.ask("apply", "-f", "state", "--breaking")
    assert files.ask("connector", "show", "pets")["current"] == 2
    assert files.ask("apply", "-f", "state")["actions"] == []


def test_versions_are_pinned_by_their_hash(files):
    applied(files)
    files.ask("server", "set", "desk", "--pin", "1")
    files.ask("pull", "-o", "first")
    pinned = next(each for each in files.ask("pull")["documents"] if each["kind"] == "server")["spec"]["config"]
    assert len(pinned["pin_version"]["pets"]) == 64
    other = elsewhere(files)
    other.ask("apply", "-f", "first")
    assert other.ask("server", "show", "desk")["config"]["pin_version"] == {"pets": 1}
    assert other.ask("apply", "-f", "first")["actions"] == []


URL = "https://pets.example.com/openapi.json"


def pulled_connector(shell: Shell) -> Any:
    return next(each for each in shell.ask("pull")["documents"] if each["kind"] == "connector")["spec"]


@pytest.fixture
def fetched(shell: Shell) -> Shell:
    """A shell whose gateway finds a document behind a URL."""
    shell.admin.ground.imports.pages[URL] = text_of(PETS).encode()
    shell.ask("connector", "add", URL, "--slug", "pets")
    return shell


def test_what_came_from_a_url_is_kept_with_its_document_and_fetched_anew_later(fetched):
    spec = pulled_connector(fetched)
    assert (spec["url"], json.loads(spec["document"]["text"])) == (URL, PETS)
    fetched.ask("pull", "-o", "first")
    other = elsewhere(fetched)
    other.ask("apply", "-f", "first")
    assert other.ask("connector", "show", "pets")["source"] == {"url": URL}
    assert other.ask("apply", "-f", "first")["actions"] == []
    assert fetched.ask("apply", "-f", "first")["actions"] == []


def test_a_document_in_parts_is_meant_by_its_hash(shell):
    parted = {**PETS, "paths": {**PETS["paths"], "/x": {"$ref": "parts.json#/x"}}}
    shell.admin.ground.imports.pages[URL] = text_of(parted).encode()
    shell.ask("connector", "add", URL, "--slug", "pets")
    spec = pulled_connector(shell)
    assert set(spec) == {"title", "url", "hash"}
    shell.ask("pull", "-o", "first")
    assert shell.ask("apply", "-f", "first")["actions"] == []
    other = elsewhere(shell)
    less = {**PETS, "paths": {"/pets": PETS["paths"]["/pets"]}}
    other.admin.ground.imports.pages[URL] = text_of(less).encode()
    done = other.type("apply", "-f", "first", "--json")
    assert (done.error["code"], done.code) == ("state.version", 2)
    other.admin.ground.imports.pages[URL] = text_of(parted).encode()
    assert [each["changes"][0]["member"] for each in other.ask("apply", "-f", "first")["actions"]] == ["hash"]
    assert other.ask("apply", "-f", "first")["actions"] == []


def test_an_account_that_nothing_names_is_said_to_be_in_the_way(files):
    applied(files)
    files.ask("account", "add", "pets", "--tenant", "zoo")
    assert files.refused("pull")["code"] == "state.unnamed"
    assert files.ask("apply", "-f", "state")["actions"] == []
    assert files.refused("apply", "-f", "state", "--prune")["code"] == "state.unnamed"
    for _ in range(2):
        files.ask("account", "add", "pets", "--tenant", "zoo", "--label", "ada")
    assert files.refused("apply", "-f", "state")["code"] == "state.unnamed"


def test_what_is_pulled_into_a_pipe_is_applied_from_one(files):
    applied(files)
    other = elsewhere(files)
    assert len(other.ask("apply", "-f", "-", typed=files.type("pull").out)["actions"]) == 7
    assert other.ask("apply", "-f", "-", typed=files.type("pull", "--json").out)["actions"] == []


def test_credentials_in_files_are_references_and_nothing_else(files):
    secret = STATE.replace("{label: Ada, shared: true}", "{credentials: {ApiKeyAuth: {key: s3cret}}}")
    files.put("state/zoo.yaml", secret)
    refused = files.refused("apply", "-f", "state")
    assert refused["code"] == "state.form"
    assert "s3cret" not in str(refused)


def test_references_are_followed_where_apply_runs(files):
    files.put(
        "state/zoo.yaml", STATE.replace("{label: Ada, shared: true}", "{credentials: {ApiKeyAuth: {ref: env:KEY}}}")
    )
    assert files.type("apply", "-f", "state").err.rstrip().endswith("a variable that is set, or file:PATH")
    files.environment = {"KEY": "s3cret"}
    done = files.type("apply", "-f", "state")
    assert "s3cret" not in done.out + done.err
    assert files.ask("account", "show", "ada")["schemes"] == ["ApiKeyAuth"]
    files.environment = {}
    assert applied(files) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("kind: sever\nname: x\nspec: {}", "state.kind"),
        ("kind: tenant\nspec: {}", "state.form"),
        ("kind: tenant\nname: x\nspec: {nam: y}", "state.form"),
        ("kind: tenant\nname: 7\nspec: {}", "state.form"),
        ("kind: tenant\nname: x\nspec: {}\n---\nkind: tenant\nname: x\nspec: {}", "state.twice"),
        ("kind: overlay\nlayer: server\nconnector: x\nspec: {patch: {}}", "state.form"),
        ("kind: connector\nname: x\nspec: {}", "state.form"),
        ("kind: connector\nname: x\nspec: {document: {file: nofile}}", "state.file"),
        ("- 1", "state.form"),
        ("a: [", "document.not_yaml"),
        ("kind: server\nname: x\nspec: {config: {methds: []}}", "config.unknown"),
    ],
)
def test_a_file_that_says_nothing_sound_is_refused_before_anything_is_done(shell, text, code):
    shell.put("bad.yaml", text)
    assert shell.refused("apply", "-f", "bad.yaml")["code"] == code


def test_a_place_without_files_of_state_is_refused(shell):
    (shell.folder / "empty").mkdir()
    for name in ("empty", "nothere.yaml", "\0", "x" * 300):
        assert shell.refused("apply", "-f", name)["code"] == "state.file"


def test_a_stream_of_documents_is_parted_at_its_markers_alone(tmp_path):
    (tmp_path / "x.yaml").write_text(
        '%YAML 1.2\n---\nkind: tenant\nname: "a---b"\nspec: {}\n...\n---\n# nothing\n--- \n'
        "kind: tenant\nname: c\nspec:\n  name: |\n    x\n    --- y\n"
    )
    documents = read_documents(tmp_path, ["x.yaml"])
    assert [each.key for each in documents] == [("a---b",), ("c",)]
    assert documents[1].spec["name"] == "x\n--- y\n"


@pytest.mark.parametrize(
    "value",
    [
        "010",
        "1.10",
        "yes",
        "null",
        "~",
        "1_000",
        "0x1F",
        "- x",
        "a: b",
        "",
        " ",
        "\n",
        "é\u2028",
        "#",
        "12:30",
        "2027-01-01",
        "---",
    ],
)
def test_what_is_written_is_read_back_as_it_was(value):
    whole = {"a": value, "b": [value, {value or "x": None}], "c": {"d": {"e": [[], {}, 1, 1.5, True]}}}
    text = write_yaml(whole)
    assert parse(text.encode(), "it")[0] == whole


def test_a_token_of_a_tenant_applies_what_is_the_tenants(files):
    applied(files)
    files.token = files.admin.principal("ada", "tenant-admin", "zoo")
    documents = files.ask("pull")["documents"]
    assert {each["kind"] for each in documents} == {"account", "server", "overlay"}
    files.put("own/own.yaml", "".join(write_yaml(each) for each in documents))
    assert files.ask("apply", "-f", "own")["actions"] == []
    assert files.refused("apply", "-f", "state")["code"] == "identity.forbidden"


def test_the_example_of_the_page_is_applied_as_it_stands(shell):
    page = (ROOT / "docs" / "declarative.md").read_text(encoding="utf-8")
    shell.put("state/example.yaml", page.partition("```yaml state\n")[2].partition("```")[0])
    shell.put("state/openapi.yaml", (ROOT / "docs_src" / "openapi.yaml").read_text(encoding="utf-8"))
    assert shell.refused("apply", "-f", "state")["code"] == "state.form"
    (shell.folder / "state" / "openapi.yaml").rename(shell.folder / "openapi.yaml")
    shell.put(
        "state/example.yaml",
        (shell.folder / "state/example.yaml").read_text().replace("openapi.yaml", "../openapi.yaml"),
    )
    shell.ask("tenant", "remove", "acme")
    assert len(applied(shell)) == 6
    assert applied(shell) == []
