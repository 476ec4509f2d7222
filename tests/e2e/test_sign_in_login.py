"""``apiloom login``: somebody signs in with the browser of this computer, and commands are theirs until that ends."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from support.gateway import gateway
from support.issuer import received
from support.servers import APILOOM, clean_environment
from support.signing_in import Person


async def said(folder: Path, *words: str) -> tuple[int, str, str]:
    """What a command prints, and its exit code."""
    process = await asyncio.create_subprocess_exec(
        *(*APILOOM, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(str(folder)),
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), errors.decode()


async def test_somebody_signs_in_and_their_commands_are_theirs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with gateway(tmp_path, running=True) as house:
        received(house, tmp_path, {"facade": {}})
        assert (await said(home, "tenant", "list", "--gateway", house.url))[0] == 2
        process = await asyncio.create_subprocess_exec(
            *(*APILOOM, "login", "--gateway", house.url),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(str(home)),
        )
        assert process.stderr is not None
        line = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
        url = line[line.index("http") :].strip()
        person = Person(token=await house.api_token(role="auditor"))
        place = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        back = await person.open(url, until=(place,))
        assert "as auditor" in person.seen[-1]
        assert (await person.client.get(back)).status_code == 200
        rest = (await asyncio.wait_for(process.communicate(), 60))[1].decode()
        assert process.returncode == 0
        assert "you are signed in" in rest
        (file,) = home.rglob("sign-ins/*.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(file.read_bytes())["access"] not in line + rest

        code, out, _ = await said(home, "tenant", "list", "--gateway", house.url, "--json")
        assert (code, json.loads(out)["items"][0]["id"]) == (0, "default")
        assert (await said(home, "tenant", "add", "acme", "--gateway", house.url))[0] == 2
        # a token that has ended is renewed by itself
        file.write_text(json.dumps({**json.loads(file.read_bytes()), "ends": 0}))
        assert (await said(home, "tenant", "list", "--gateway", house.url))[0] == 0

        kept = file.read_bytes()
        assert (await said(home, "login", "--gateway", house.url, "--end"))[0] == 0
        assert not file.exists()
        file.write_bytes(kept)
        assert (await said(home, "tenant", "list", "--gateway", house.url))[0] != 0
        await person.client.aclose()
