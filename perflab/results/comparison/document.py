"""``comparison.json``: a comparison's figures and its verdict for programs, as its JSON Schema describes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer

from perflab.results.document import (
    Clock,
    DescribedLevel,
    Document,
    LevelName,
    Ms,
    Part,
    Rps,
    Share,
    Target,
    Thousandths,
    Value,
    rounded,
)
from perflab.results.sweep.document import SweepDocument
from perflab.vocabulary.level import Level
from perflab.vocabulary.metric import CHARTED
from perflab.vocabulary.verdict import Change, Finding, Verdict

Importance: TypeAlias = Literal["matters", "waived", "the change", "listed"]
RatioFigure: TypeAlias = Annotated[Value, PlainSerializer(lambda value: rounded(value, 6), return_type=float | None)]
# A ratio that may be as small as can be has no lower bound.
LowerRatio: TypeAlias = Annotated[RatioFigure, BeforeValidator(lambda value: value or None)]
PValue: TypeAlias = Annotated[
    Value,
    PlainSerializer(lambda value: None if value is None else float(f"{value:.6g}"), return_type=float | None),
]


class Side(Part):
    """One of the two sweeps."""

    sweep_id: str = Field(description="The sweep's id; in an A/B comparison its own id, a slash, and the side.")
    label: str = Field(description="The label that was given to the sweep.")
    created: datetime = Field(description="When the sweep was begun, UTC in ISO 8601.")
    target: Target = Field(description="The system under test.")
    launch: str | None = Field(description="The command that started the target, without secrets; null for none.")
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
    kind: Importance = Field(
        description="matters: makes the comparison INVALID; waived: it would matter, but --allow-different names it; "
        "the change: what the comparison is about; listed: not expected to matter."
    )


class Effect(Part):
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


class Ratio(Effect):
    """A ratio, candidate to baseline, with what is known of it."""

    ratio: RatioFigure = Field(description="Candidate to baseline, of geometric means over runs; null if unknown.")
    low: LowerRatio = Field(description="Its lower bound, missed in at most 5 % of comparisons; null for none.")
    high: RatioFigure = Field(description="Its upper bound, as `low`.")
    p_regression: PValue = Field(description="One-sided p-value of a change for the worse, by itself.")
    p_adjusted: PValue = Field(description="The same for everything that is compared: compare it with alpha.")


class Throughput(Ratio):
    """Successful requests per second."""

    UNIT: ClassVar[str] = "/s"

    baseline: Rps = Field(description="Geometric mean over the baseline's runs, in requests per second.")
    candidate: Rps = Field(description="Geometric mean over the candidate's runs, in requests per second.")


class Runs(Part):
    """The runs behind a figure: by repeat (r1, r2 and so on), its value in ms, and why others have none."""

    used: dict[str, Thousandths] = Field(description="Values that count, in ms.")
    left_out: dict[str, str] = Field(description="Why the others don't.")


class Spread(Part):
    """Where single runs of the baseline's configuration lie."""

    runs: int = Field(description="How many such runs there are.")
    low: Thousandths = Field(description="In ms: 99 % of such runs lie between `low` and `high`.")
    high: Thousandths = Field(description="In ms, as `low`.")
    inside: bool = Field(description="Whether the candidate lies between them.")


class Latency(Ratio):
    """A percentile of latency."""

    UNIT: ClassVar[str] = "ms"

    baseline: Ms = Field(description="Geometric mean of the baseline's runs, in ms.")
    candidate: Ms = Field(description="Geometric mean of the candidate's runs, in ms.")
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
    rate: Share = Field(description="Failed share, 0 to 1; null without requests.")


class FailureRates(Effect):
    """Failed requests of both sides."""

    baseline: Failed = Field(description="Those of the baseline.")
    candidate: Failed = Field(description="Those of the candidate.")
    low: Share = Field(description="Lower bound of the difference of the rates; null if unknown.")
    high: Share = Field(description="Upper bound of the difference of the rates; null if unknown.")
    p_regression: PValue = Field(description="One-sided p-value of more failures, by itself.")
    p_adjusted: PValue = Field(description="The same for everything that is compared: compare it with alpha.")


class Group(Part):
    """A group of endpoints over all levels; null is what can't be judged as a whole."""

    latency: Ratio | None = Field(description="Its index: the mean of its assessable percentiles at all levels.")
    throughput: Ratio | None = Field(description="Its successful requests per second at all levels.")
    failures: FailureRates | None = Field(description="Its failed requests at all levels.")


class LevelGroup(Part):
    """A group of endpoints at one level."""

    latency: dict[str, Latency] = Field(description=f"By percentile: {', '.join(metric.words for metric in CHARTED)}.")
    throughput: Throughput | None = Field(description="Null if one side has no request.")
    failures: FailureRates | None = Field(description="Null if one side has no request.")


class LevelResult(Part):
    """What was found at one level that both sides have."""

    level: DescribedLevel = Field(description="Its load.")
    baseline_runs: int = Field(description="Runs of the baseline that count.")
    candidate_runs: int = Field(description="Runs of the candidate that count.")
    throughput: Throughput | None = Field(description="Of all requests together; null if it can't be compared.")
    groups: dict[str, LevelGroup] = Field(description="By the group's name.")


class Figure(NamedTuple):
    """What is known of one figure, and whether the comparison can't pass while it is open."""

    level: Level | None
    """None: over all levels."""
    group: str | None
    """None: of all requests together."""
    name: str
    """latency, a percentile, throughput, failed requests."""
    effect: Ratio | FailureRates
    decides: bool


class ComparisonDocument(Document):
    """Two load sweeps compared: is the candidate slower than the baseline, or is it just noise?"""

    FILE: ClassVar[str] = "comparison.json"

    schema_version: Literal[3] = Field(default=3, description="Version of this format.")
    baseline: Side = Field(description="What is held against.")
    candidate: Side = Field(description="What may be slower.")
    procedure: Procedure = Field(description="How they were compared.")
    change: Change = Field(description="What is known of the change. NO_REGRESSION: none beyond the margin.")
    other_reasons: list[str] = Field(description="Those of the reasons that the headline doesn't name already.")
    slower: list[str] = Field(description="Groups that are slower, as a whole or in a figure, not within the margin.")
    improved: list[str] = Field(description="Groups that are faster.")
    additional_runs: int | None = Field(
        description="Rounds, or runs a side, that would probably settle what is open; null: not known."
    )
    comparability: list[Difference] = Field(description="In what the two sweeps differ, what matters first.")
    groups: dict[str, Group] = Field(description="By the group's name: over all levels.")
    levels: dict[LevelName, LevelResult] = Field(description="By level, as the runs' folders name it: users-0100.")

    def figures(self) -> Iterator[Figure]:
        """Yield all figures: those over all levels first, then level by level, those of one group together."""
        for name, group in self.groups.items():
            if group.latency is not None:
                yield Figure(None, name, "latency", group.latency, decides=False)
            yield from _rates(None, name, group)
        for level in self.levels.values():
            if level.throughput is not None:
                yield Figure(level.level, None, "throughput", level.throughput, decides=True)
            for name, cell in level.groups.items():
                for percentile, latency in cell.latency.items():
                    yield Figure(level.level, name, percentile, latency, decides=True)
                yield from _rates(level.level, name, cell)


def _rates(level: Level | None, group: str, figures: Group | LevelGroup) -> Iterator[Figure]:
    if figures.throughput is not None:
        yield Figure(level, group, "throughput", figures.throughput, decides=False)
    if figures.failures is not None:
        yield Figure(level, group, "failed requests", figures.failures, decides=False)


class CheckDocument(Part):
    """A sweep held against its objectives, and against a baseline if that was asked for."""

    verdict: Verdict = Field(description="The one of both that outranks the other.")
    exit_code: int = Field(description=f"What perflab check exits with: {Verdict.exit_codes()}.")
    sweep: SweepDocument = Field(description="The sweep, judged by its objectives.")
    comparison: ComparisonDocument | None = Field(description="Against the baseline; null if that was not asked for.")
