"""The quick server's endpoint: names of tools and of the server, over one source and over several."""

from pathlib import Path
from typing import Any

import pytest

from apiloom.app.connectors import Loaded, Reading
from apiloom.app.environment import Given
from apiloom.app.quick import Quick, build_quick
from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.calls.call import Call
from apiloom.calls.endpoint import Endpoint
from apiloom.console.house import Options
from apiloom.net.request import Request, Response
from apiloom.vault.credentials import Credentials

ANSWER = {"200": {"description": "it", "content": {"application/json": {"schema": {"type": "object"}}}}}


def source(folder: Path, title: str, tools: int, **more: Any) -> str:
    paths = {f"/{number}": {"get": {"operationId": f"get{number}", "responses": ANSWER}} for number in range(tools)}
    document = {"openapi": "3.1.0", "info": {"title": title, "version": "1"}, "paths": paths, **more}
    path = folder / f"{title.lower()}-{tools}.json"
    path.write_bytes(json.dumps({"servers": [{"url": "http://127.0.0.1:9"}], **document}))
    return str(path)


def quick_of(options: Options, *sources: str) -> tuple[Quick, Endpoint]:
    loaded: list[Loaded] = [Reading(lambda _: None).connector(one, options) for one in sources]
    quick = build_quick(options, lambda _: None)
    return quick, quick.put(loaded)


def listed(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [tool for page in endpoint.listing.pages for tool in json.loads(b"[" + page + b"]")]


async def test_the_name_of_a_server_never_reaches_the_names_of_its_tools(tmp_path: Path) -> None:
    sources = (source(tmp_path, "Pets", 1), source(tmp_path, "Shop", 1))
    quick, endpoint = quick_of(Options(name="My Server!", cache=False), *sources)
    assert endpoint.name == "My Server!"
    assert [tool["name"] for tool in listed(endpoint)] == ["pets_get0", "shop_get0"]
    await quick.sender.close()


@pytest.mark.parametrize(("titles", "name"), [(("Pets",), "pets"), (("Pets", "Shop"), "apiloom")])
async def test_a_server_without_a_name_has_its_only_sources_or_ours(
    tmp_path: Path, titles: tuple[str, ...], name: str
) -> None:
    quick, endpoint = quick_of(Options(cache=False), *(source(tmp_path, title, 1) for title in titles))
    assert endpoint.name == name
    await quick.sender.close()


@pytest.mark.parametrize(("second", "with_output"), [(20, 40), (21, 0)])
async def test_a_list_that_grows_long_by_its_sources_leaves_answers_out_too(
    tmp_path: Path, second: int, with_output: int
) -> None:
    quick, endpoint = quick_of(Options(cache=False), source(tmp_path, "Pets", 20), source(tmp_path, "Shop", second))
    tools = listed(endpoint)
    assert len(tools) == 20 + second
    assert sum("outputSchema" in tool for tool in tools) == with_output
    await quick.sender.close()


class Refusing:
    """A sender to an API that lets nobody in."""

    async def send(self, _: Request) -> Response:
        return Response(status=401, headers=[], body=b"")

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("titles", "variable"), [(("Pets",), "APILOOM_AUTH_KEY"), (("Pets", "Shop"), "APILOOM_PETS_AUTH_KEY")]
)
async def test_a_missing_credential_is_asked_for_by_the_name_that_counts(
    tmp_path: Path, titles: tuple[str, ...], variable: str
) -> None:
    guarded = {
        "security": [{"Key": []}],
        "components": {"securitySchemes": {"Key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
    }
    options = Options(cache=False)
    loaded = [Reading(lambda _: None).connector(source(tmp_path, title, 1, **guarded), options) for title in titles]
    quick = Quick(
        options=Options(timeout=5),
        sender=Refusing(),
        given=lambda read, _slug, _slugs: Given(credentials=Credentials(), schemes=read.schemes),
    )
    name = "get0" if len(titles) == 1 else "pets_get0"
    outcome = await quick.put(loaded).run(Call(tool=name, arguments={}))
    assert f"set {variable} where apiloom runs" in str(outcome.content)


async def test_a_source_that_takes_the_title_of_another_one_is_not_called_like_it(tmp_path: Path) -> None:
    """Its author could otherwise have the other one's key sent to a server of their own, by an edit."""

    def rendered(title: str, port: int) -> str:
        schemes = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}
        path = source(tmp_path, "Evil" if port == 9 else "Pets", 1)
        value = json.loads(Path(path).read_bytes())
        value["info"]["title"] = title
        value |= {"servers": [{"url": f"http://127.0.0.1:{port}"}], "security": [{"key": []}]}
        Path(path).write_bytes(json.dumps({**value, "components": {"securitySchemes": schemes}}))
        return path

    sources, asked = (rendered("Evil", 9), rendered("Pets", 8)), []

    def given(loaded: Loaded, slug: str, slugs: tuple[str, ...]) -> Given:
        asked.append((Path(loaded.source).stem, slug, slugs))
        return Given(credentials=Credentials(), schemes=loaded.schemes)

    options = Options(cache=False)
    quick, _ = quick_of(options, *sources)
    quick.given = given
    rendered("Pets", 9)
    endpoint = quick.put([Reading(lambda _: None).connector(one, options) for one in sources])
    assert asked == [("evil-1", "evil", ("evil", "pets")), ("pets-1", "pets", ("evil", "pets"))]
    assert [tool["name"] for tool in listed(endpoint)] == ["evil_get0", "pets_get0"]
    await quick.sender.close()


async def test_a_credential_that_its_scheme_cannot_send_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APILOOM_AUTH_BASIC", "s3cret-without-a-colon")
    schemes = {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}}
    path = source(tmp_path, "Pets", 1, components=schemes, security=[{"basic": []}])
    with pytest.raises(DesignError, match="basic authentication needs two") as told:
        quick_of(Options(cache=False), path)
    assert "s3cret" not in told.value.sentence()


async def test_a_source_that_is_not_called_by_its_title_is_told(tmp_path: Path) -> None:
    options, said = Options(cache=False), list[str]()
    (tmp_path / "other").mkdir()
    sources = (source(tmp_path, "Pets", 1), source(tmp_path / "other", "Pets", 1), source(tmp_path, "Shop", 1))
    quick = build_quick(options, said.append)
    quick.put([Reading(lambda _: None).connector(one, options) for one in sources])
    assert said == [f"{sources[1]} is called pets2 here, though its title makes it pets"]
    await quick.sender.close()
