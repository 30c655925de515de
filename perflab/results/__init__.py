"""Results: one typed document for each, of which files, tables and pages are renderings.

    document_of(sweep).to_json()      what ``perflab show --json`` prints, and what is in metrics.json
    save(sweep)                       metrics.json, junit.xml and summary.md in its folder

A rendering computes nothing and looks nothing up: what it needs is in the document. A new kind of result is one module
here, and one line in `KINDS`.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from perflab.files import write_whole
from perflab.results import comparison, sweep
from perflab.results.document import Document
from perflab.results.kind import Kind
from perflab.store.layout import Result

__all__ = ["KINDS", "Document", "Kind", "document_of", "kind_of", "save"]

KINDS: tuple[Kind[Any, Any], ...] = (sweep.KIND, comparison.KIND)

_documents: WeakKeyDictionary[Any, Document] = WeakKeyDictionary()


def kind_of(result: Result) -> Kind[Any, Any]:
    """Return the kind of a result; raises TypeError if it is none."""
    for kind in KINDS:
        if isinstance(result, kind.result):
            return kind
    raise TypeError(f"{result!r} is no result: it is none of {', '.join(kind.result.__name__ for kind in KINDS)}")


def document_of(result: Result) -> Any:
    """Return a result's document, which is built once; raises StoreError if a table can't be read."""
    if result not in _documents:
        _documents[result] = kind_of(result).build(result)
    return _documents[result]


def save(result: Result, *, report: bool) -> None:
    """Write the document, ``junit.xml`` and ``summary.md``, each whole or not at all, into the result's folder.

    `report` says whether the summary names ``report.html``. Raises StoreError if a table can't be read, OSError if a
    file can't be written.
    """
    kind, document, place = kind_of(result), document_of(result), result.dir
    place.path.mkdir(parents=True, exist_ok=True)
    write_whole(place.path / document.FILE, document.to_json())
    write_whole(place.junit_xml, kind.to_junit(document))
    write_whole(place.summary_md, kind.to_summary(document, place.report_name if report else None))
