"""What tests of the OAuth client share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from apiloom.net.request import Sender
from support.oauth import sending
from support.oidc import AuthorizationServer


@pytest.fixture
def server(oidc: AuthorizationServer) -> AuthorizationServer:
    return oidc


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[Sender]:
    async with sending() as one:
        yield one
