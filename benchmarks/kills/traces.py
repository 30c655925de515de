"""What `benchmarks.kills` looks for after a kill: torn files, sweeps that can't be read, requests that are missing."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from perflab.analyse.sweep import Sweep
from perflab.errors import PerflabError
from perflab.store.layout import SIDES, SWEEP_ID, SweepDir


class Missing(NamedTuple):
    """Requests that the target has answered and no table has, and the target's requests/s before the kill."""

    requests: int
    rate: float


def find_missing(log: Path, tables: Iterable[Path], killed_at: float) -> Missing:
    """Hold the target's log against all tables of latencies that were recorded of it; `killed_at` in epoch seconds."""
    with log.open(encoding="utf-8", newline="") as file:
        # A target that was killed may have torn its last line.
        moments = [float(row[0]) for row in csv.reader(file) if len(row) == 3 and row[0] != "arrived"]
    recorded = 0
    for table in tables:
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["measure"] == "client" and row["outcome"].startswith(("ok", "http_")):
                    recorded += int(row["count"] or 0)
    until = min(killed_at, max(moments, default=killed_at))
    rate = sum(until - 2 < moment <= until for moment in moments) / 2
    return Missing(len(moments) - recorded, max(rate, 1.0))


class Told(NamedTuple):
    """What the sweeps under a folder say: whether one of them is no result that counts, and what is wrong with them."""

    of_loss: bool
    problems: list[str]


def read_sweeps(runs_dir: Path) -> Told:
    """Open all sweeps and the sides of all A/B comparisons."""
    of_loss, problems = False, []
    for path in sorted({*runs_dir.glob("*"), *runs_dir.glob("*/*")}):
        if not (SWEEP_ID.fullmatch(path.name) or path.name in SIDES) or (path / "ab.json").exists():
            continue
        try:
            sweep = Sweep.open(SweepDir(path))
            verdict, status = sweep.verdict, sweep.manifest.status
        except PerflabError as error:
            # One that was killed before it had begun has no manifest.
            of_loss = True
            problems += [f"{path.name}: an error of more lines than one: {error}"] if "\n" in str(error) else []
        except Exception as error:
            problems.append(f"{path.name} can't be opened: {error!r}")
        else:
            of_loss |= verdict == "INVALID" or any(run.status != "complete" for run in sweep.run_manifests)
            if status != "complete" and verdict != "INVALID":
                problems.append(f"{path.name} is {status}, but its verdict {verdict}")
    return Told(of_loss, problems)


def find_torn(folder: Path) -> list[str]:
    """Return a line for each file below a folder that is not whole."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"{path.relative_to(folder)}: {why}" for path in files if (why := _tear(path))]


def _tear(path: Path) -> str:
    """Return what is wrong with a file, empty if it is whole."""
    if path.suffix not in {".json", ".ipynb", ".xml", ".svg", ".html", ".csv"}:
        return ""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix in {".json", ".ipynb"}:
            json.loads(text)
        elif path.suffix in {".xml", ".svg"}:
            ElementTree.fromstring(text)  # noqa: S314 - perflab's own
        elif path.suffix == ".html":
            return "" if text.rstrip().endswith("</html>") else "it has no end"
        else:
            # A last line without its end is dropped on reading.
            lines = text.splitlines(keepends=True)[: None if text.endswith("\n") else -1]
            widths = {len(row) for row in csv.reader(lines, strict=True)}
            return "" if len(widths) == 1 else f"its rows have {sorted(widths)} fields"
    except (ValueError, csv.Error, ElementTree.ParseError) as error:
        return repr(error)
    return ""
