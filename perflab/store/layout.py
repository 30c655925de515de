"""Which file lies where under ``runs/``, and how results are found by a shortened id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from perflab.errors import StoreError

SWEEP_ID = re.compile(r"\d{8}T\d{6}Z-[a-z0-9-]+", re.ASCII)
RUN_NAME = re.compile(r"users-(\d{4,10})-r(\d{1,10})", re.ASCII)
SIDES = ("baseline", "candidate")
"""The two sweeps inside an A/B comparison's folder."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run's folder, ``users-0100-r1``."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def repeat(self) -> int:
        """Which repeat of its user count it is, from 1 on."""
        return int(self.name.rpartition("-r")[2])

    @property
    def manifest(self) -> Path:
        """``run.json``."""
        return self.path / "run.json"

    @property
    def latency(self) -> Path:
        """``latency.csv``, weighted samples."""
        return self.path / "latency.csv"

    @property
    def responses(self) -> Path:
        """``responses.csv``, requests by second, user class, outcome and HTTP status."""
        return self.path / "responses.csv"

    @property
    def generator(self) -> Path:
        """``generator.csv``, the load generator's health by second and source."""
        return self.path / "generator.csv"

    @property
    def target(self) -> Path:
        """``target.csv``, a managed target's CPU and memory by second."""
        return self.path / "target.csv"

    @property
    def failures(self) -> Path:
        """``failures.csv``, failed requests by second and message."""
        return self.path / "failures.csv"

    @property
    def locust_prefix(self) -> Path:
        """Prefix of Locust's own CSV files."""
        return self.path / "locust"

    @property
    def locust_html(self) -> Path:
        """Locust's own report."""
        return self.path / "locust_report.html"

    @property
    def locust_log(self) -> Path:
        """Locust's log."""
        return self.path / "locust.log"


class ResultDir(Protocol):
    """A folder with a result's document, its renderings, and its report."""

    @property
    def path(self) -> Path:
        """The folder."""

    @property
    def runs_dir(self) -> Path:
        """The folder under which all results lie."""

    @property
    def report_html(self) -> Path:
        """The report as one HTML file."""
        return self.path / "report.html"

    @property
    def report_notebook(self) -> Path:
        """The executed notebook behind the report."""
        return self.path / "report.ipynb"

    @property
    def junit_xml(self) -> Path:
        """The verdicts for CI servers."""
        return self.path / "junit.xml"

    @property
    def summary_md(self) -> Path:
        """The verdict for the page of a CI job."""
        return self.path / "summary.md"

    @property
    def report_name(self) -> str:
        """What ``report.html`` is called where it is shown, such as ``runs/ID/report.html``.

        Where runs lie is nobody's business: the folder's name and the id are enough to find it.
        """
        runs_dir = self.runs_dir.absolute()
        return f"{runs_dir.name}/{self.report_html.absolute().relative_to(runs_dir).as_posix()}"


class Result(Protocol):
    """What is computed of recorded runs and has files of its own, such as a `Sweep` or a `SweepComparison`."""

    @property
    def dir(self) -> ResultDir:
        """Where its files are, whether there are any or not."""


@dataclass(frozen=True, slots=True)
class ComparisonDir(ResultDir):
    """Where a comparison's files lie: a folder in the candidate's sweep, or that of an A/B comparison."""

    path: Path
    runs_dir: Path


@dataclass(frozen=True, slots=True)
class SweepDir(ResultDir):
    """One sweep's folder, ``20261122T103000Z-label``, or ``baseline`` or ``candidate`` in an A/B comparison's."""

    path: Path

    @property
    def id(self) -> str:
        """The sweep's id: the folder's name, after that of the A/B comparison that it is a side of."""
        return f"{self.ab.name}/{self.path.name}" if self.ab else self.path.name

    @property
    def runs_dir(self) -> Path:
        """The folder under which `id` finds the sweep."""
        return (self.ab or self.path).parent

    @property
    def ab(self) -> Path | None:
        """The folder of the A/B comparison that this sweep is a side of; None for a sweep of its own."""
        above = self.path.parent
        return above if self.path.name in SIDES and SWEEP_ID.fullmatch(above.name) else None

    @property
    def manifest(self) -> Path:
        """``sweep.json``."""
        return self.path / "sweep.json"

    @property
    def target_log(self) -> Path:
        """What a managed target printed."""
        return self.path / "target.log"

    @property
    def load_test_log(self) -> Path:
        """What happened in the sweep, as JSON lines for log stores."""
        return self.path / "load_test.log"

    def against(self, baseline_id: str) -> ComparisonDir:
        """Return the folder of this sweep's comparison with a baseline, whether it exists or not."""
        return ComparisonDir(self.path / f"against-{baseline_id.replace('/', '-')}", self.runs_dir)

    def run(self, users: int, repeat: int) -> RunDir:
        """Return the folder of one run, whether it exists or not."""
        return RunDir(self.path / f"users-{users:04d}-r{repeat}")

    def runs(self) -> list[RunDir]:
        """Return the runs on disk, ordered by users, then repeat."""
        found = [(RUN_NAME.fullmatch(path.name), path) for path in self.path.iterdir() if path.is_dir()]
        ordered = sorted((int(match[1]), int(match[2]), path) for match, path in found if match)
        return [RunDir(path) for *_, path in ordered]


def create_sweep(runs_dir: Path, label: str, now: datetime | None = None) -> SweepDir:
    """Make a new sweep's folder, ``<UTC time>-<label>``; a second one of the same second gets a number."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    number = 1
    while True:
        path = runs_dir / (f"{stamp}-{label}" if number == 1 else f"{stamp}-{label}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not runs_dir.is_dir():
                raise StoreError(f"{str(runs_dir)!r} is not a folder: choose another --runs-dir") from None
            number += 1
        except OSError as error:
            raise StoreError(f"can't write to {str(runs_dir)!r}: {error.strerror}; choose another --runs-dir") from None
        else:
            return SweepDir(path)


def list_sweeps(runs_dir: Path) -> list[SweepDir]:
    """Return the sweeps under `runs_dir`, oldest first, A/B comparisons left out; an absent folder holds none."""
    return [SweepDir(path) for path in _results(runs_dir) if not _is_ab(path)]


def list_ab_folders(runs_dir: Path) -> list[Path]:
    """Return the folders of all A/B comparisons under `runs_dir`, oldest first."""
    return [path for path in _results(runs_dir) if _is_ab(path)]


def find_sweep(runs_dir: Path, sweep_id: str) -> SweepDir:
    """Return the sweep with this id, a unique beginning of it, or ``latest``; raises StoreError otherwise.

    The sides of an A/B comparison are ``<its id>/baseline`` and ``<its id>/candidate``; its id may be shortened, too.
    """
    ab_id, slash, side = sweep_id.rpartition("/")
    if slash and side in SIDES and "/" not in ab_id:
        return SweepDir(find_ab_folder(runs_dir, ab_id) / side)
    if means_ab(runs_dir, sweep_id):
        ab_id = find_ab_folder(runs_dir, sweep_id).name
        raise StoreError(
            f"{sweep_id!r} is an A/B comparison of two sweeps: perflab compare {ab_id} shows it, "
            f"{ab_id}/baseline and {ab_id}/candidate are its sweeps"
        )
    sweeps = [sweep.path for sweep in list_sweeps(runs_dir)]
    if not sweeps:
        raise StoreError(f"no sweep under {str(runs_dir)!r}: run one with perflab sweep, or give --runs-dir")
    return SweepDir(_find(sweeps, runs_dir, sweep_id, "sweep"))


def means_ab(runs_dir: Path, result_id: str) -> bool:
    """Return whether an id, or its beginning, is that of an A/B comparison and of no sweep."""
    of_abs = [path.name for path in list_ab_folders(runs_dir) if result_id and path.name.startswith(result_id)]
    if result_id in of_abs:
        return True
    return bool(of_abs) and not any(sweep.id.startswith(result_id) for sweep in list_sweeps(runs_dir))


def find_ab_folder(runs_dir: Path, ab_id: str) -> Path:
    """Return an A/B comparison's folder by its id, a unique beginning of it, or ``latest``; raises StoreError."""
    found = list_ab_folders(runs_dir)
    if not found:
        raise StoreError(f"no A/B comparison under {str(runs_dir)!r}: make one with perflab ab, or give --runs-dir")
    return _find(found, runs_dir, ab_id, "A/B comparison")


def _results(runs_dir: Path) -> list[Path]:
    if not runs_dir.is_dir():
        return []
    return [path for path in sorted(runs_dir.iterdir()) if path.is_dir() and SWEEP_ID.fullmatch(path.name)]


def _is_ab(path: Path) -> bool:
    return (path / "ab.json").exists()


def _find(folders: Sequence[Path], runs_dir: Path, wanted: str, kind: str) -> Path:
    """Return the folder that `wanted` means; `folders` are at least one, oldest first."""
    if wanted == "latest":
        return folders[-1]
    exact = [path for path in folders if path.name == wanted]
    matches = exact or [path for path in folders if wanted and path.name.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    shown = ", ".join(path.name for path in (matches or folders)[-3:])
    if matches:
        raise StoreError(f"{kind} id {wanted!r} is not unique under {str(runs_dir)!r}: it could be {shown}")
    there = "the latest are" if len(folders) > 3 else "there is" if len(folders) == 1 else "there are"
    raise StoreError(f"no {kind} {wanted!r} under {str(runs_dir)!r}; {there} {shown} (perflab list shows all)")
