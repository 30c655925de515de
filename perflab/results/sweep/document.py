"""``metrics.json``: a sweep's figures and its verdict for programs, as its JSON Schema describes them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pydantic import Field, create_model, field_serializer

from perflab.plan import plan
from perflab.plan.options import Option
from perflab.results.document import (
    Bounded,
    Clock,
    DescribedLevel,
    Document,
    Latency,
    LevelName,
    Ms,
    Part,
    Rps,
    Share,
    Target,
    Thousandths,
    Usage,
    Value,
    rounded,
)
from perflab.store.manifest import Status
from perflab.vocabulary.metric import Bound, known_metrics, metric_of
from perflab.vocabulary.verdict import Verdict


class Metadata(Part):
    """What the figures depend on besides the plan. What differs between any two sweeps is listed here."""

    sweep_id: str = Field(description="The sweep's id, which is its folder's name.")
    label: str = Field(description="The label that was given to the sweep.")
    versions: dict[str, str] = Field(description="Versions of Python, perflab and the packages that measure and judge.")
    machine: dict[str, str | int | float | None] = Field(description="The machine that made the load.")
    git_commit: str | None = Field(description="Commit of the project, with +changes if files differed; null outside.")
    locustfile: str = Field(description="The locustfile's name with its folder's.")
    seed: int = Field(description="Seed of the suite's data.")
    target: Target = Field(description="The system under test.")


class RunTimes(Part):
    """When one run began and ended."""

    start: datetime | None = Field(description="UTC, ISO 8601; null if it never began.")
    end: datetime | None = Field(description="UTC, ISO 8601; null if it was cut short.")


class Timestamps(Part):
    """Points in time, UTC in ISO 8601."""

    created: datetime = Field(description="When the sweep was begun.")
    start: datetime | None = Field(description="Start of the first run; null if none began.")
    end: datetime | None = Field(description="End of the last run that ended; null if none did.")
    runs: dict[str, RunTimes] = Field(description="Start and end of each run, by its folder's name.")


def _described(option: Option) -> str:
    return f"{option.help} In seconds." if option.field.endswith("_s") else option.help


if TYPE_CHECKING:
    from perflab.plan.plan import Plan as Plan
else:
    # What a plan's other options are for is said in the metadata, or nobody's business.
    Plan = create_model(
        "Plan",
        __base__=Part,
        __doc__="What was to be run.",
        **{
            option.field: (plan.Plan.model_fields[option.field].annotation, Field(description=_described(option)))
            for option in plan.OPTIONS.values()
            if option.field not in ("locustfile", "seed", "label", "master_bind")
        },
    )


class Figures(Part):
    """Requests that began in the steady window, repeats pooled."""

    requests: int = Field(description="Requests: those that succeeded and those that failed.")
    ok: int = Field(description="Requests that succeeded.")
    failed: int = Field(description="Requests that failed, the unanswered ones among them.")
    unanswered: int = Field(description="Requests that had not come back when the run was over.")
    rps: Rps = Field(description="Requests per second of the window; null without a window.")
    success_rate: Share = Field(description="Successful share of the requests, 0 to 1; null without requests.")
    error_rate: Share = Field(description="Failed share of the requests, 0 to 1; null without requests.")
    latency_ms: Latency = Field(description="Latency in ms of the requests that succeeded.")
    response_codes: dict[str, int] | None = Field(
        description="Requests by HTTP status; none is for those without an answer of HTTP. Null for sweeps recorded by "
        "a perflab that did not note it."
    )


class EndpointFigures(Figures):
    """One endpoint's requests that began in the steady window, repeats pooled."""

    method: str = Field(description="Method of the request, as Locust names it.")
    name: str = Field(description="Name of the request, as Locust names it.")
    group: str = Field(
        description="The group of endpoints that it is judged with; several where it stands for endpoints of several."
    )


class Failure(Part):
    """Failed requests that are alike."""

    method: str = Field(description="Method of the request, as Locust names it.")
    name: str = Field(description="Name of the request, as Locust names it.")
    outcome: str = Field(description="Class of the failure, such as http_503, timeout, refused, check or unanswered.")
    status: str = Field(description="HTTP status; none where no answer of HTTP came.")
    message: str = Field(description="What was said, without secrets; {host} is the target's address.")
    count: int = Field(description="How many requests of the steady windows.")


class FailureOfRuns(Failure):
    """Failed requests that are alike, of all levels together."""

    whole_runs: int = Field(description="How many requests of whole runs: ramp-up and runs that don't count included.")
    levels: list[DescribedLevel] = Field(description="The levels at which there were any; empty for the rarest kinds.")


class Use(Part):
    """Use of CPU in per cent over the seconds of the steady window; 100 is one core."""

    mean: Usage = Field(description="Mean of the seconds, in per cent.")
    max: Usage = Field(description="Largest of the seconds, in per cent.")


class Lag(Part):
    """By how many milliseconds the generator's event loop was late in the steady window."""

    p50: Ms = Field(description="Median of the seconds' medians, in ms.")
    max: Ms = Field(description="Worst, in ms.")


class Generator(Part):
    """One process that made requests, in the steady window."""

    cpu_percent: Use = Field(description="Use of CPU in per cent; 100 is one core.")
    rss_mb_max: Usage = Field(description="Largest resident memory in MB.")
    loop_lag_ms: Lag = Field(description="By how many ms its event loop was late.")
    achieved_load: Share = Field(description="Share of the intended load that was achieved, 0 to 1.")


class TargetUse(Part):
    """A managed target in the steady window: all of its processes together, its database's included."""

    cpu_percent: Use = Field(description="Use of CPU in per cent; 100 is one core.")
    rss_mb_max: Usage = Field(description="Largest resident memory in MB.")


class Resources(Part):
    """What load generator and target used in the steady window."""

    generator: dict[str, Generator] = Field(description="By source: local, or the worker's name.")
    target: TargetUse | None = Field(description="Null for a target that perflab did not start, or saw nothing of.")


class Objective(Part):
    """One objective at one level, in its metric's unit: shares are 0 to 1, latencies in ms, throughput in successful
    requests per second."""

    group: str = Field(description="The group of endpoints that it limits.")
    metric: str = Field(description=f"{known_metrics()}.")
    parameters: dict[str, float] = Field(
        description="What it states besides its limit, by names with the unit at their end; empty for most metrics."
    )
    endpoints: list[str] = Field(description="Patterns of the endpoints that count; empty for all of the group.")
    measured: Value = Field(
        description="The measured value in the metric's unit; null if nothing was measured, or, of a percentile with "
        "samples, if it falls on requests that were never answered."
    )
    low: Bounded = Field(description="Its lower one-sided 95 % bound; null as `measured`, or for too few samples.")
    high: Bounded = Field(description="Its upper one-sided 95 % bound; null as `low`.")
    bound: Bound = Field(description="Which side of the limit is allowed.")
    limit: float = Field(description="The limit, in the metric's unit.")
    samples: int = Field(description="Requests that it was judged on.")
    effective_samples: Usage = Field(
        description="How many independent requests would tell as much; null where nothing shows how they depend on "
        "each other, as when none has failed: the bounds then take them as independent."
    )
    clock: Clock | None = Field(description="Whose time it is, if it is made of latencies; else null.")
    verdict: Verdict = Field(description=f"{Verdict.listed()}.")
    reason: str = Field(description="Why it is not passed, in one line; empty for PASS.")
    advice: str = Field(description="What would settle it, or why it can't be judged; may be empty.")
    variable: str | None = Field(description="Environment variable that sets the limit; null for none.")

    @field_serializer("measured", "low", "high")
    def _to_the_metrics_digits(self, value: float | None) -> float | None:
        return rounded(value, metric_of(self.metric).digits)


class Window(Part):
    """The judged part of one run, in seconds since its start."""

    start_s: Thousandths = Field(description="Its beginning, in seconds since the run's start.")
    end_s: Thousandths = Field(description="Its end, in seconds since the run's start.")


class ClientOverhead(Part):
    """By how many milliseconds the client saw answers later than they had arrived, in the steady window."""

    p50: Ms = Field(description="Median of the seconds' medians, in ms; null without a wire clock.")
    p99: Ms = Field(description="Largest of the seconds' 99th percentiles, in ms; null as `p50`.")


class Source(Part):
    """One process that made requests of one run, in its steady window."""

    users: Usage = Field(description="Its running users, mean of the seconds.")
    cpu_percent: Usage = Field(description="Use of CPU in per cent, median of the seconds; 100 is one core.")
    loop_lag_ms: Lag = Field(description="By how many ms its event loop was late.")
    client_overhead_ms: ClientOverhead = Field(description="How much later its client saw answers than they arrived.")
    achieved_load: Share = Field(description="Share of the intended load that was achieved, 0 to 1.")


class Run(Part):
    """One run of a level."""

    name: str = Field(description="Its folder's name.")
    status: Status = Field(description="complete, interrupted or failed.")
    valid: bool = Field(description="Whether its measurement can be trusted.")
    reason: str = Field(description="Why it can't be trusted, in one line; empty if it can.")
    window: Window | None = Field(description="What of it is judged; null if it never got there.")
    requests: int = Field(description="Requests that began in its window.")
    rps: Rps = Field(description="Requests per second of its window; null without one.")
    sources: dict[str, Source] = Field(description="Its processes by source: local, or the worker's name.")


class LevelResult(Part):
    """What was found at one level."""

    level: DescribedLevel = Field(description="Its load.")
    verdict: Verdict = Field(description=f"{Verdict.listed()}.")
    reasons: list[str] = Field(description="Why it does not pass, a line each; empty for PASS.")
    steady_s: int = Field(description="Whole seconds that are judged, all repeats together.")
    runs: dict[str, Run] = Field(description="By repeat: r1, r2 and so on.")
    totals: Figures = Field(description="All requests of the level.")
    groups: dict[str, Figures] = Field(description="By the group's name.")
    endpoints: dict[str, EndpointFigures] = Field(
        description="By method and name with a space between. Of more than 500 the rarest are one, without a method "
        "and called N more names."
    )
    failures: list[Failure] = Field(
        description="By method, name, outcome, status and message, in this order; of more than 500 kinds the rarest "
        "are one, whose message says how many they are."
    )
    resources: Resources = Field(description="CPU and memory of load generator and target.")
    objectives: dict[str, Objective] = Field(description="By group and metric with a space between.")


class Throughput(Part):
    """The highest rate of successful requests at which nothing is missed."""

    rps: Thousandths = Field(description="Successful requests per second.")
    level: DescribedLevel = Field(description="The level at which it was measured.")


class SweepDocument(Document):
    """The figures and the verdict of a load sweep."""

    FILE: ClassVar[str] = "metrics.json"

    schema_version: Literal[3] = Field(default=3, description="Version of this format.")
    metadata: Metadata = Field(description="Where the figures come from; not meant to be compared.")
    timestamps: Timestamps = Field(description="When it was measured, in UTC; not meant to be compared.")
    plan: Plan = Field(description="The load that was planned, and against what.")
    status: Status = Field(description="Whether all planned runs took place: complete, interrupted or failed.")
    levels: dict[LevelName, LevelResult] = Field(description="By level, as the runs' folders name it: users-0100.")
    failures: list[FailureOfRuns] = Field(
        description="Most frequent first; of more than 500 kinds the rarest are one, whose message says how many."
    )
    max_sustainable_throughput: Throughput | None = Field(
        description="Of the levels whose measurement is valid and at which every objective is met, the one with the "
        "most successful requests per second; null if there is none, or no objective."
    )

    def objectives(self) -> list[ObjectiveRow]:
        """Return the objectives, those of one group together, with what each level says of them."""
        stated = {key: objective for level in self.levels.values() for key, objective in level.objectives.items()}
        groups = list(dict.fromkeys(objective.group for objective in stated.values()))
        ordered = sorted(stated, key=lambda key: groups.index(stated[key].group))
        levels = self.levels.values()
        return [ObjectiveRow(stated[key], [level.objectives.get(key) for level in levels]) for key in ordered]


class ObjectiveRow(NamedTuple):
    """An objective at all levels; None where it isn't judged."""

    stated: Objective
    """At some level: group, metric and limit are the same at all of them."""
    levels: list[Objective | None]
