"""Which file lies where under ``runs/``, and how a sweep is found by a shortened id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from perflab.errors import StoreError

SWEEP_ID = re.compile(r"\d{8}T\d{6}Z-[a-z0-9-]+")
RUN_NAME = re.compile(r"users-(\d{4,})-r(\d+)")


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run's folder, ``users-0100-r1``."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

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


@dataclass(frozen=True, slots=True)
class SweepDir:
    """One sweep's folder, ``20261122T103000Z-label``."""

    path: Path

    @property
    def id(self) -> str:
        """The sweep's id, which is the folder's name."""
        return self.path.name

    @property
    def manifest(self) -> Path:
        """``sweep.json``."""
        return self.path / "sweep.json"

    @property
    def report_html(self) -> Path:
        """The report as one HTML file."""
        return self.path / "report.html"

    @property
    def report_notebook(self) -> Path:
        """The executed notebook behind the report."""
        return self.path / "report.ipynb"

    @property
    def metrics_json(self) -> Path:
        """The figures and the verdict for programs."""
        return self.path / "metrics.json"

    @property
    def junit_xml(self) -> Path:
        """The verdicts for CI servers."""
        return self.path / "junit.xml"

    @property
    def summary_md(self) -> Path:
        """The verdict for the page of a CI job."""
        return self.path / "summary.md"

    @property
    def target_log(self) -> Path:
        """What a managed target printed."""
        return self.path / "target.log"

    @property
    def load_test_log(self) -> Path:
        """What happened in the sweep, as JSON lines for log stores."""
        return self.path / "load_test.log"

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
    """Return all sweeps under `runs_dir`, oldest first; an absent folder holds none."""
    if not runs_dir.is_dir():
        return []
    return [SweepDir(path) for path in sorted(runs_dir.iterdir()) if path.is_dir() and SWEEP_ID.fullmatch(path.name)]


def find_sweep(runs_dir: Path, sweep_id: str) -> SweepDir:
    """Return the sweep with this id, a unique beginning of it, or ``latest``; raises StoreError otherwise."""
    sweeps = list_sweeps(runs_dir)
    if not sweeps:
        raise StoreError(f"no sweep under {str(runs_dir)!r}: run one with perflab sweep, or give --runs-dir")
    if sweep_id == "latest":
        return sweeps[-1]
    for sweep in sweeps:
        if sweep.id == sweep_id:
            return sweep
    matches = [sweep for sweep in sweeps if sweep_id and sweep.id.startswith(sweep_id)]
    if len(matches) == 1:
        return matches[0]
    shown = ", ".join(sweep.id for sweep in (matches or sweeps)[-3:])
    if matches:
        raise StoreError(f"sweep id {sweep_id!r} is not unique under {str(runs_dir)!r}: it could be {shown}")
    raise StoreError(f"no sweep {sweep_id!r} under {str(runs_dir)!r}; the latest are {shown} (perflab list shows all)")
