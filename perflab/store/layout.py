"""The folders and files under ``runs/``, and finding results by an id that may be shortened."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from perflab.errors import StoreError, UsageError
from perflab.vocabulary.level import Level, LevelKind

SWEEP_ID = re.compile(r"\d{8}T\d{6}Z-[a-z0-9-]+", re.ASCII)
RUN_NAME = re.compile(rf"({'|'.join(LevelKind)})-(\d{{4,10}})-r(\d{{1,10}})", re.ASCII)
SIDES = ("baseline", "candidate")
"""The folders of the two sweeps in an A/B comparison's folder."""
_AGAINST_PREFIX = "against-"


class _File:
    """A descriptor: the path of the file with this name in the folder that it is read from."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: _Folder, _: type) -> Path:
        return folder.path / self._name


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name


FolderT = TypeVar("FolderT", bound=_Folder)


class RunsDir(_Folder):
    """The folder of all results, ``runs/``."""

    baseline = _File("baseline.json")
    """The id of the sweep that others are compared with by default."""
    calibration = _File("calibration.json")
    """How much load this machine can generate."""
    calibration_chart = _File("calibration.svg")


class RunDir(_Folder):
    """One run's folder, ``users-0100-r1``."""

    manifest = _File("run.json")
    latency = _File("latency.csv")
    """Latencies as weighted samples."""
    responses = _File("responses.csv")
    """Requests by second, user class, outcome and HTTP status."""
    generator = _File("generator.csv")
    """The load generator's health by second and source."""
    target = _File("target.csv")
    """A managed target's CPU and memory by second."""
    failures = _File("failures.csv")
    """Failed requests by second and message."""
    locust_prefix = _File("locust")
    """Prefix of Locust's own CSV files."""
    locust_html = _File("locust_report.html")
    """Locust's own report."""
    locust_log = _File("locust.log")

    @property
    def repeat(self) -> int:
        """The number of the repeat at its level, from 1."""
        return int(self.name.rpartition("-r")[2])


class ResultDir(_Folder):
    """A folder with a result's document, its renderings and its report."""

    report_html = _File("report.html")
    report_notebook = _File("report.ipynb")
    """The executed notebook that ``report.html`` was made from."""
    junit_xml = _File("junit.xml")
    """The verdicts for CI servers."""
    summary_md = _File("summary.md")
    """The verdict as Markdown, for the summary page of a CI job."""

    @property
    def runs_dir(self) -> Path:
        """The folder of all results."""
        return self.path.parent

    @property
    def report_name(self) -> str:
        """The path of ``report.html`` to display, such as ``runs/ID/report.html``.

        It starts at the runs folder, so that no report or log discloses the paths of this machine.
        """
        runs_dir = self.runs_dir.absolute()
        return f"{runs_dir.name}/{self.report_html.absolute().relative_to(runs_dir).as_posix()}"


class Result(Protocol):
    """Anything that is computed from recorded runs and has its own files, such as a `Sweep` or a `SweepComparison`."""

    @property
    def dir(self) -> ResultDir:
        """The folder of its files, whether they exist or not."""


class ComparisonDir(ResultDir):
    """A comparison's folder: one inside the candidate's sweep folder, or an A/B comparison's folder."""

    @property
    def runs_dir(self) -> Path:
        """The folder of all results."""
        parent = self.path.parent
        return SweepDir(parent).runs_dir if self.path.name.startswith(_AGAINST_PREFIX) else parent


class SweepDir(ResultDir):
    """One sweep's folder: ``20261122T103000Z-label``, or ``baseline`` or ``candidate`` in that of an A/B comparison."""

    manifest = _File("sweep.json")
    load_test_log = _File("load_test.log")
    """The events of the sweep as JSON lines, for log stores."""

    @property
    def id(self) -> str:
        """The sweep's id: the folder's name, for a side of an A/B comparison preceded by that comparison's id."""
        return f"{self.ab.name}/{self.path.name}" if self.ab else self.path.name

    @property
    def runs_dir(self) -> Path:
        """The folder of all results, to which `id` is relative."""
        return (self.ab or self.path).parent

    @property
    def ab(self) -> Path | None:
        """The folder of the A/B comparison that this sweep is a side of; None for an ordinary sweep."""
        parent = self.path.parent
        return parent if self.path.name in SIDES and SWEEP_ID.fullmatch(parent.name) else None

    def against(self, baseline_id: str) -> ComparisonDir:
        """Return the folder of this sweep's comparison with a baseline, whether it exists or not."""
        return ComparisonDir(self.path / f"{_AGAINST_PREFIX}{baseline_id.replace('/', '-')}")

    def run(self, level: Level, repeat: int) -> RunDir:
        """Return the folder of one run, whether it exists or not."""
        return RunDir(self.path / f"{level.name}-r{repeat}")

    def runs(self) -> list[RunDir]:
        """Return the runs on disk, ordered by level, then repeat."""
        matches = [RUN_NAME.fullmatch(name) for name in _subfolders(self.path)]
        ordered = sorted((match[1], int(match[2]), int(match[3]), match[0]) for match in matches if match)
        return [RunDir(self.path / name) for *_, name in ordered]


class AbDir(_Folder):
    """An A/B comparison's folder: its manifest, and one ordinary sweep per side, with each round as a repeat."""

    manifest = _File("ab.json")

    @property
    def id(self) -> str:
        """The comparison's id, which is the folder's name."""
        return self.name

    @property
    def sides(self) -> tuple[SweepDir, SweepDir]:
        """The sweeps of the baseline and the candidate."""
        return self.baseline, self.candidate

    @property
    def baseline(self) -> SweepDir:
        """The baseline's sweep."""
        return SweepDir(self.path / SIDES[0])

    @property
    def candidate(self) -> SweepDir:
        """The candidate's sweep."""
        return SweepDir(self.path / SIDES[1])

    @property
    def comparison(self) -> ComparisonDir:
        """The comparison's results and report."""
        return ComparisonDir(self.path)


def create_sweep(runs_dir: Path, label: str, now: datetime | None = None) -> SweepDir:
    """Create a sweep's folder, ``<UTC time>-<label>``; if that exists, a number is appended.

    Raises StoreError if the folder can't be created.
    """
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    number = 1
    while True:
        path = runs_dir / (f"{stamp}-{label}" if number == 1 else f"{stamp}-{label}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not runs_dir.is_dir():
                raise StoreError(f"{str(runs_dir)!r} is not a folder: choose another --runs-dir", runs_dir) from None
            number += 1
        except OSError as error:
            raise StoreError(
                f"can't write to {str(runs_dir)!r}: {error.strerror}; choose another --runs-dir", runs_dir
            ) from None
        else:
            return SweepDir(path)


def create_ab(runs_dir: Path, label: str) -> AbDir:
    """Create an A/B comparison's folder, named like a sweep's, with a folder for each side."""
    folder = AbDir(create_sweep(runs_dir, label).path)
    for side in folder.sides:
        side.path.mkdir()
    return folder


def ab_of_sides(baseline: SweepDir, candidate: SweepDir) -> AbDir | None:
    """Return the A/B comparison that these are the sides of, None if there is none; UsageError if they are swapped."""
    if baseline.ab is None or baseline.ab != candidate.ab:
        return None
    if (baseline.name, candidate.name) != SIDES:
        raise UsageError(
            f"{baseline.id} is not this comparison's baseline: perflab compare {baseline.ab.name} compares them"
        )
    return AbDir(baseline.ab)


def list_sweeps(runs_dir: Path) -> list[SweepDir]:
    """Return the sweeps under `runs_dir`, oldest first, without A/B comparisons; none if it does not exist."""
    return [SweepDir(path) for path in _result_folders(runs_dir) if not AbDir(path).manifest.exists()]


def list_abs(runs_dir: Path) -> list[AbDir]:
    """Return all A/B comparisons under `runs_dir`, oldest first; none if it does not exist."""
    return [AbDir(path) for path in _result_folders(runs_dir) if AbDir(path).manifest.exists()]


def find_sweep(runs_dir: Path, sweep_id: str) -> SweepDir:
    """Return the sweep with this id or unique id prefix, or the ``latest`` one; raises StoreError if there is none.

    The sides of an A/B comparison are ``<its id>/baseline`` and ``<its id>/candidate``; that id may be shortened too.
    """
    ab_id, slash, side = sweep_id.rpartition("/")
    if slash and side in SIDES and "/" not in ab_id:
        return SweepDir(find_ab(runs_dir, ab_id).path / side)
    if is_ab(runs_dir, sweep_id):
        ab_id = find_ab(runs_dir, sweep_id).id
        raise StoreError(
            f"{sweep_id!r} is an A/B comparison of two sweeps: perflab compare {ab_id} shows it, "
            f"{ab_id}/baseline and {ab_id}/candidate are its sweeps"
        )
    return _find_by_id(list_sweeps(runs_dir), runs_dir, sweep_id, "sweep", "run one with perflab sweep")


def is_ab(runs_dir: Path, result_id: str) -> bool:
    """Return whether an id, or a prefix of one, is that of an A/B comparison and not of a sweep."""
    ab_ids = [ab.id for ab in list_abs(runs_dir) if result_id and ab.id.startswith(result_id)]
    if result_id in ab_ids:
        return True
    return bool(ab_ids) and not any(sweep.id.startswith(result_id) for sweep in list_sweeps(runs_dir))


def find_ab(runs_dir: Path, ab_id: str) -> AbDir:
    """Return the A/B comparison with this id, found as in `find_sweep`; raises StoreError if there is none."""
    return _find_by_id(list_abs(runs_dir), runs_dir, ab_id, "A/B comparison", "make one with perflab ab")


def _result_folders(runs_dir: Path) -> list[Path]:
    if not runs_dir.is_dir():
        return []
    return [runs_dir / name for name in sorted(_subfolders(runs_dir)) if SWEEP_ID.fullmatch(name)]


def _subfolders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def _find_by_id(folders: Sequence[FolderT], runs_dir: Path, wanted: str, kind: str, how_to: str) -> FolderT:
    """Return the folder, of those oldest first, that `wanted` refers to; `how_to` says how to get one."""
    if not folders:
        raise StoreError(f"no {kind} under {str(runs_dir)!r}: {how_to}, or give --runs-dir", runs_dir)
    if wanted == "latest":
        return folders[-1]
    exact = [folder for folder in folders if folder.name == wanted]
    matches = exact or [folder for folder in folders if wanted and folder.name.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    shown = ", ".join(folder.name for folder in (matches or folders)[-3:])
    if matches:
        raise StoreError(f"{kind} id {wanted!r} is not unique under {str(runs_dir)!r}: it could be {shown}", runs_dir)
    existing = "the latest are" if len(folders) > 3 else "there is" if len(folders) == 1 else "there are"
    raise StoreError(
        f"no {kind} {wanted!r} under {str(runs_dir)!r}; {existing} {shown} (perflab list shows all)", runs_dir
    )
