"""Compares two recorded sweeps: is the candidate slower than the baseline, or is the difference just noise?

    compare_sweeps(baseline, candidate).verdict    PASS, FAIL, INVALID or INCONCLUSIVE

The procedure and its measured error rates are in docs/explanation/statistics.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import pandas as pd

from perflab.analyse.comparison import details
from perflab.analyse.comparison.comparability import (
    Difference,
    check_waived,
    differences,
    incomparable,
    left_out,
    levels_gone,
    never_steady,
    unrecorded,
)
from perflab.analyse.comparison.decision import Rules, make_rules
from perflab.analyse.comparison.failures import compare_failures
from perflab.analyse.comparison.latency import compare_latency, latency_by_run
from perflab.analyse.comparison.parts import Conclusion, Part
from perflab.analyse.comparison.side import Cell, Side, cell_clocks
from perflab.analyse.comparison.throughput import compare_throughput
from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.plan.ab import ALPHA, MARGIN
from perflab.store.layout import SIDES, ComparisonDir, ab_of_sides
from perflab.vocabulary.verdict import Change, Verdict

Design: TypeAlias = Literal["separate", "interleaved", "duet"]
DESIGNS: tuple[Design, ...] = get_args(Design)


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
    """Compare two sweeps. The parts of the result are computed when they are first used.

    `design` says how they were made: separately, or in the same rounds, one after the other (interleaved) or at the
    same time (duet). In a design with rounds, runs of the same level and repeat form pairs. `margin`, `alpha`,
    `looks` and `look` are as in `compare_runs`; `rounds` are the repeats to compare, None for all. `allow_different`
    names differences in configuration that are accepted although they matter. `history` are other sweeps of the
    baseline's configuration, from which `spread` is computed.

    Raises UsageError for options out of range, and StoreError for sweeps that can't be read.
    """
    if design not in DESIGNS:
        raise UsageError(f"design is {design!r}: it must be one of {', '.join(DESIGNS)}")
    check_waived(allow_different)
    rules = make_rules(paired=design != "separate", margin=margin, alpha=alpha, looks=looks, look=look)
    return SweepComparison(baseline, candidate, design, rules, rounds, allow_different, history)


class SweepComparison:
    """A candidate compared with a baseline. Latencies are in ms, ratios are candidate / baseline.

    On both sides the groups are those of the candidate's objectives. The frames are cached: don't modify them.
    """

    def __init__(
        self,
        baseline: Sweep,
        candidate: Sweep,
        design: Design,
        rules: Rules,
        rounds: Collection[int] | None,
        allow_different: Collection[str],
        history: Sequence[Sweep],
    ) -> None:
        self.baseline, self.candidate, self.design = baseline, candidate, design
        self.margin, self.alpha, self.looks = rules.margin, rules.alpha, rules.looks or None
        self.allow_different = tuple(allow_different)
        self._rules, self._rounds, self._history = rules, rounds, history

    def __repr__(self) -> str:
        return f"<SweepComparison {self.candidate.id} against {self.baseline.id}>"

    @property
    def dir(self) -> ComparisonDir:
        """The folder of its files, existing or not: that of its A/B comparison, else one in the candidate's."""
        ab = ab_of_sides(self.baseline.dir, self.candidate.dir)
        return self.candidate.dir.against(self.baseline.id) if ab is None else ab.comparison

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL for a regression, INVALID or INCONCLUSIVE."""
        return self.change.verdict

    @property
    def change(self) -> Change:
        """The kind of change: REGRESSION, NO_REGRESSION (beyond the margin), INCONCLUSIVE or INVALID."""
        return self._conclusion.change

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        return self._conclusion.headline

    @cached_property
    def reasons(self) -> list[str]:
        """Why the comparison does not pass, one line per reason, the worst first; empty for PASS."""
        return self._conclusion.reasons

    @property
    def other_reasons(self) -> list[str]:
        """The reasons that the headline doesn't already name."""
        return self._conclusion.other_reasons

    @cached_property
    def notes(self) -> list[str]:
        """What is worth knowing but does not affect the verdict, one line per fact."""
        unknown = ", ".join(unrecorded(self.baseline, self.candidate))
        return [
            *self._conclusion.improvements,
            *details.spread_notes(self.spread),
            *self._latency.notes,
            *self._failures.notes,
            *left_out(*self._sides),
            # In a duet, whatever is not steady affects both sides at the same time.
            *(never_steady(*self._sides) if self.design != "duet" else []),
            *([f"not recorded on both sides, so it is unknown whether it differs: {unknown}"] if unknown else []),
        ]

    @property
    def additional_runs(self) -> int | None:
        """How many more rounds, or runs per side, would probably settle an INCONCLUSIVE comparison; None if unknown."""
        return self._conclusion.additional_runs

    @property
    def improved(self) -> list[str]:
        """Groups that are faster; at most a share alpha of comparisons names one wrongly."""
        return self._latency.deciding.improved if self._latency.deciding else []

    @property
    def slower(self) -> list[str]:
        """Groups that are slower, overall or in some cell, and not shown to be within the margin."""
        return self._latency.deciding.slower if self._latency.deciding else []

    @property
    def groups(self) -> list[str]:
        """All measured groups, in the order of the sweeps' own reports, and so in the same colours."""
        measured = set(self.latency_by_run["group"])
        sweeps = (self.candidate, self.baseline)
        declared = [group.name for sweep in sweeps for group in sweep.manifest.objectives.groups]
        return list(dict.fromkeys([*(name for name in declared if name in measured), *sorted(measured)]))

    @cached_property
    def latency(self) -> pd.DataFrame:
        """Latency, one row per level, group and percentile.

        Columns: level, group, metric (such as p95_ms), baseline_runs, candidate_runs, baseline and candidate
        (ms, geometric means over runs), ratio, low, high, p_regression, p_adjusted, verdict (a `Finding`), words (the
        same as a phrase), evidence (its figures, or why it is not assessable), clock. Bounds and p-values are as in
        `compare_runs`; p_adjusted is adjusted for everything that is compared. Verdicts: slower; slower, within the
        margin; within the margin; faster; open; not assessable.
        """
        return self._latency.cells

    @cached_property
    def latency_by_group(self) -> pd.DataFrame:
        """Latency, one row per group: its index over its cells.

        Columns: group, ratio, low, high, p_regression, p_adjusted, verdict, words, evidence, as in `latency`.
        """
        return self._latency.by_group

    @cached_property
    def latency_by_run(self) -> pd.DataFrame:
        """Latency, one row per run, group and percentile, of both sides.

        Columns: side, level, repeat, run, group, metric, value (ms), samples, beyond (those slower than the value),
        clock, used, why (why it isn't used, else empty).
        """
        return self._figures.drop(columns=["counts", "median_beyond"])

    @cached_property
    def throughput(self) -> pd.DataFrame:
        """Throughput, one row per level and group.

        Columns: level, group, baseline and candidate (successful requests per second, geometric means over runs),
        ratio, low, high, p_regression, p_adjusted, verdict, words, evidence. Verdicts: lower; lower, within the margin;
        within the margin; higher; open; not assessable.
        """
        return self._throughput.cells

    @cached_property
    def throughput_by_level(self) -> pd.DataFrame:
        """Throughput of all requests together, one row per level: the columns of `throughput` without group.

        For the comparison to pass, each must be within the margin; a single group only must not be found lower.
        """
        return self._throughput.by_level

    @cached_property
    def throughput_by_group(self) -> pd.DataFrame:
        """Throughput, one row per group over its levels: group, and the columns of `throughput` from ratio on."""
        return self._throughput.by_group

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Failure rates, one row per level and group.

        Columns: level, group, baseline_failed, baseline_requests, candidate_failed, candidate_requests, baseline_rate,
        candidate_rate, low and high (bounds of the difference of the rates), p_regression, p_adjusted, verdict (more;
        fewer; no more found; not assessable), words, evidence.
        """
        return self._failures.cells

    @cached_property
    def failures_by_group(self) -> pd.DataFrame:
        """Failure rates, one row per group over its levels: the columns of `failures` without level."""
        return self._failures.by_group

    @cached_property
    def comparability(self) -> pd.DataFrame:
        """What differs: what, baseline, candidate (text), kind (matters, waived, the change, listed)."""
        rows = [asdict(difference) for difference in self._differences]
        return pd.DataFrame(rows, columns=["what", "baseline", "candidate", "kind"], dtype="str")

    @cached_property
    def spread(self) -> pd.DataFrame:
        """Where single runs lie among ten or more runs of the baseline's configuration; empty if there are fewer.

        Columns: level, group, metric, runs, low and high (ms: 99 % of such runs lie within), candidate (ms), inside.
        """
        compared = {self.baseline.dir.path, self.candidate.dir.path}
        others = [sweep for sweep in self._history if sweep.dir.path not in compared]
        objectives = self.candidate.manifest.objectives
        return details.spread(self.latency, self.baseline, others, self._clocks, objectives)

    @cached_property
    def latency_curves(self) -> pd.DataFrame:
        """Percentile curves of all requests of the runs that count: side, level, group, q, latency_ms."""
        return details.latency_curves(*self._sides, self._clocks)

    @cached_property
    def latency_by_quantile(self) -> pd.DataFrame:
        """The change by quantile, run by run as the cells are judged: level, group, q, ratio, low, high."""
        return details.latency_by_quantile(*self._sides, self._clocks, self._rules)

    @cached_property
    def latency_by_round(self) -> pd.DataFrame:
        """The change in each round that counts; empty unless both sides were run in the same rounds.

        Columns: level, group, metric, repeat, ratio.
        """
        return details.latency_by_round(self.latency_by_run.iloc[: None if self._rules.paired else 0])

    @cached_property
    def latency_over_time(self) -> pd.DataFrame:
        """The change over the window: level, group, second (middle of a block, from the planned window's start), ratio.

        The ratio is that of the median latencies of all requests that began in the block.
        """
        return details.latency_over_time(*self._sides, self._clocks)

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """What each endpoint contributes to its group's change of mean latency, largest first at each level.

        Columns: level, group, method, name, baseline_ms, candidate_ms (means), share (of the group's requests, of
        both sides), contribution_ms (share times the change of its mean).
        """
        return details.contributions(*self._sides, self._clocks)

    @cached_property
    def _differences(self) -> list[Difference]:
        return differences(*self._sides, self.allow_different)

    @cached_property
    def _sides(self) -> tuple[Side, Side]:
        objectives, planned = self.candidate.manifest.objectives, self.design == "duet"
        baseline, candidate = (
            Side.of(name, sweep, objectives, planned=planned, repeats=self._rounds)
            for name, sweep in zip(SIDES, (self.baseline, self.candidate), strict=True)
        )
        if self._rules.paired:
            unpaired = baseline.used_runs ^ candidate.used_runs
            why = "the other side has no such run that counts"
            return baseline.without(unpaired, why), candidate.without(unpaired, why)
        return baseline, candidate

    @cached_property
    def _clocks(self) -> dict[Cell, bool]:
        return cell_clocks(*self._sides)

    @cached_property
    def _figures(self) -> pd.DataFrame:
        return latency_by_run(self._sides, self._clocks, paired=self._rules.paired)

    @cached_property
    def _latency(self) -> Part:
        return compare_latency(*self._sides, self._figures, self._clocks, self._rules)

    @cached_property
    def _throughput(self) -> Part:
        return compare_throughput(*self._sides, self._rules)

    @cached_property
    def _failures(self) -> Part:
        return compare_failures(*self._sides, self._rules)

    @cached_property
    def _conclusion(self) -> Conclusion:
        return Conclusion(
            latency=self._latency,
            throughput=self._throughput,
            failures=self._failures,
            rules=self._rules,
            rounds=max(self._rules.look or 0, *(side.most_runs for side in self._sides)),
            invalid=list(incomparable(*self._sides, self._differences)),
            open=levels_gone(*self._sides),
        )
