"""Two recorded sweeps compared: is the candidate slower than the baseline, or is it just noise?

    compare_sweeps(baseline, candidate).verdict    PASS, FAIL, INVALID or INCONCLUSIVE

The procedure and its measured error rates are in docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Literal, TypeAlias

import pandas as pd

from perflab.analyse.comparison.compare_runs import ChangeVerdict, check_options
from perflab.analyse.comparison.figures import cell_clocks, run_figures
from perflab.analyse.comparison.latency import Latency, compare_latency
from perflab.analyse.comparison.procedure import Options, further
from perflab.analyse.comparison.side import Cell, Side
from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.store.manifest import Verdict

Design: TypeAlias = Literal["separate", "interleaved", "duet"]
DESIGNS: tuple[Design, ...] = ("separate", "interleaved", "duet")
MARGIN, ALPHA = 0.05, 0.01
# More runs left out than this share of a side's runs at a user count, and the rest is a selection.
MOST_LEFT_OUT = 0.2


def compare_sweeps(
    baseline: Sweep,
    candidate: Sweep,
    *,
    design: Design = "separate",
    margin: float = MARGIN,
    alpha: float = ALPHA,
    looks: Sequence[int] | None = None,
    look: int | None = None,
    rounds: Collection[int] | None = None,
    allow_different: Collection[str] = (),
    history: Sequence[Sweep] = (),
) -> SweepComparison:
    """Compare two sweeps; what is asked of the result is computed when it is first asked for.

    `design` says how they were made: separate, or both in the same rounds, one after the other (interleaved) or at the
    same moment (duet); then runs of the same user count and repeat belong together. `margin`, `alpha`, `looks` and
    `look` are as in `compare_runs`; `rounds` are the repeats to compare, None for all. `allow_different` names what
    may differ although it matters. `history` are other sweeps of the baseline's configuration, for what one run tells.

    Raises UsageError for options out of range, and StoreError for sweeps that can't be read.
    """
    if design not in DESIGNS:
        raise UsageError(f"design is {design!r}: it is one of {', '.join(DESIGNS)}")
    check_options(margin, alpha)
    options = Options(design != "separate", margin, alpha, tuple(looks) if looks else None, look)
    return SweepComparison(baseline, candidate, design, options, rounds, allow_different, history)


class SweepComparison:
    """Candidate against baseline. Latencies are in ms, ratios candidate to baseline; don't change the frames."""

    def __init__(
        self,
        baseline: Sweep,
        candidate: Sweep,
        design: Design,
        options: Options,
        rounds: Collection[int] | None,
        allow_different: Collection[str],
        history: Sequence[Sweep],
    ) -> None:
        self.baseline = baseline
        self.candidate = candidate
        self.design = design
        self.margin = options.margin
        self.alpha = options.alpha
        self.looks = options.looks
        self._options = options
        self._rounds = rounds
        self._allow_different = tuple(allow_different)
        self._history = tuple(history)

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL for a regression, INVALID or INCONCLUSIVE."""
        of_change: dict[str, Verdict] = {"REGRESSION": "FAIL", "NO_REGRESSION": "PASS"}
        return of_change.get(self.change, "INVALID" if self.change == "INVALID" else "INCONCLUSIVE")

    @cached_property
    def change(self) -> ChangeVerdict | Literal["INVALID"]:
        """What is known of the change: REGRESSION, NO_REGRESSION beyond the margin, INCONCLUSIVE, INVALID."""
        if self._invalid:
            return "INVALID"
        found = self._latency.comparison
        if found is not None and found.verdict == "REGRESSION":
            return "REGRESSION"
        if found is None or self._latency.open:
            return "INCONCLUSIVE"
        return found.verdict

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        return self.change

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Latency, a row a user count, group and percentile.

        Columns: users, group, metric (p50_ms, p95_ms, p99_ms), baseline_runs, candidate_runs, baseline and candidate
        (ms, geometric means over runs), ratio, low, high, p_regression, p_adjusted, verdict, words, clock. Bounds and
        p-values as in `compare_runs`, p_adjusted for everything that is compared. Verdicts: slower; slower, within the
        margin; within the margin; faster; open; not assessable.
        """
        return self._latency.cells

    @cached_property
    def endpoints(self) -> pd.DataFrame:
        """Latency, a row a group: its index over its cells. Columns: group, and those of `cells` from ratio to words."""
        return self._latency.endpoints

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run, group and percentile, of both sides.

        Columns: side, users, repeat, run, group, metric, value (ms), samples, beyond (those slower than the value),
        clock, used, why (it isn't used; else empty).
        """
        return self._figures.drop(columns="counts")

    @property
    def further_runs(self) -> int | None:
        """Rounds, or runs a side, that would probably settle an INCONCLUSIVE comparison; None: nothing to go by."""
        return further([self._latency.comparison]) if self.change == "INCONCLUSIVE" else None

    @cached_property
    def _sides(self) -> tuple[Side, Side]:
        sweeps = {"baseline": self.baseline, "candidate": self.candidate}
        sides = [
            Side.of(name, sweep, planned=self.design == "duet", repeats=self._rounds) for name, sweep in sweeps.items()
        ]
        if self._options.paired:
            used = [
                {*zip(s.runs["users"][s.runs["used"]], s.runs["repeat"][s.runs["used"]], strict=True)} for s in sides
            ]
            alone = used[0] ^ used[1]
            sides = [side.without(alone, "the other side has no such run that counts") for side in sides]
        return sides[0], sides[1]

    @cached_property
    def _clocks(self) -> dict[Cell, bool]:
        return cell_clocks(*self._sides)

    @cached_property
    def _figures(self) -> pd.DataFrame:
        return pd.concat([run_figures(side, self._clocks) for side in self._sides], ignore_index=True)

    @cached_property
    def _latency(self) -> Latency:
        return compare_latency(*self._sides, self._figures, self._clocks, self._options)

    @cached_property
    def _invalid(self) -> list[str]:
        """Why nothing can be said about a change, one line each."""
        lines = []
        for side in self._sides:
            for users, runs in side.runs.groupby("users"):
                asked = runs[runs["why"] != "not of the rounds that are compared"]
                left_out = asked[~asked["used"]]
                if len(left_out) > MOST_LEFT_OUT * len(asked):
                    why = left_out["why"].iloc[0]
                    lines.append(
                        f"{side.name} at {users} users: {len(left_out)} of {len(asked)} runs can't be used "
                        f"({left_out['run'].iloc[0]}: {why})"
                    )
        return lines
