"""``comparison.json``: a comparison's figures for programs, and the JSON Schema that describes them.

python -m perflab.report.comparison.document > docs/load_test_comparison.schema.json
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Literal

from pydantic import Field

from perflab.report.metrics import Clock, Part, Target, UserCount, schema_of, to_json
from perflab.vocabulary.verdict import Change, Finding, Verdict

Kind = Literal["matters", "waived", "the change", "listed"]


class Side(Part):
    """One of the two sweeps."""

    sweep_id: str = Field(description="The sweep's id; in an A/B comparison its own id, a slash, and the side.")
    label: str = Field(description="The label that was given to the sweep.")
    created: datetime = Field(description="When the sweep was begun, UTC in ISO 8601.")
    target: Target = Field(description="The system under test.")
    git_commit: str | None = Field(description="Commit of its runs, with +changes if files differed; null outside.")


class Procedure(Part):
    """How they were compared; all of it is set before."""

    design: Literal["separate", "interleaved", "duet"] = Field(
        description="separate: runs apart from each other; interleaved: both in the same rounds, one after the other; "
        "duet: both in the same rounds, at the same moment."
    )
    margin: float = Field(description="The change that would not matter, as a fraction.")
    alpha: float = Field(description="How often two equal systems may be called a REGRESSION.")
    looks: list[int] | None = Field(
        description="Numbers of rounds, set beforehand, at which they are compared; null: once."
    )


class Difference(Part):
    """Something in which the two sweeps differ."""

    what: str = Field(description="What differs, as --allow-different takes it.")
    baseline: str = Field(description="What it was in the baseline.")
    candidate: str = Field(description="What it was in the candidate.")
    kind: Kind = Field(
        description="matters: makes the comparison INVALID; waived: it would matter, but --allow-different names it; "
        "the change: what the comparison is about; listed: not expected to matter."
    )


class Found(Part):
    """What is known of a figure."""

    verdict: Finding = Field(
        description="slower (of throughput: lower), the same with `, within the margin`, within the margin, faster "
        "(higher), open, or not assessable; of failures: more, fewer, no more found, or not assessable."
    )
    words: str = Field(description="The same in words.")
    evidence: str = Field(description="The figures behind it; of what is not assessable, why.")

    @property
    def sentence(self) -> str:
        """What is known, with its figures."""
        return f"{self.words}: {self.evidence}"


class Ratio(Found):
    """A ratio, candidate to baseline, with what is known of it."""

    ratio: float | None = Field(description="Candidate to baseline, of geometric means over runs; null if unknown.")
    low: float | None = Field(description="Its lower bound, missed in at most 5 % of comparisons; null for none.")
    high: float | None = Field(description="Its upper bound, as `low`.")
    p_regression: float | None = Field(description="One-sided p-value of a change for the worse, by itself.")
    p_adjusted: float | None = Field(description="The same for everything that is compared: compare it with alpha.")


class Throughput(Ratio):
    """Successful requests per second."""

    baseline: float | None = Field(description="Geometric mean over the baseline's runs, in requests per second.")
    candidate: float | None = Field(description="Geometric mean over the candidate's runs, in requests per second.")


class Runs(Part):
    """The runs behind a figure: by repeat (r1, r2 and so on), its value in ms, and why others have none."""

    used: dict[str, float] = Field(description="Values that count, in ms.")
    left_out: dict[str, str] = Field(description="Why the others don't.")


class Spread(Part):
    """Where single runs of the baseline's configuration lie."""

    runs: int = Field(description="How many such runs there are.")
    low: float = Field(description="In ms: 99 % of such runs lie between `low` and `high`.")
    high: float = Field(description="In ms, as `low`.")
    inside: bool = Field(description="Whether the candidate lies between them.")


class Latency(Ratio):
    """A percentile of latency."""

    baseline: float | None = Field(description="Geometric mean of the baseline's runs, in ms.")
    candidate: float | None = Field(description="Geometric mean of the candidate's runs, in ms.")
    clock: Clock | None = Field(description="Whose time it is; the same one on both sides.")
    baseline_runs: Runs = Field(description="The baseline's runs.")
    candidate_runs: Runs = Field(description="The candidate's runs.")
    spread: Spread | None = Field(
        description="For a single run: where such runs lie; null without ten or more of them."
    )


class Failed(Part):
    """Requests of the runs that count."""

    requests: int = Field(description="All requests.")
    failed: int = Field(description="Those that failed.")
    rate: float | None = Field(description="Failed share, 0 to 1; null without requests.")


class ErrorRates(Found):
    """Failed requests of both sides."""

    baseline: Failed = Field(description="Those of the baseline.")
    candidate: Failed = Field(description="Those of the candidate.")
    low: float | None = Field(description="Lower bound of the difference of the rates; null if unknown.")
    high: float | None = Field(description="Upper bound of the difference of the rates; null if unknown.")
    p_regression: float | None = Field(description="One-sided p-value of more failures, by itself.")
    p_adjusted: float | None = Field(description="The same for everything that is compared: compare it with alpha.")


class Group(Part):
    """A group of endpoints over all user counts; null is what can't be judged as a whole."""

    latency: Ratio | None = Field(description="Its index: the mean of its assessable percentiles at all user counts.")
    throughput: Ratio | None = Field(description="Its successful requests per second at all user counts.")
    errors: ErrorRates | None = Field(description="Its failed requests at all user counts.")


class LevelGroup(Part):
    """A group of endpoints at one user count."""

    latency: dict[str, Latency] = Field(description="By percentile: p50, p95, p99.")
    throughput: Throughput | None = Field(description="Null if one side has no request.")
    errors: ErrorRates | None = Field(description="Null if one side has no request.")


class Level(Part):
    """One user count that both sides have."""

    users: int = Field(description="Concurrent users.")
    throughput: Throughput | None = Field(description="Of all requests together; null if it can't be compared.")
    groups: dict[str, LevelGroup] = Field(description="By the group's name.")


class ComparisonDocument(Part):
    """Two load sweeps compared: is the candidate slower than the baseline, or is it just noise?"""

    schema_version: Literal[1] = Field(description="Version of this format.")
    baseline: Side = Field(description="What is held against.")
    candidate: Side = Field(description="What may be slower.")
    procedure: Procedure = Field(description="How they were compared.")
    verdict: Verdict = Field(description="PASS, FAIL for a regression, INVALID or INCONCLUSIVE.")
    change: Change = Field(description="What is known of the change. NO_REGRESSION: none beyond the margin.")
    exit_code: int = Field(description="What perflab compare exits with: 0 PASS, 1 FAIL, 3 INVALID, 4 INCONCLUSIVE.")
    headline: str = Field(description="The verdict in one sentence.")
    reasons: list[str] = Field(description="Why it does not pass, a line each, the gravest first.")
    notes: list[str] = Field(description="What is worth knowing but changes no verdict, a line each.")
    slower: list[str] = Field(description="Groups that are slower, as a whole or in a figure, not within the margin.")
    improved: list[str] = Field(description="Groups that are faster.")
    additional_runs: int | None = Field(
        description="Rounds, or runs a side, that would probably settle an INCONCLUSIVE comparison; null: not known."
    )
    comparability: list[Difference] = Field(description="In what the two sweeps differ, what matters first.")
    groups: dict[str, Group] = Field(description="By the group's name: over all user counts.")
    levels: dict[UserCount, Level] = Field(description="By user count, as in the runs' folders: four digits or more.")

    def to_json(self) -> str:
        """Return the document as text that a line-by-line diff reads well: sorted keys, one value a line."""
        return to_json(self.model_dump(mode="json"))


def schema() -> str:
    """Return the JSON Schema (Draft 2020-12) of ``comparison.json`` as text."""
    return schema_of(ComparisonDocument)


if __name__ == "__main__":
    sys.stdout.write(schema())
