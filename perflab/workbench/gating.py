"""Gating a recorded sweep: does it meet its objectives, and is it no slower than the baseline?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.analyse.sweep import Sweep
from perflab.errors import StoreError, UsageError
from perflab.store.layout import RunsDir
from perflab.store.manifest import Baseline, read_baseline, write_manifest
from perflab.vocabulary.verdict import Verdict
from perflab.workbench.comparing import compare
from perflab.workbench.listing import runs_folder
from perflab.workbench.sweeps import open_sweep

if TYPE_CHECKING:
    from perflab.results.comparison.document import CheckDocument


@dataclass(frozen=True, slots=True)
class Check:
    """A sweep judged against its objectives, and against a baseline if that was asked for."""

    sweep: Sweep
    comparison: SweepComparison | None

    @property
    def verdict(self) -> Verdict:
        """The worse one of both verdicts."""
        return Verdict.worst([self.sweep.verdict, *([self.comparison.verdict] if self.comparison is not None else [])])

    @property
    def document(self) -> CheckDocument:
        """The result for programs, with the documents of both parts."""
        from perflab.results import document_of
        from perflab.results.comparison.document import CheckDocument

        return CheckDocument(
            verdict=self.verdict,
            exit_code=self.verdict.exit_code,
            sweep=document_of(self.sweep),
            comparison=None if self.comparison is None else document_of(self.comparison),
        )


def check(
    sweep_id: str = "latest",
    *,
    baseline: bool = False,
    against: str | None = None,
    runs_dir: str | Path | None = None,
    margin: float | str | None = None,
    alpha: float | str | None = None,
    allow_different: Collection[str] = (),
) -> Check:
    """Judge a recorded sweep against its objectives, and against the stored `baseline` or the sweep `against`.

    `sweep_id` is an id, a unique beginning of one, or ``latest``, the newest sweep, even one that was cut short: a gate
    must not pass on an older one. As `against` ``latest`` is the latest complete one. `runs_dir`, `margin`, `alpha` and
    `allow_different` are as in `compare`. Raises UsageError and StoreError.

        perflab.check("latest", baseline=True).verdict
    """
    sweep = open_sweep(sweep_id, runs_dir)
    if against is None and not baseline:
        given = {"--margin": margin, "--alpha": alpha, "--allow-different": allow_different or None}
        for option in (name for name, value in given.items() if value is not None):
            raise UsageError(f"{option} is about a comparison: add --baseline, or --against ID", option, given[option])
        return Check(sweep, None)
    held_against = open_baseline(runs_dir) if against is None else open_sweep(against, runs_dir, complete=True)
    if against is None and held_against.id == sweep.id:
        raise UsageError(
            f"{sweep.id} is the baseline itself: check another sweep, or choose --against ID", value=sweep.id
        )
    comparison = compare(
        held_against, sweep, runs_dir=runs_dir, margin=margin, alpha=alpha, allow_different=allow_different
    )
    return Check(sweep, comparison)


def set_baseline(sweep_id: str, runs_dir: str | Path | None = None) -> Sweep:
    """Make a sweep the one that `check` holds others against, and return it.

    `sweep_id` is an id, a unique beginning of one, or ``latest``, the latest complete one; `runs_dir` is as in
    `open_sweep`. Raises StoreError for a sweep that was not run to its end, or whose measurements can't be trusted.

        perflab.set_baseline("latest")
    """
    sweep = open_sweep(sweep_id, runs_dir, complete=True)
    reason = ""
    if not any(run.status == "complete" for run in sweep.run_manifests):
        reason = "has no complete run"
    elif sweep.manifest.status != "complete":
        reason = "was not run to its end"
    elif sweep.verdict == Verdict.INVALID:
        reason = f"is INVALID ({sweep.reasons[0]})"
    if reason:
        raise StoreError(
            f"{sweep.id} {reason}, so it can't be the baseline: choose another sweep (perflab list shows all)",
            sweep.dir.path,
        )
    write_manifest(RunsDir(runs_folder(runs_dir)).baseline, Baseline(id=sweep.id))
    return sweep


def open_baseline(runs_dir: str | Path | None = None) -> Sweep:
    """Open the baseline that is stored in `runs_dir`; raises StoreError if there is none, or its sweep has gone.

    perflab.compare(perflab.open_baseline(), "latest").headline
    """
    folder = runs_folder(runs_dir)
    stored = read_baseline(folder)
    try:
        return open_sweep(stored, folder)
    except StoreError as error:
        raise StoreError(
            f"the baseline {stored!r} can't be opened: {error}; perflab baseline set ID", path=error.path
        ) from None
