"""The names of the variables that hold credentials."""

import pytest

from apiloom.model.variables import variable_name


@pytest.mark.parametrize(
    ("scheme", "slug", "name"),
    [
        ("ApiKeyAuth", "", "APILOOM_AUTH_APIKEYAUTH"),
        ("api-key.v2", "", "APILOOM_AUTH_API_KEY_V2"),
        ("Clé", "", "APILOOM_AUTH_CL_"),
        ("OAuth2", "petstore", "APILOOM_PETSTORE_AUTH_OAUTH2"),
        ("DEFAULT", "", "APILOOM_AUTH_DEFAULT"),
    ],
)
def test_a_variable_is_named_by_source_and_scheme(scheme: str, slug: str, name: str) -> None:
    assert variable_name(scheme, slug) == name
