"""No operation of the corpus is lost, and what is not exposed has a reason that is known and right.

What operations there are is counted twice: by the package, and by the oracle's own reading of the documents.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from apiloom.base.errors import DesignError
from apiloom.catalog.build import build_catalog
from apiloom.catalog.tool import LedgerLine
from apiloom.readers.read import read_document
from apiloom.readers.source import Document
from support import oracle_document
from support.corpus import CorpusDocument, openapi_documents

LEAST_EXPOSED = 0.97

JUSTIFIED = {
    r"it has more than one body": "Swagger 2.0 allows one body parameter, and nothing says which of several is meant",
    r"its path has braces that do not match": "nothing says where its placeholders end",
    r"its request body is unknown: the reference \"[^\"]+\" leads back to itself": "nothing says what its body is",
}
"""Every reason in the corpus for which an operation is not exposed, and why no request would be right."""

WITHHELD = [
    ("openapi/mermade__rapid7-js__1.0.0.json", "GET"),
    ("openapi/openapi-generators__circular-body-ref__0.1.0.yaml", "POST"),
    ("swagger/apidevtools__multiple-path-body-params__1.0.0.yaml", "GET"),
    ("swagger/readmeio__multiple-body-params__1.0.0.yaml", "POST"),
]
"""The operations that have one, by document and method; no other may join them unseen."""


@dataclass
class Account:
    """The ledgers of all documents. ``lost`` and ``made_up`` are where the two counts differ."""

    documents: int = 0
    status: Counter[str] = field(default_factory=Counter)
    withheld: list[tuple[str, LedgerLine]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    made_up: list[str] = field(default_factory=list)
    uneven: list[str] = field(default_factory=list)

    def add(self, document: CorpusDocument) -> None:
        """The ledger of one document, held against what the oracle reads in it."""
        model = read_document(Document(location=str(document.path), content=document.path.read_bytes()), fetch)
        catalog = build_catalog(model)
        mine = oracle_document.Document(document.path)
        oracle_document.load.cache_clear()
        theirs, counted = [line.key for line in catalog.ledger], mine.operations.keys() | mine.unread.keys()
        self.documents += 1
        self.status.update(line.status for line in catalog.ledger)
        self.withheld += [(document.id, line) for line in catalog.ledger if line.status != "exposed"]
        self.lost += [f"{key} of {document.id}" for key in sorted(counted - set(theirs))]
        self.made_up += [f"{key} of {document.id}" for key in sorted(set(theirs) - counted)]
        if len(theirs) != len(counted) or len(catalog.tools) != sum(
            line.status == "exposed" for line in catalog.ledger
        ):
            self.uneven.append(
                f"{document.id}: {len(theirs)} lines, {len(counted)} operations, {len(catalog.tools)} tools"
            )


def fetch(location: str) -> bytes:
    try:
        return Path(location).read_bytes()
    except OSError:
        raise DesignError(f"there is no file {location}", code="document.not_found") from None


@pytest.fixture(scope="module")
def account() -> Account:
    account = Account()
    for document in openapi_documents():
        account.add(document)
    print(account.documents, dict(account.status))
    return account


def test_exposed_gated_and_quarantined_are_the_operations_that_the_documents_have(account: Account) -> None:
    assert account.documents >= 217
    assert (account.lost, account.made_up, account.uneven) == ([], [], [])
    assert account.status.total() >= 14_500
    assert account.status.keys() <= {"exposed", "gated", "quarantined"}


def test_nearly_every_operation_is_exposed(account: Account) -> None:
    assert account.status["exposed"] >= LEAST_EXPOSED * account.status.total()


def test_each_operation_that_is_not_exposed_has_a_reason_that_is_justified_by_name(account: Account) -> None:
    assert [(document, line.method) for document, line in account.withheld] == WITHHELD
    causes = [line.reason for _, line in account.withheld]
    assert [cause for cause in causes if not any(re.fullmatch(known, cause) for known in JUSTIFIED)] == []
    assert [known for known in JUSTIFIED if not any(re.fullmatch(known, cause) for cause in causes)] == []
