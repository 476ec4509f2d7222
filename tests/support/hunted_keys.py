"""Gateways whose key-encryption key is given, lies in a keyring or is wrapped by a real OpenBao: a hunt of each.

The key is made, used and rotated there, and its source fails in every way, telling all that it knows.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from apiloom.app.gateway.keydesk import rotate, show
from apiloom.app.gateway.place import Place
from apiloom.base.errors import ApiloomError
from apiloom.console.house import KeyAsk
from apiloom.vault.custody import new_key_text
from support.gateway import ask, desk, gateway
from support.hunted_people import hunting, reached, searched
from support.hunting import Hunt
from support.keyring_in_memory import InMemory
from support.leaks import Canaries, shown
from support.mirror_elsewhere import Elsewhere, elsewhere, telling_bao
from support.openbao import OpenBao
from support.upstream import Answer

MADE_IN = {
    "given": ("apiloom.app.gateway.key_sources.key_sources",),
    "keyring": ("apiloom.app.gateway.key_sources.KeyringKeys._write", "apiloom.vault.keyrings.read_entry"),
    "bao": ("apiloom.app.references._token",),
}


def placed(source: str, places: Elsewhere, canaries: Canaries) -> dict[str, str]:
    """What a command is told of a source; a secret stands in it where the source is the environment alone."""
    if source == "given":
        key = canaries.add("the key that is given", new_key_text())
        return {"APILOOM_KEY": key}
    if source == "keyring":
        return {"APILOOM_KEY": "keyring:apiloom/main"}
    name = f"k{uuid4().hex}"
    places.openbao.transit_key(name)
    token = places.openbao.token_for(f'path "transit/+/{name}" {{ capabilities = ["update"] }}')
    file = Path(places.environment["BAO_TOKEN_FILE"])
    file.write_text(canaries.add("the token of transit", token))
    return {"APILOOM_KEY": f"bao:{name}", "BAO_ADDR": places.openbao.address, "BAO_TOKEN_FILE": str(file)}


async def by_a_key_source(folder: Path, openbao: OpenBao, source: str, leaking: str = "") -> None:
    """Made, used, rotated, refused."""
    async with hunting(folder) as harvest:
        with elsewhere(folder, openbao, harvest.canaries) as places, desk() as api:
            around = places.environment
            around.update(placed(source, places, harvest.canaries))
            async with gateway(folder, surroundings=around) as house:
                hidden = places.folder.iterdir()
                async with searched(house, folder, harvest, leaking, but=tuple(hidden)) as hunt:
                    await house.connector("desk", api.api.url)
                    account = await house.account("desk", hunt.canaries.add("a token under the key"))
                    url = house.at(await house.server(accounts=[account.id]))
                    place = house.grounds.place
                    await told_by(hunt, place, "rotate")
                    if source == "given":
                        fresh = hunt.canaries.add("the next key that is given", new_key_text())
                        place.environment["APILOOM_KEY"] += f",{fresh}"  # type: ignore[index]  # the tests' own
                        await told_by(hunt, place, "rotate")
                    else:
                        await failing(hunt, places, source)
                    await house.settle()
                    listing = {"name": "list_notes", "arguments": {}}
                    hunt.took("answers", await ask(hunt.client, url, "tools/call", listing))
                    if source == "bao":
                        hunt.surroundings = {name: around[name] for name in around if name[:4] in ("APIL", "BAO_")}
                        await hunt.commands(("key", "show"), ("key", "rotate"))
    reached(harvest, *MADE_IN[source])


async def told_by(hunt: Hunt, place: Place, word: str) -> None:
    """What ``apiloom key`` answers, and what it is refused with, with all that the frames of the refusal hold."""
    said: list[str] = []
    try:
        if word == "rotate":
            hunt.take("rotation", repr(await rotate(place, KeyAsk(word="rotate"), said.append)), *said)
        else:
            hunt.take("rotation", repr(await show(place)))
    except ApiloomError as error:
        hunt.take("refusals", error.sentence(), repr(error), repr(error.facts), *said)
        hunt.take("crash", shown(error))


async def failing(hunt: Hunt, places: Elsewhere, source: str) -> None:
    """A source that cannot be read, or says more than it should."""
    place = hunt.house.grounds.place
    around: dict[str, str] = place.environment  # type: ignore[assignment]  # the tests' own
    true = dict(around)
    if source == "keyring":
        for mode in ("telling", "locked"):
            InMemory.mode = mode
            for word in ("rotate", "show"):
                await told_by(hunt, place, word)
        InMemory.mode = ""
        kept = InMemory.entries["apiloom", "main"]
        InMemory.entries["apiloom", "main"] = f"{kept}x\n{kept[:-3]}"
        await told_by(hunt, place, "show")
        InMemory.entries["apiloom", "main"] = kept
        return
    with telling_bao(places) as (liar, answers):
        around["BAO_ADDR"] = liar.url
        for status, how in ((500, None), (403, None), (400, None), (200, "broken"), (200, None)):
            answers.append(Answer(how, status))
            for word in ("rotate", "show"):
                await told_by(hunt, place, word)
    around.update(true)
