"""Which origin and folder requests go to, and that no variable can move them elsewhere."""

from __future__ import annotations

import pytest
from pyreqwest.http import Url

from apiloom.base.errors import DesignError
from apiloom.catalog.servers import BaseUrl, choose_server, resolve_origin
from apiloom.model.api import Server, ServerVariable
from apiloom.net.target import plain_origin

DOCUMENT = "https://docs.example.com/api/v3/openapi.json"


def resolved(*urls: str, document: str = "", override: str = "", own: bool = False) -> str:
    """Origin and prefix in one text."""
    base = resolve_origin(
        [Server(url=url) for url in urls],
        own_servers=own,
        base_url_override=override,
        document_url=document,
        variables={},
    )
    assert plain_origin(base.origin)
    return base.origin + base.path_prefix


def templated(url: str, variables: dict[str, ServerVariable], **values: str) -> str:
    server = Server(url=url, variables=variables)
    base = resolve_origin([server], own_servers=False, base_url_override=None, document_url="", variables=values)
    return base.origin + base.path_prefix


ANY = ServerVariable(default="x")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com//", "https://api.example.com"),
        ("https://api.example.com//a//b/", "https://api.example.com//a//b"),
        ("HTTPS://API.Example.COM:443/V1", "https://api.example.com/V1"),
        ("http://api.example.com:80", "http://api.example.com"),
        ("http://api.example.com:8080/a", "http://api.example.com:8080/a"),
        ("https://api.example.com:80", "https://api.example.com:80"),
        ("https://api.example.com:", "https://api.example.com"),
        ("  https://api.example.com/v1 ", "https://api.example.com/v1"),
        ("https://münchen.example/ä b", "https://xn--mnchen-3ya.example/%C3%A4%20b"),
        ("https://Straße.example", "https://xn--strae-oqa.example"),
        ("https://日本。example", "https://xn--wgv71a.example"),
        ("https://my_host.example/%7Euser", "https://my_host.example/%7Euser"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a"),
        ("http://[2001:DB8:0:0:0:0:0:1]", "http://[2001:db8::1]"),
        ("http://[::ffff:1.2.3.4]", "http://[::ffff:102:304]"),
        ("http://[1:0:0:2:0:0:0:3]", "http://[1:0:0:2::3]"),
        ("http://[::]", "http://[::]"),
        ("http://[1:2:3:4:5:6:7:8]", "http://[1:2:3:4:5:6:7:8]"),
    ],
)
def test_an_absolute_server_becomes_an_origin_and_a_prefix(url: str, base: str):
    assert resolved(url) == base


@pytest.mark.parametrize(
    "url",
    ["https://münchen.example", "http://[::ffff:1.2.3.4]:81", "http://[1:0:0:2:0:0:0:3]", "https://STRASSE.example"],
)
def test_an_origin_is_spelled_as_the_http_client_spells_it(url: str):
    base = resolve_origin([Server(url=url)])
    assert str(Url(base.origin + "/x")) == base.origin + "/x"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("/v2", "https://docs.example.com/v2"),
        ("v2", "https://docs.example.com/api/v3/v2"),
        ("./", "https://docs.example.com/api/v3"),
        ("../v4/", "https://docs.example.com/api/v4"),
        ("/", "https://docs.example.com"),
        ("", "https://docs.example.com"),
        ("//other.example/x", "https://other.example/x"),
    ],
)
def test_a_relative_server_resolves_against_the_documents_url(url: str, base: str):
    assert resolved(url, document=DOCUMENT) == base


def test_a_document_without_servers_means_the_root_of_where_it_came_from():
    assert resolved(document=DOCUMENT) == "https://docs.example.com"


def test_a_server_without_a_scheme_is_taken_for_https_where_nothing_says_otherwise():
    assert resolved("//api.example.com/v1") == "https://api.example.com/v1"
    assert resolved("//api.example.com/v1", document="http://h/doc.json") == "http://api.example.com/v1"


@pytest.mark.parametrize("urls", [("/v1",), ("",), (), ("api.example.com/v1",), ("./",)])
@pytest.mark.parametrize("document", ["", "file:///etc/openapi.json"])
def test_without_any_absolute_url_the_caller_is_told_to_name_one(urls: tuple[str, ...], document: str):
    with pytest.raises(DesignError, match=r"no absolute URL|does not say where its API") as told:
        resolved(*urls, document=document)
    assert told.value.code == "server.missing"
    assert "--base-url" in told.value.hint


def test_the_override_replaces_the_documents_servers():
    assert (
        resolved("https://api.example.com/v1", override="http://127.0.0.1:4010/mock/") == "http://127.0.0.1:4010/mock"
    )
    assert resolved(override="http://127.0.0.1:4010") == "http://127.0.0.1:4010"


def test_the_override_leaves_the_servers_of_a_path_or_operation_alone():
    assert resolved("https://upload.example.com/v1", override="http://127.0.0.1:4010", own=True) == (
        "https://upload.example.com/v1"
    )


def test_a_relative_server_of_an_operation_resolves_against_the_override_then_the_document():
    assert (
        resolved("/up", override="http://127.0.0.1:4010/x/", document=DOCUMENT, own=True) == "http://127.0.0.1:4010/up"
    )
    assert resolved("/up", document=DOCUMENT, own=True) == "https://docs.example.com/up"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.example.com",
        "ws://api.example.com",
        "localhost:3000/v1",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://user:secret@api.example.com",
        "https://api.example.com@evil.example",
        "https://api.example.com/v1?x=1",
        "https://api.example.com/v1#top",
        "https://api.example.com:99999",
        "https://api.example.com:0",
        "https://api.example.com:80a",
        "https://api..example.com",
        "https://-api-.example.com",
        "https://a b.example",
        "https://api.example.com%2f.evil.example",
        "https://" + "a" * 64 + ".example",
        "https://256.1.1.1",
        "http://0x7f.1",
        "http://2130706433",
        "http://127.1",
        "http://[::1",
        "http://[::1]evil.example",
        "http://[fe80::1%25eth0]",
        "http://[nonsense]",
        "https://api.example.com/a/../b",
        "https://api.example.com/%2e%2e/b",
        "https://api.example.com/a\\b",
        "https://{host",
        "https://host}",
    ],
)
def test_a_server_no_request_can_go_to_is_the_documents_fault(url: str):
    with pytest.raises(DesignError) as told:
        resolved(url)
    assert told.value.code == "server.invalid"
    assert "secret" not in told.value.sentence()


def test_an_override_that_is_no_base_url_is_refused():
    for url in ("api.example.com", "localhost:80", "https://x/?a=1", "/v1"):
        with pytest.raises(DesignError) as told:
            resolved("https://api.example.com", override=url)
        assert told.value.code == "server.invalid"


def test_the_first_server_that_can_be_used_counts():
    assert resolved("wss://a.example", "/relative", "https://b.example", "https://c.example") == "https://b.example"


def test_the_https_twin_of_the_first_server_is_taken():
    assert resolved("http://a.example/v1", "https://a.example/v1") == "https://a.example/v1"
    assert resolved("http://a.example/v1", "https://b.example/v1") == "http://a.example/v1"


def test_variables_take_their_defaults_and_given_values():
    variables = {"region": ServerVariable(default="eu", enum=("eu", "us")), "v": ServerVariable(default="v1")}
    assert templated("https://{region}.example.com/{v}", variables) == "https://eu.example.com/v1"
    assert (
        templated("https://{region}.example.com/{v}", variables, region="us", v="v 2") == "https://us.example.com/v%202"
    )


@pytest.mark.parametrize(
    ("variables", "values"),
    [
        ({"t": ServerVariable(default=None)}, {}),
        ({}, {}),
        ({"t": ServerVariable(default="eu", enum=("eu", "us"))}, {"t": "cn"}),
    ],
)
def test_a_variable_without_a_value_or_outside_its_list_is_told(
    variables: dict[str, ServerVariable], values: dict[str, str]
):
    with pytest.raises(DesignError, match="server variable 't'") as told:
        templated("https://{t}.example.com", variables, **values)
    assert told.value.code == "server.variable"


@pytest.mark.parametrize(
    "place", ["https://{t}.example.com/v1", "https://{t}/v1", "https://api.example.com:{t}", "//{t}/"]
)
@pytest.mark.parametrize(
    "value",
    ["evil.example/", "evil.example/x", "a@evil", "x?y", "x#y", "x\\y", "evil.example%2f", "a b", "a\tb", "a\r\nb"],
)
def test_a_variable_in_the_host_never_leaves_it(place: str, value: str):
    with pytest.raises(DesignError) as told:
        templated(place, {"t": ANY}, t=value)
    assert told.value.code == "server.variable"


@pytest.mark.parametrize("value", ["evil.example:1", "", ".", "-", "a..b"])
def test_a_variable_that_makes_no_host_is_refused(value: str):
    with pytest.raises(DesignError):
        templated("https://{t}.example.com/v1", {"t": ANY}, t=value)


def test_a_variable_that_is_the_whole_host_may_bring_a_port():
    assert templated("https://{t}/v1", {"t": ANY}, t="my-host.example:8443") == "https://my-host.example:8443/v1"


@pytest.mark.parametrize("value", ["../admin", "..", "a/../b", "%2e%2e", "a\tb", "..;x"])
def test_a_variable_in_the_path_never_leads_out_of_it(value: str):
    with pytest.raises(DesignError) as told:
        templated("https://api.example.com/{t}/v1", {"t": ANY}, t=value)
    assert told.value.code == "server.variable"


def test_a_variable_in_the_path_may_hold_folders():
    assert templated("https://api.example.com/{t}", {"t": ANY}, t="a/b c") == "https://api.example.com/a/b%20c"


def test_a_variable_in_the_path_has_everything_escaped_that_would_end_it():
    assert (
        templated("https://api.example.com/{t}", {"t": ANY}, t="a?b#c\\@d") == "https://api.example.com/a%3Fb%23c%5C@d"
    )


def test_a_scheme_variable_is_http_or_https():
    assert (
        templated("{s}://api.example.com", {"s": ServerVariable(default="https")}, s="http") == "http://api.example.com"
    )
    with pytest.raises(DesignError) as told:
        templated("{s}://api.example.com", {"s": ServerVariable(default="https")}, s="ftp")
    assert told.value.code == "server.variable"


def test_a_template_that_is_one_variable_takes_a_whole_url():
    assert templated("{base}/v1", {"base": ServerVariable(default="https://a.example")}) == "https://a.example/v1"
    assert templated("{base}/v1", {"base": ANY}, base="http://b.example:81") == "http://b.example:81/v1"


def test_values_that_the_document_lists_are_its_own_text():
    path = ServerVariable(default="/v1", enum=("/v1", "/v2"))
    assert templated("https://api.example.com{path}", {"path": path}, path="/v2") == "https://api.example.com/v2"


def test_a_given_value_chooses_the_server_whose_list_has_it():
    def regional(host: str, *regions: str) -> Server:
        return Server(
            url=f"https://{{region}}.{host}", variables={"region": ServerVariable(default=regions[0], enum=regions)}
        )

    servers = [regional("aws.example", "eu", "us"), regional("aws.example.cn", "cn")]
    assert resolve_origin(servers, variables={"region": "cn"}) == BaseUrl(origin="https://cn.aws.example.cn")
    assert resolve_origin(servers) == BaseUrl(origin="https://eu.aws.example")


def test_a_server_that_waits_for_a_value_is_not_passed_over():
    servers = [Server(url="https://{tenant}.example"), Server(url="https://sandbox.example")]
    with pytest.raises(DesignError, match="'tenant' has no value"):
        resolve_origin(servers)


LISTED = [
    Server(url="https://api.example", description="Production"),
    Server(url="https://eu.example", description="Production  in Europe"),
    Server(url="https://sandbox.example/v1", description="Sandbox"),
]


@pytest.mark.parametrize(
    ("wanted", "url"),
    [
        ("1", "https://api.example"),
        ("3", "https://sandbox.example/v1"),
        ("sandbox", "https://sandbox.example/v1"),
        ("production", "https://api.example"),
        ("europe", "https://eu.example"),
        ("https://eu.example", "https://eu.example"),
        ("eu.", "https://eu.example"),
    ],
)
def test_a_server_is_chosen_by_number_name_or_url(wanted: str, url: str):
    assert choose_server(LISTED, wanted).url == url


@pytest.mark.parametrize("wanted", ["0", "4", "99999999999", "prod", "x", ""])
def test_a_choice_that_fits_none_or_several_is_told_with_what_there_is(wanted: str):
    with pytest.raises(DesignError) as told:
        choose_server(LISTED, wanted)
    assert told.value.code == "server.choice"
    assert "3 is https://sandbox.example/v1 (Sandbox)" in told.value.hint


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("tenant", "yourcompany"),
        ("host", "your-domain.example.com"),
        ("store", "my-store"),
        ("x", "{x}"),
        ("x", "<subdomain>"),
        ("shard", "shard"),
        ("x", "example"),
        ("x", "XXXX"),
        ("x", "tenant"),
    ],
)
def test_a_host_that_is_only_a_stand_in_is_asked_for(name: str, default: str):
    variables = {name: ServerVariable(default=default, description="What your address begins with.")}
    with pytest.raises(DesignError, match="stand-in") as told:
        templated(f"https://{{{name}}}.desk.example/v1", variables)
    assert f"begins with.; give it with --variable {name}=VALUE, or say" in told.value.hint
    assert (
        templated(f"https://{{{name}}}.desk.example/v1", variables, **{name: "acme"}) == "https://acme.desk.example/v1"
    )


@pytest.mark.parametrize("default", ["api", "eu", "demo", "us-east-1", "localhost", "my.api", "v1", "www", "maya"])
def test_a_real_default_is_taken(default: str):
    assert templated("https://{x}.desk.example", {"x": ServerVariable(default=default)}).startswith(
        f"https://{default}"
    )


def test_a_stand_in_outside_the_host_or_in_a_list_is_the_documents_own_matter():
    assert templated("https://api.example/{tenant}", {"tenant": ServerVariable(default="tenant")})
    listed = ServerVariable(default="tenant", enum=("tenant", "other"))
    assert templated("https://{tenant}.api.example", {"tenant": listed}) == "https://tenant.api.example"


@pytest.mark.parametrize("sign", ["\u200b", "\u200d", "\u00ad", "\ufeff", "\u2060"])
def test_a_host_that_reads_like_another_one_is_refused(sign: str) -> None:
    with pytest.raises(DesignError, match="has a host name that is none"):
        resolved(f"https://api.exa{sign}mple")
    assert resolved("https://हिन्दी.example") == "https://xn--j2bd4cyah0f.example"


@pytest.mark.parametrize("label", ["your-company", "YOUR_DOMAIN", "your_app", "change-me", "replaceme"])
def test_a_host_that_is_to_be_filled_in_is_asked_for(label: str) -> None:
    with pytest.raises(DesignError, match="has a host name with a part that you are to fill in") as told:
        resolved(f"https://{label}.api.example/v1")
    assert "--base-url" in told.value.hint
    assert resolved(f"https://x{label}.api.example") == f"https://x{label.lower()}.api.example"


def test_what_a_variable_is_called_cannot_become_a_command_where_the_hint_is_pasted() -> None:
    with pytest.raises(DesignError) as told:
        templated("https://{a;touch x $(id)}.example", {})
    assert "give it with --variable 'a;touch x $(id)=VALUE'" in told.value.hint


def test_the_values_that_a_variable_can_have_are_told_where_it_has_none() -> None:
    with pytest.raises(DesignError) as told:
        templated("https://{r}.example", {"r": ServerVariable(default=None, enum=("eu", "us"), description="Region")})
    assert told.value.hint.startswith("Region; it is one of eu, us; give it with --variable r=VALUE")


@pytest.mark.parametrize("url", ["https://a.example?api_key=s3cret", "https://me:s3cret@a.example", "ftp://a#s3cret"])
def test_what_may_be_a_key_in_an_address_is_never_shown(url: str) -> None:
    for given in ({"override": url}, {}):
        with pytest.raises(DesignError) as told:
            resolved(*([] if given else [url]), **given)
        assert "s3cret" not in told.value.sentence()
