"""What is secret at an installation of one's own is told to it alone, whatever provider's quirks it has."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from apiloom.app.gateway.terms import Asked, Renewing
from apiloom.model.api import SecurityScheme
from apiloom.store.records import OAuthClient
from apiloom.vault.oauth.places import entry_endpoints
from apiloom.vault.oauth.providers import provider_for
from apiloom.vault.oauth.terms import Endpoints, Terms

OWN = {
    "authorization_url": "https://git.example.com/oauth/authorize",
    "token_url": "https://git.example.com/oauth/token",
}


async def terms_of(provider: str, endpoints: dict[str, str], **variables: str) -> Terms:
    """The terms of a client without a secret: nothing has to be opened for it."""
    client = OAuthClient(id="ocl_1", connector="git", client_id="c", provider=provider, endpoints=endpoints)
    nothing = cast("Any", None)
    renewing = Renewing(sealing=nothing, artefacts=nothing)
    scheme = SecurityScheme(id="login", kind="oauth2")
    return await renewing.of_client(nothing, client, scheme, Asked(variables=variables))


def hosts_of(endpoints: Endpoints) -> set[str | None]:
    urls = [value for one in fields(Endpoints) if isinstance(value := getattr(endpoints, one.name), str) and value]
    return {urlsplit(url).hostname for url in urls}


async def test_an_installation_of_one_s_own_has_the_quirks_of_its_provider_and_none_of_its_addresses() -> None:
    terms = await terms_of("gitlab", OWN)
    assert terms.provider.method == "client_secret_post"
    assert hosts_of(terms.endpoints) == {"git.example.com"}
    assert hosts_of((await terms_of("gitlab", {})).endpoints) == {"gitlab.com"}


async def test_a_customer_s_address_that_a_client_gives_is_not_mixed_with_another_customer_s() -> None:
    given = {"token_url": "https://acme.my.salesforce.com/services/oauth2/token"}
    assert hosts_of((await terms_of("salesforce", given)).endpoints) == {"acme.my.salesforce.com"}
    assert hosts_of((await terms_of("salesforce", given, login="umbrella.my")).endpoints) == {"acme.my.salesforce.com"}
    assert hosts_of((await terms_of("salesforce", {}, login="acme.my")).endpoints) == {"acme.my.salesforce.com"}


@pytest.mark.parametrize(
    ("id_", "token_url", "counts"),
    [
        ("google", "https://accounts.google.com/o/oauth2/token", True),
        ("zoho", "https://accounts.zoho.eu/oauth/v2/token", True),
        ("x", "https://api.twitter.com/2/oauth2/token", True),
        ("box", "https://api.box.com:8443/oauth2/token", False),
        ("box", "https://api.box.com.evil.example/oauth2/token", False),
        ("microsoft", "https://login.microsoftonline.us/common/oauth2/v2.0/token", False),
    ],
)
def test_addresses_of_an_entry_go_with_its_provider_s_own_hosts(id_: str, token_url: str, counts: bool) -> None:
    provider = provider_for(id_)
    assert entry_endpoints(provider, token_url) == (provider.endpoints if counts else Endpoints())
