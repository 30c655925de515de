"""What latency, throughput and error rate come to together: the verdict, in a sentence and with its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from perflab.analyse.comparison.columns import records
from perflab.analyse.comparison.compare_runs import Comparison
from perflab.analyse.comparison.errors import Errors
from perflab.analyse.comparison.further import MAX_RUNS
from perflab.analyse.comparison.latency import Latency
from perflab.analyse.comparison.procedure import Options
from perflab.analyse.comparison.throughput import Throughput
from perflab.analyse.comparison.wording import all_taken, names, percentage
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.verdict import Change, Finding

# Of a comparison's requests: more than the default objective of a sweep allows to fail.
MANY_FAILURES = 0.01


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The three parts, and what lies beyond them: why the comparison is `invalid`, and why it can't pass (`open`)."""

    latency: Latency
    throughput: Throughput
    errors: Errors
    options: Options
    rounds: int
    """The number of rounds, or of runs a side, that there are."""
    invalid: Sequence[str]
    open: Sequence[str]

    @property
    def change(self) -> Change:
        """The verdict on the change."""
        if self.invalid:
            return Change.INVALID
        verdicts = {None if part is None else part.verdict for part in self._parts}
        if Change.REGRESSION in verdicts or self.throughput.regressed or self.errors.more:
            return Change.REGRESSION
        return (
            Change.NO_REGRESSION if verdicts == {Change.NO_REGRESSION} and not self._all_open else Change.INCONCLUSIVE
        )

    @property
    def additional_runs(self) -> int | None:
        """How many more would probably settle it; None: it is settled, hopeless, or there is nothing to go by."""
        if self.change != Change.INCONCLUSIVE:
            return None
        needed = [
            part.additional_runs for part in self._parts if part is not None and part.verdict == Change.INCONCLUSIVE
        ]
        return None if None in needed else max((runs for runs in needed if runs is not None), default=None)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        if self.change == Change.INVALID:
            return f"The two can't be compared: {self.invalid[0]}"
        if self.change == Change.REGRESSION:
            return f"The candidate is worse: {'; '.join(self._worse)}"
        margin = f"{self.options.margin * 100:g} %"
        if self.change == Change.NO_REGRESSION:
            return f"The candidate is not slower by more than the margin of {margin}, in any cell"
        advice = self._advice
        return f"It can't be told whether the candidate is slower by more than {margin}" + (
            f": {advice}" if advice else ""
        )

    @property
    def reasons(self) -> list[str]:
        """Why it does not pass, one line each, the gravest first; none for NO_REGRESSION."""
        if self.change == Change.INVALID:
            return list(self.invalid)
        if self.change == Change.NO_REGRESSION:
            return []
        return [*self._worse, *self._all_open, *self._undecided]

    @property
    def other_reasons(self) -> list[str]:
        """Those of the reasons that the headline doesn't name."""
        named = len(self._worse) if self.change == Change.REGRESSION else 1 if self.invalid or self._all_open else 0
        return self.reasons[named:]

    @property
    def improvements(self) -> list[str]:
        """What has become better, one line each."""
        found = (
            ("faster", self.latency.endpoints, Finding.FASTER),
            ("more requests/s", self.throughput.totals, Finding.HIGHER),
            ("fewer requests fail", self.errors.groups, Finding.FEWER),
        )
        return [
            f"{_name(row)}: {kind}, {row['evidence']}" for kind, rows, verdict in found for row in _with(rows, verdict)
        ]

    @property
    def _parts(self) -> tuple[Comparison | None, Comparison | None]:
        return self.latency.comparison, self.throughput.comparison

    @property
    def _all_open(self) -> list[str]:
        return [*self.open, *self.latency.open, *self.throughput.open]

    @property
    def _worse(self) -> list[str]:
        """What is worse, a phrase each: groups as a whole, and cells of groups that aren't."""
        lines = []
        for kind, groups, cells, verdict in (
            ("slower", self.latency.endpoints, self.latency.cells, Finding.SLOWER),
            ("fewer requests/s", None, self.throughput.totals, Finding.LOWER),
            ("fewer requests/s", self.throughput.groups, self.throughput.cells, Finding.LOWER),
            ("more requests fail", self.errors.groups, self.errors.cells, Finding.MORE),
        ):
            whole = [] if groups is None else _with(groups, verdict)
            told = {row["group"] for row in whole}
            parts = [row for row in _with(cells, verdict) if row.get("group") not in told]
            lines += [f"{_name(row)}: {kind}, {row['evidence']}" for row in [*whole, *parts]]
        return lines

    @property
    def _undecided(self) -> Iterator[str]:
        """Which cells are open where that is the procedure's own verdict."""
        for part, cells, worse in (
            (self._parts[0], self.latency.cells, "be slower"),
            (self._parts[1], self.throughput.totals, "have lost throughput"),
        ):
            if part is not None and part.verdict == Change.INCONCLUSIVE:
                undecided = [_name(row) for row in _with(cells, Finding.OPEN)]
                yield f"may {worse} by more than {self.options.margin * 100:g} %: {names(undecided)}"

    @property
    def _advice(self) -> str:
        runs = "rounds" if self.options.paired else "runs a side"
        if self._all_open:
            # No number of runs would mend that.
            return self._all_open[0]
        if not any(part is not None and part.verdict == Change.INCONCLUSIVE for part in self._parts):
            return ""
        looks = self.options.looks
        if looks and self.rounds >= looks[-1]:
            return all_taken(self.additional_runs, runs)
        if self.additional_runs is None:
            most = looks[-1] if looks else MAX_RUNS
            return f"not even {most} {runs} would probably do; make longer runs, or allow a wider margin"
        return f"about {self.additional_runs} more {runs} would probably settle it"


def failure_bound(errors: Errors) -> str:
    """Return how many more failures there may be where no more were found; empty if nothing was compared."""
    unfound = _with(errors.groups, Finding.NO_MORE)
    if not unfound:
        return ""
    worst = max(unfound, key=lambda row: float(row["high"]))
    return (
        f"no more failures were found in {names([row['group'] for row in unfound])}; "
        f"up to {percentage(max(worst['high'], 0))} more of requests may fail ({worst['group']})"
    )


def failing_alike(errors: Errors) -> list[str]:
    """Return where so many requests fail on both sides that it is worth saying although neither is the worse one."""
    return [
        f"{percentage(row['baseline_rate'])} of requests failed in {row['group']} of the baseline and "
        f"{percentage(row['candidate_rate'])} of the candidate: a comparison judges the difference alone"
        for row in records(errors.groups)
        if min(row["baseline_rate"] or 0, row["candidate_rate"] or 0) > MANY_FAILURES
    ]


def _with(rows: pd.DataFrame, verdict: Finding) -> list[dict[str, Any]]:
    return records(rows[rows["verdict"] == verdict])


def _name(row: Mapping[str, Any]) -> str:
    """Return what a row is about, such as payments p95 at 100 users."""
    metric = metric_of(row["metric"]).words if "metric" in row else ""
    what = [row.get("group", "all requests"), metric, f"at {row['users']} users" if "users" in row else ""]
    return " ".join(word for word in what if word)
