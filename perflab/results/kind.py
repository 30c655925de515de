"""What makes a kind of result: its document, how that is built and rendered, and its notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from perflab.results.document import Document
from perflab.store.layout import Result

DocumentT = TypeVar("DocumentT", bound=Document)


ResultT = TypeVar("ResultT", bound=Result)


@dataclass(frozen=True, slots=True)
class Kind(Generic[ResultT, DocumentT]):
    """A kind of result."""

    name: str
    """Also that of its modules: ``perflab.report.NAME`` has its pieces of pages, ``perflab.cli.output.NAME`` prints."""
    result: type[ResultT]
    document: type[DocumentT]
    build: Callable[[ResultT], DocumentT]
    to_junit: Callable[[DocumentT], bytes]
    to_summary: Callable[[DocumentT, str | None], str]
    """Takes where the whole report lies, too; None if there is none."""
    notebook: str
