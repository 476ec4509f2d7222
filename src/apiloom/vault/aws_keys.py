"""Access keys of AWS: ``{"access_key_id", "secret_access_key", "session_token"?, "region", "service"}``.

Knows the form; :mod:`apiloom.vault.aws` signs with it, and is loaded when there is something to sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from apiloom.base import plugins
from apiloom.base.errors import DesignError, HouseFault
from apiloom.base.secret import Secret
from apiloom.model.api import SecurityScheme
from apiloom.vault.credentials import AwsKeys, Credential
from apiloom.vault.marks import HIDDEN, Mark, Signature, traces

MEMBERS = frozenset({"access_key_id", "secret_access_key", "region", "service"})
FORM = '{"access_key_id": …, "secret_access_key": …, "region": "eu-west-1", "service": "execute-api"}'

_is_word = re.compile(r"[a-z0-9-]{1,63}").fullmatch
_is_id = re.compile(r"[A-Za-z0-9]{8,128}").fullmatch

Secretly = Callable[[str, Any], Secret]
"""Reads a secret of a scheme."""


def parse_aws(scheme: str, value: Mapping[str, Any], secretly: Secretly) -> Credential:
    """The credential of a scheme in the form of :data:`FORM`; ``session_token`` for keys that end.

    Raises:
        DesignError: ``credentials.form``, ``credentials.value``.
    """
    if not MEMBERS <= set(value) <= MEMBERS | {"session_token"}:
        raise DesignError(f"the AWS keys of {scheme} are not complete", code="credentials.form", hint=f"write {FORM}")
    id_ = secretly(scheme, value["access_key_id"]).reveal()
    region, service = (secretly(scheme, value[name]).reveal() for name in ("region", "service"))
    if not (_is_id(id_) and _is_word(region) and _is_word(service)):
        raise DesignError(
            f"the AWS keys of {scheme} name no key, region or service as AWS writes them",
            code="credentials.value",
            hint=f"write {FORM}",
        )
    token = value.get("session_token")
    keys = AwsKeys(
        access_key_id=id_,
        secret_access_key=secretly(scheme, value["secret_access_key"]),
        session_token=None if token in (None, "") else secretly(scheme, token),
        region=region,
        service=service,
    )
    return Credential(form=keys)


def build_aws(scheme: SecurityScheme, keys: AwsKeys) -> Signature:
    """A signature that is made anew for each request.

    Raises:
        DesignError: ``credentials.aws`` when the library that signs is not installed.
    """
    try:
        sign = plugins.load("apiloom.vault.aws:AwsSignature")(keys)
    except HouseFault as fault:
        if fault.code != "plugin.missing":
            raise
        raise DesignError(
            f"{scheme.id} is signed as AWS wants it, which needs a library that is not installed",
            code="credentials.aws",
            hint="install apiloom with the extra aws",
        ) from None
    token = keys.session_token.reveal() if keys.session_token else ""
    told = [("Authorization", f"AWS4-HMAC-SHA256 {HIDDEN}"), ("X-Amz-Date", HIDDEN)]
    if token:
        told.append(("X-Amz-Security-Token", HIDDEN))
    return Signature(
        real=Mark(),
        shown=Mark(headers=tuple(told)),
        # the id is no secret to AWS, but it is nothing for a model to learn either
        secrets=traces(keys.secret_access_key.reveal(), keys.access_key_id, *([token] if token else [])),
        signs=sign,
    )
