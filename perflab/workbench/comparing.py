"""Comparing recorded sweeps: is the candidate slower than the baseline, or is it just noise?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from perflab.analyse.comparison.comparability import same_configuration
from perflab.analyse.comparison.sweeps import SweepComparison, compare_sweeps
from perflab.analyse.sweep import Sweep
from perflab.errors import StoreError, UsageError
from perflab.plan.ab import ALPHA, MARGIN, AbPlan
from perflab.plan.parse import parse_names, parse_share
from perflab.store import layout
from perflab.store.layout import AbDir, SweepDir, ab_of_sides, find_ab
from perflab.store.manifest import AbManifest, read_manifest
from perflab.workbench.listing import runs_folder
from perflab.workbench.sweeps import open_sweep


def compare(
    baseline: str | Sweep,
    candidate: str | Sweep | None = None,
    *,
    runs_dir: str | Path | None = None,
    margin: float | str | None = None,
    alpha: float | str | None = None,
    allow_different: Collection[str] = (),
) -> SweepComparison:
    """Compare two recorded sweeps, given by id or as `Sweep`; nothing is written.

    Without a `candidate` it is the latest sweep; ``latest`` is the latest complete one. If `baseline` alone is the id
    of an A/B comparison, ``latest`` is one too, its two sides are compared, at its last look. `margin` is the change
    that would not matter, 0.05 or "5%" (the default). `alpha` is how often two equal systems may be called
    a REGRESSION, 0.01 by default. Both were set for an A/B comparison when it began. `allow_different` names what may
    differ between the sweeps although it matters, such as ``machine``. `runs_dir` is as in `open_sweep`.

    Raises UsageError for options out of range and for a sweep against itself, StoreError for what can't be read.

        comparison = perflab.compare("20261122T103000Z-before", "latest")
        comparison.verdict, comparison.headline, comparison.slower
        comparison.latency  # level, group and percentile: both sides, ratio, interval, p-value
    """
    folder, waived = runs_folder(runs_dir), parse_names(allow_different)
    if candidate is None and not isinstance(baseline, Sweep) and _is_ab(folder, str(baseline)):
        place = find_ab(folder, str(baseline))
        sides = Sweep.open(place.baseline), Sweep.open(place.candidate)
    else:
        sides = _opened(baseline, runs_dir), _opened("latest" if candidate is None else candidate, runs_dir)
    share = None if margin is None else parse_share(margin, "--margin")
    chance = None if alpha is None else parse_share(alpha, "--alpha")
    before, after = (sweep.dir.path.absolute() for sweep in sides)
    if before == after:
        raise UsageError(
            f"{sides[0].id} can't be compared with itself: name two sweeps (perflab list shows all)", value=sides[0].id
        )
    if (ab := ab_of_sides(sides[0].dir, sides[1].dir)) is not None:
        return compare_ab(ab, share, chance, waived)
    return compare_sweeps(
        *sides,
        margin=MARGIN if share is None else share,
        alpha=ALPHA if chance is None else chance,
        allow_different=waived,
        history=_history(*sides),
    )


def _is_ab(folder: Path, result_id: str) -> bool:
    # The latest sweep against the latest sweep can't be meant.
    return layout.is_ab(folder, result_id) or (result_id == "latest" and bool(layout.list_abs(folder)))


def _opened(sweep: str | Sweep, runs_dir: str | Path | None) -> Sweep:
    return sweep if isinstance(sweep, Sweep) else open_sweep(sweep, runs_dir, complete=True)


def compare_ab(
    ab: AbDir, margin: float | None = None, alpha: float | None = None, allow_different: Collection[str] = ()
) -> SweepComparison:
    """Compare the sides of an A/B comparison at its last look, as it was planned, or its error rates were unknown.

    Raises StoreError if it never came to a look, UsageError for another `margin` or `alpha` than planned.
    """
    manifest = read_manifest(ab.manifest, AbManifest)
    planned = manifest.ab
    for option, share, set_to in (("--margin", margin, planned.margin), ("--alpha", alpha, planned.alpha)):
        if share not in (None, set_to):
            raise UsageError(
                f"{option} {share:g}: it was set to {set_to:g} when {ab.id} began; leave it out", option, share
            )
    failed = manifest.status == "failed"
    if not manifest.rounds and not failed:
        raise StoreError(
            f"{ab.id} was ended before its first look, at {planned.looks[0]} rounds: "
            f"go on with perflab ab --resume {ab.id}",
            ab.path,
        )
    # Where too many rounds were invalid, all of them are reported.
    return compare_rounds(ab, planned, None if failed else manifest.rounds, allow_different)


def compare_rounds(
    ab: AbDir, planned: AbPlan, rounds: Collection[int] | None, allow_different: Collection[str] = ()
) -> SweepComparison:
    """Compare so many rounds of an A/B comparison at the look that they are planned for; None: all, at the last one."""
    baseline, candidate = map(Sweep.open, ab.sides)
    return compare_sweeps(
        baseline,
        candidate,
        design=planned.design,
        margin=planned.margin,
        alpha=planned.alpha,
        looks=planned.looks,
        look=planned.looks[-1] if rounds is None else len(rounds),
        rounds=rounds,
        allow_different=allow_different,
    )


def _history(baseline: Sweep, candidate: Sweep) -> list[Sweep]:
    """Return other sweeps of the baseline's configuration, if some level has a single run on a side."""
    runs = [Counter(run.level for run in sweep.run_manifests) for sweep in (baseline, candidate)]
    if not any(min(side[level] for side in runs) == 1 for level in runs[0]):
        return []
    ids = {baseline.id, candidate.id}
    sweeps = [_readable(place) for place in layout.list_sweeps(baseline.dir.runs_dir) if place.id not in ids]
    return same_configuration(baseline, [sweep for sweep in sweeps if sweep is not None])


def _readable(place: SweepDir) -> Sweep | None:
    """Return a sweep, None for one that can't be read: somebody else's damage must not keep these from comparing."""
    try:
        return Sweep.open(place)
    except StoreError:
        return None
