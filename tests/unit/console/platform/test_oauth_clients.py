"""``apiloom oauth-client`` and ``apiloom event``: secrets come from where nobody looks, and are shown nowhere."""

from __future__ import annotations

import pytest

from support.admin import PETS, text_of
from support.shell import Shell, shell

__all__ = ["shell"]

SECRET = "hush-that-nobody-may-see"


@pytest.fixture
def pets(shell: Shell) -> Shell:
    shell.put("pets.json", text_of(PETS))
    shell.ask("connector", "add", "pets.json", "--slug", "pets")
    return shell


def test_a_client_is_kept_listed_changed_and_removed(pets: Shell) -> None:
    pets.put("secret", f"{SECRET}\n", 0o600)
    words = ("oauth-client", "add", "pets", "c1", "--secret-file", "secret", "--scope", "b", "--scope", "a")
    done = pets.type(*words, "--endpoint", "token_url=https://id.example.com/token", "--parameter", "prompt=consent")
    assert done.code == 0, done.err
    assert "/connect/callback" in done.out
    assert SECRET not in f"{done.out}{done.err}"
    (listed,) = pets.ask("oauth-client", "list", "--connector", "pets")["items"]
    assert (listed["proof"], listed["scopes"], listed["tenant"]) == ("client_secret", ["b", "a"], None)
    assert listed["endpoints"] == {"token_url": "https://id.example.com/token"}
    id_ = listed["id"]
    assert pets.ask("oauth-client", "set", id_, "--label", "Ours", "--client-id", "c2")["client_id"] == "c2"
    moved = pets.refused("oauth-client", "set", id_, "--endpoint", "token_url=https://evil.example.com/token")
    assert moved["code"] == "oauth_client.moved"
    assert pets.ask("oauth-client", "set", id_, "--unset", "secret")["proof"] == ""
    assert pets.ask("oauth-client", "show", id_)["label"] == "Ours"
    assert pets.ask("oauth-client", "remove", id_)["done"] is True
    assert pets.ask("event", "list") == {"items": [], "next_cursor": None}


def test_a_secret_comes_from_one_place_and_never_from_an_argument(pets: Shell) -> None:
    pets.put("open", SECRET, 0o644)
    pets.put("key.pem", "PEM", 0o600)
    add = ("oauth-client", "add", "pets", "c", "--tenant", "acme", "--scheme")
    assert pets.refused(*add, "a", "--secret")["code"] == "cli.no_secret"
    assert pets.refused(*add, "a", "--secret-file", "open")["code"] == "credentials.file"
    assert pets.refused(*add, "a", "--secret", "--secret-ref", "env:X")["code"] == "cli.no_secret"
    pets.environment["APILOOM_OAUTH_SECRET"] = SECRET
    assert pets.ask(*add, "a", "--secret")["proof"] == "client_secret"
    made = pets.ask(*add, "b", "--private-key-file", "key.pem", "--key-id", "k")
    assert made["proof"] == "private_key"
    # the id of a key alone would be lost in silence
    for words in ((*add, "d", "--key-id", "k"), ("oauth-client", "set", made["id"], "--key-id", "k", "--label", "x")):
        assert pets.refused(*words)["code"] == "cli.no_secret"
    assert pets.ask("oauth-client", "show", made["id"])["label"] == ""
    assert pets.refused(*add, "c", "--secret-ref", "env:X")["code"] == "identity.forbidden"


STATE = """
kind: oauth-client
connector: pets
spec: {client_id: house, scopes: [b, a]}
---
kind: oauth-client
tenant: acme
connector: pets
scheme: login
spec:
  client_id: its
  secret: {ref: "env:APP"}
  endpoints: {token_url: "https://id.example.com/token"}
"""


def test_clients_in_files_are_applied_once_pulled_and_pruned(pets: Shell) -> None:
    pets.environment["APP"] = SECRET
    pets.put("state.yaml", STATE)
    done = pets.type("apply", "-f", "state.yaml")
    assert done.code == 0, done.err
    assert SECRET not in f"{done.out}{done.err}"
    kept = {one["client_id"]: one for one in pets.ask("oauth-client", "list")["items"]}
    assert (kept["its"]["tenant"], kept["its"]["scheme"], kept["its"]["proof"]) == ("acme", "login", "client_secret")
    assert kept["house"]["scopes"] == ["b", "a"]
    again = pets.ask("apply", "-f", "state.yaml")
    assert again["actions"] == []
    pets.put("state.yaml", STATE.replace("id.example.com", "new.example.com").replace("house,", "other,"))
    assert pets.type("apply", "-f", "state.yaml").code == 0
    kept = {one["client_id"]: one for one in pets.ask("oauth-client", "list")["items"]}
    assert kept["its"]["endpoints"] == {"token_url": "https://new.example.com/token"}
    assert kept["its"]["proof"] == "client_secret"
    assert "other" in kept
    pulled = pets.type("pull")
    assert pulled.code == 0, pulled.err
    assert "kind: oauth-client" in pulled.out
    assert SECRET not in pulled.out
    pets.put("less.yaml", STATE.partition("---")[0])
    assert pets.type("apply", "-f", "less.yaml", "--prune").code == 0
    assert len(pets.ask("oauth-client", "list")["items"]) == 2, "the tenant's did not appear in the file"
