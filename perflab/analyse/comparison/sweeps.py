"""Two recorded sweeps compared: is the candidate slower than the baseline, or is it just noise?

    compare_sweeps(baseline, candidate).verdict    PASS, FAIL, INVALID or INCONCLUSIVE

The procedure and its measured error rates are in docs/explanation/statistics.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Literal, TypeAlias

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
from perflab.analyse.comparison.compare_runs import make_rules
from perflab.analyse.comparison.decision import Rules
from perflab.analyse.comparison.failures import compare_failures
from perflab.analyse.comparison.latency import compare_latency
from perflab.analyse.comparison.parts import Conclusion, Part
from perflab.analyse.comparison.side import Cell, Side, cell_clocks, latency_by_run
from perflab.analyse.comparison.throughput import compare_throughput
from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.plan.ab import ALPHA, MARGIN
from perflab.store.layout import SIDES, ComparisonDir, common_ab
from perflab.vocabulary.verdict import Change, Verdict

Design: TypeAlias = Literal["separate", "interleaved", "duet"]
DESIGNS: tuple[Design, ...] = ("separate", "interleaved", "duet")


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
    check_waived(allow_different)
    rules = make_rules(paired=design != "separate", margin=margin, alpha=alpha, looks=looks, look=look)
    return SweepComparison(baseline, candidate, design, rules, rounds, allow_different, history)


class SweepComparison:
    """Candidate against baseline. Latencies are in ms, ratios candidate to baseline; don't change the frames.

    Groups are those of the candidate's objectives, on both sides.
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
        self.baseline = baseline
        self.candidate = candidate
        self.design = design
        self.margin = rules.margin
        self.alpha = rules.alpha
        self.looks = rules.looks or None
        self._rules = rules
        self._rounds = rounds
        self.allow_different = tuple(allow_different)
        self._history = tuple(history)

    def __repr__(self) -> str:
        return f"<SweepComparison {self.candidate.id} against {self.baseline.id}>"

    @property
    def dir(self) -> ComparisonDir:
        """Where its files lie, whether there are any or not: in its A/B comparison's folder, or in the candidate's."""
        ab = common_ab(self.baseline.dir, self.candidate.dir)
        return self.candidate.dir.against(self.baseline.id) if ab is None else ab.comparison

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL for a regression, INVALID or INCONCLUSIVE."""
        return self.change.verdict

    @property
    def change(self) -> Change:
        """What is known of the change: REGRESSION, NO_REGRESSION beyond the margin, INCONCLUSIVE, INVALID."""
        return self._conclusion.change

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        return self._conclusion.headline

    @cached_property
    def reasons(self) -> list[str]:
        """Why the comparison does not pass, one line each, the worst first; none for PASS."""
        return self._conclusion.reasons

    @property
    def other_reasons(self) -> list[str]:
        """Those of the reasons that the headline doesn't name already."""
        return self._conclusion.other_reasons

    @cached_property
    def notes(self) -> list[str]:
        """What is worth knowing but changes no verdict, one line each."""
        unknown = ", ".join(unrecorded(self.baseline, self.candidate))
        return [
            *self._conclusion.improvements,
            *details.spread_notes(self.spread),
            *self._latency.notes,
            *self._failures.notes,
            *left_out(*self._sides),
            # What is not steady in a duet hits both sides at the same moment.
            *(never_steady(*self._sides) if self.design != "duet" else []),
            *([f"not recorded of both, so it can't be told whether it differs: {unknown}"] if unknown else []),
        ]

    @property
    def additional_runs(self) -> int | None:
        """Rounds, or runs a side, that would probably settle an INCONCLUSIVE comparison; None: nothing to go by."""
        return self._conclusion.additional_runs

    @property
    def improved(self) -> list[str]:
        """Groups that are faster: of these too at most a share alpha of comparisons names one wrongly."""
        return self._latency.deciding.improved if self._latency.deciding else []

    @property
    def slower(self) -> list[str]:
        """Groups that are slower as a whole, or in a cell, and not shown to be within the margin."""
        return self._latency.deciding.slower if self._latency.deciding else []

    @property
    def groups(self) -> list[str]:
        """All groups that were measured, in the order, and so in the colours, that the sweeps' own reports use."""
        measured = set(self.latency_by_run["group"])
        stated = [group.name for sweep in (self.candidate, self.baseline) for group in sweep.manifest.objectives.groups]
        return list(dict.fromkeys([*(name for name in stated if name in measured), *sorted(measured)]))

    @cached_property
    def latency(self) -> pd.DataFrame:
        """Latency, one row per user count, group and percentile.

        Columns: users, group, metric (such as p95_ms), baseline_runs, candidate_runs, baseline and candidate
        (ms, geometric means over runs), ratio, low, high, p_regression, p_adjusted, verdict (a `Finding`), words (the
        same for people), evidence (its figures, or why it is not assessable), clock. Bounds and p-values as in
        `compare_runs`, p_adjusted for everything that is compared. Verdicts: slower; slower, within the margin; within
        the margin; faster; open; not assessable.
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

        Columns: side, users, repeat, run, group, metric, value (ms), samples, beyond (those slower than the value),
        clock, used, why (it isn't used; else empty).
        """
        return self._figures.drop(columns=["counts", "median_beyond"])

    @cached_property
    def throughput(self) -> pd.DataFrame:
        """Throughput, one row per user count and group.

        Columns: users, group, baseline and candidate (successful requests per second, geometric means over runs),
        ratio, low, high, p_regression, p_adjusted, verdict, words, evidence. Verdicts: lower; lower, within the margin;
        within the margin; higher; open; not assessable.
        """
        return self._throughput.cells

    @cached_property
    def throughput_by_level(self) -> pd.DataFrame:
        """Throughput of all requests together, one row per user count: the columns of `throughput` without group.

        These must be within the margin for the comparison to pass; groups need only not be found to be lower.
        """
        return self._throughput.by_level

    @cached_property
    def throughput_by_group(self) -> pd.DataFrame:
        """Throughput, one row per group over its user counts: group, and the columns of `throughput` from ratio on."""
        return self._throughput.by_group

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Failure rates, one row per user count and group.

        Columns: users, group, baseline_failed, baseline_requests, candidate_failed, candidate_requests, baseline_rate,
        candidate_rate, low and high (bounds of the difference of the rates), p_regression, p_adjusted, verdict (more;
        fewer; no more found; not assessable), words, evidence.
        """
        return self._failures.cells

    @cached_property
    def failures_by_group(self) -> pd.DataFrame:
        """Failure rates, one row per group over its user counts: the columns of `failures` without users."""
        return self._failures.by_group

    @cached_property
    def comparability(self) -> pd.DataFrame:
        """What differs: what, baseline, candidate (in words), kind (matters, waived, the change, listed)."""
        rows = [asdict(difference) for difference in self._differences]
        return pd.DataFrame(rows, columns=["what", "baseline", "candidate", "kind"], dtype="str")

    @cached_property
    def spread(self) -> pd.DataFrame:
        """Where single runs lie among ten or more of the baseline's configuration; empty without so many.

        Columns: users, group, metric, runs, low and high (ms: 99 % of such runs lie within), candidate (ms), inside.
        """
        ends = {self.baseline.dir.path, self.candidate.dir.path}
        earlier = [sweep for sweep in self._history if sweep.dir.path not in ends]
        objectives = self.candidate.manifest.objectives
        return details.spread(self.latency, self.baseline, earlier, self._clocks, objectives)

    @cached_property
    def latency_curves(self) -> pd.DataFrame:
        """Percentile curves of all requests of the runs that count: side, users, group, q, latency_ms."""
        return details.latency_curves(*self._sides, self._clocks)

    @cached_property
    def latency_by_quantile(self) -> pd.DataFrame:
        """The change by quantile, run by run as the cells are judged: users, group, q, ratio, low, high."""
        return details.latency_by_quantile(*self._sides, self._clocks, self._rules)

    @cached_property
    def latency_by_round(self) -> pd.DataFrame:
        """The change in each round that counts, of sides that were run in the same ones; else there are none.

        Columns: users, group, metric, repeat, ratio.
        """
        return details.latency_by_round(self.latency_by_run.iloc[: None if self._rules.paired else 0])

    @cached_property
    def latency_over_time(self) -> pd.DataFrame:
        """When it began: users, group, second (middle of a block, since the planned window's start), ratio.

        The ratio is that of the median latencies of all requests begun in the block.
        """
        return details.latency_over_time(*self._sides, self._clocks)

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """What each endpoint adds to its group's change of mean latency, largest first at each user count.

        Columns: users, group, method, name, baseline_ms, candidate_ms (means), share (of the group's requests, of
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
            alone = baseline.used_runs ^ candidate.used_runs
            why = "the other side has no such run that counts"
            return baseline.without(alone, why), candidate.without(alone, why)
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
