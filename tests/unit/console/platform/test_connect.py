"""``apiloom connect``: a link for people and for programs, and word of what came of it."""

from __future__ import annotations

import pytest

from support.admin import PETS, text_of
from support.shell import Shell, shell

__all__ = ["shell"]


@pytest.fixture
def pets(shell: Shell) -> Shell:
    shell.put("pets.json", text_of(PETS))
    shell.ask("connector", "add", "pets.json", "--slug", "pets")
    return shell


def test_a_link_stands_alone_on_a_line(pets):
    done = pets.type("connect", "pets", "--tenant", "acme", "--end-user", "ann")
    assert done.code == 0, done.err
    (line,) = done.out.splitlines()
    assert line.startswith("https://")
    assert "/connect/cs_" in line
    assert "in the first browser that opens it" in done.err
    assert line not in done.err


def test_what_is_said_of_the_account_and_the_page_is_passed_on(pets):
    words = ["connect", "pets", "--tenant", "acme", "--external-id", "x", "--label", "Main", "--expires-in", "60"]
    made = pets.ask(*words, "--scope", "more", "--look", '{"language": "de"}', "--check")
    assert (made["external_id"], made["state"], made["account"]) == ("x", "open", None)
    assert pets.refused(*words, "--allowed-origin", "https://x.example.com")["code"] == "connect.origin"
    assert pets.refused(*words, "--return-url", "https://x.example.com/")["code"] == "connect.origin"


def test_an_account_is_connected_anew_by_its_name(pets):
    account = pets.ask("account", "add", "pets", "--tenant", "acme", "--external-id", "crm-1")
    made = pets.ask("connect", "--account", "crm-1", "--tenant", "acme")
    assert (made["account"], made["connector"]) == (account["id"], "pets")


@pytest.mark.parametrize("words", [(), ("pets", "--account", "acc_x")])
def test_it_is_for_one_of_them(pets, words):
    assert pets.refused("connect", *words)["code"] == "cli.usage"
