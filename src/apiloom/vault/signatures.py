"""What a credential adds to a request, whatever its form is: the one place that knows all forms.

Stands on :mod:`~apiloom.vault.marks` and the modules of the single forms; :mod:`~apiloom.vault.signers` stands above.
"""

from __future__ import annotations

from apiloom.base.errors import DesignError
from apiloom.model.api import SecurityScheme
from apiloom.vault import aws_keys, marks
from apiloom.vault.aws_keys import build_aws
from apiloom.vault.certificates import build_certificate
from apiloom.vault.credentials import AwsKeys, Certificate, Credential, Template
from apiloom.vault.marks import Signature
from apiloom.vault.templates import build_template


def build_signature(scheme: SecurityScheme, credential: Credential) -> Signature:
    """What the scheme asks for, made from the credential.

    Raises:
        DesignError: ``credentials.value`` when the credential has not the form the scheme needs; ``credentials.aws``.
    """
    form = credential.form
    if isinstance(form, Template):
        return build_template(scheme, form)
    if isinstance(form, Certificate):
        return build_certificate(form)
    if isinstance(form, AwsKeys):
        return build_aws(scheme, form)
    if scheme.details.get("signs"):
        raise DesignError(
            f"the credential of {scheme.id} is a single value, but {scheme.details['signs']} signs each request anew",
            code="credentials.value",
            hint=f"write {aws_keys.FORM}",
        )
    return marks.build_signature(scheme, credential)
