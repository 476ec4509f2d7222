"""The text of an API's document: what is sent of a file, and what two documents are compared by."""

from __future__ import annotations

import codecs
import re

from apiloom.base.errors import DesignError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_reference = re.compile(r"""["']?\$ref["']?\s*:\s*["']?([^\s"'#,}][^\s"'#,}]*)""")


def document_text(content: bytes, name: str) -> str:
    """A document's bytes as text, by its byte order mark, else UTF-8.

    Raises:
        DesignError: ``document.not_text``.
    """
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8-sig")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise DesignError(f"{name} is not text in UTF-8", code="document.not_text", hint="save it in UTF-8") from None


def references(text: str) -> list[str]:
    """The other documents that a text refers to, as it writes them; each once."""
    return list(dict.fromkeys(_reference.findall(text)))
