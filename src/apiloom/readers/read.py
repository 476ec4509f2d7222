"""A document of any format to an :class:`~apiloom.model.api.ApiModel`: parses, sniffs, hands on to the format's reader.

Pure but for the injected ``fetch``. Knows no disk, no network, no tools.
"""

from __future__ import annotations

from typing import Any

from apiloom.base.errors import DesignError
from apiloom.model.api import ApiModel
from apiloom.model.findings import Finding
from apiloom.readers.openapi.document import find_dialect, read_openapi
from apiloom.readers.parse import parse
from apiloom.readers.sniff import not_openapi, other_text
from apiloom.readers.source import Document, Fetch


def read_document(document: Document, fetch: Fetch, *, remote_refs: bool = False) -> ApiModel:
    """Read a document and, through ``fetch``, the files it refers to.

    ``remote_refs`` allows references to other URLs; without it only files beside the document (for a document that
    came from a URL: addresses of the same origin) are fetched.

    Raises:
        DesignError: ``document.*``; the document as a whole cannot be read. One bad corner never raises.
    """
    tree, findings = _tree(document)
    return read_openapi(document, tree, fetch, findings=findings, remote_refs=remote_refs)


def _tree(document: Document) -> tuple[dict[str, Any], list[Finding]]:
    if document.content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"#%RAML")):
        refusal = other_text(document.location, document.content)
        if refusal:
            raise refusal
    try:
        tree, findings = parse(document.content, document.location)
    except DesignError as error:
        if error.code == "document.not_yaml":
            raise other_text(document.location, document.content) or error from None
        raise
    if isinstance(tree, list):
        found = next((part for part in tree if isinstance(part, dict) and find_dialect(part)), None)
        if found is not None:
            findings.append(
                Finding(
                    level="warning",
                    code="document.several",
                    message="the file holds several documents; the first OpenAPI document was read",
                )
            )
            tree = found
    if not isinstance(tree, dict) or find_dialect(tree) is None:
        text = other_text(document.location, document.content) if not isinstance(tree, dict) else None
        raise text or not_openapi(document.location, tree)
    return tree, findings
