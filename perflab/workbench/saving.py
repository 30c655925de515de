"""Saving a result: the same files from Python as from the commands."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from perflab.errors import PerflabError
from perflab.store.layout import Result
from perflab.vocabulary.text import say


def save(result: Result, *, report: bool = True) -> Path | None:
    """Write what the commands leave of a result into its folder, ``result.dir``, and return the path of the report.

    `result` is a `Sweep` or a `SweepComparison`. Written are its document (``metrics.json`` or ``comparison.json``),
    ``junit.xml``, ``summary.md`` and, with `report`, ``report.html``. If the report can't be made, the reason is
    written to stderr and None returned, as without `report`: it changes no verdict. Raises StoreError if a table can't
    be read, OSError if a file can't be written.

        perflab.save(perflab.compare("20261122T103000Z-before", "latest"), report=False)
    """
    from perflab.results import save as save_results

    save_results(result, report=report)
    if not report:
        return None
    try:
        # Running notebooks takes longer to import than to compare takes.
        from perflab.report import render

        return render(result)
    except BrokenPipeError:
        raise
    except Exception as error:
        if not isinstance(error, PerflabError | OSError):
            # A defect of perflab's own.
            for line in traceback.format_exc().splitlines():
                say(line)
        say(f"perflab: no report: {' '.join(str(error).split()) or type(error).__name__}", sys.stderr)
        return None
