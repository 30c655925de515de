"""``metrics.json``: a sweep's figures for programs, and the JSON Schema that describes them.

python -m perflab.report.metrics > docs/load_test_metrics.schema.json
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import GenerateJsonSchema

from perflab.store.manifest import Status
from perflab.vocabulary.metric import Bound
from perflab.vocabulary.verdict import Verdict

UserCount = Annotated[str, StringConstraints(pattern=r"^[0-9]{4,}$")]
Clock = Literal["wire", "client", "wire and client"]


class Part(BaseModel):
    """An object of the document: all of its fields are always there, and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Target(Part):
    """The system under test as it was reached."""

    host: str = Field(description="Base URL of the requests.")
    managed: bool = Field(description="Whether perflab started and stopped it.")


class Metadata(Part):
    """What the figures depend on besides the plan. What differs between any two sweeps stands here."""

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


class Plan(Part):
    """What was to be run."""

    host: str | None = Field(description="The URL that was given; null for a launched target.")
    launch: str | None = Field(description="The command that started the target, without secrets; null for none.")
    health: str = Field(description="Path that tells when a launched target is ready.")
    locust_options: str = Field(
        description="What Locust got besides, as on a command line and without secrets: tags, user classes, options of "
        "the locustfile; empty for none."
    )
    users: list[int] = Field(description="User counts in the order of their runs.")
    spawn_rate: float = Field(description="Users started per second.")
    settle_s: float = Field(description="Seconds between the last user's start and the steady window.")
    duration_s: float = Field(description="Length of the steady window in seconds.")
    repeats: int = Field(description="Runs at each user count.")
    processes: int = Field(description="Locust processes that share the users.")
    expect_workers: int = Field(description="Workers that were started by hand; 0 for none.")
    timeout_s: float = Field(description="Seconds that requests in flight get to come back at the end.")


class Latency(Part):
    """Latency in milliseconds of the requests that succeeded, within 0.5 %; null where there was none.

    A request that was never answered counts as slower than every other. A percentile that falls on one of those has no
    value and is null, and so is `max` as soon as there is one; `unanswered` beside it tells how many they are.
    """

    min: float | None = Field(description="Smallest, in ms.")
    avg: float | None = Field(description="Arithmetic mean in ms of the answered requests.")
    p50: float | None = Field(description="Median in ms: at least half of the requests took no longer.")
    p90: float | None = Field(description="90th percentile in ms.")
    p95: float | None = Field(description="95th percentile in ms.")
    p99: float | None = Field(description="99th percentile in ms.")
    max: float | None = Field(description="Largest, in ms.")
    clock: Clock | None = Field(
        description="Whose time it is: the wire's (until the kernel received the answer), the client's, or the wire's "
        "with the client's standing in for single requests; null where no request succeeded."
    )


class Figures(Part):
    """Requests that began in the steady window, repeats pooled."""

    requests: int = Field(description="Requests: those that succeeded and those that failed.")
    ok: int = Field(description="Requests that succeeded.")
    failed: int = Field(description="Requests that failed, the unanswered ones among them.")
    unanswered: int = Field(description="Requests that had not come back when the run was over.")
    rps: float | None = Field(description="Requests per second of the window; null without a window.")
    success_rate: float | None = Field(description="Successful share of the requests, 0 to 1; null without requests.")
    error_rate: float | None = Field(description="Failed share of the requests, 0 to 1; null without requests.")
    latency_ms: Latency = Field(description="Latency in ms of the requests that succeeded.")
    response_codes: dict[str, int] | None = Field(
        description="Requests by HTTP status; none is for those without an answer of HTTP. Null for sweeps recorded by "
        "a perflab that did not note it."
    )


class EndpointFigures(Figures):
    """One endpoint's requests that began in the steady window, repeats pooled."""

    group: str = Field(
        description="The group of endpoints that it is judged with; several where it stands for endpoints of several."
    )


class Failure(Part):
    """Failed requests of the steady window that are alike."""

    method: str = Field(description="Method of the request, as Locust names it.")
    name: str = Field(description="Name of the request, as Locust names it.")
    outcome: str = Field(description="Class of the failure, such as http_503, timeout, refused, check or unanswered.")
    status: str = Field(description="HTTP status; none where no answer of HTTP came.")
    message: str = Field(description="What was said, without secrets; {host} is the target's address.")
    count: int = Field(description="How many requests.")


class Use(Part):
    """Use of CPU in per cent over the seconds of the steady window; 100 is one core."""

    mean: float | None = Field(description="Mean of the seconds, in per cent.")
    max: float | None = Field(description="Largest of the seconds, in per cent.")


class Lag(Part):
    """By how many milliseconds the generator's event loop was late in the steady window."""

    p50: float | None = Field(description="Median of the seconds' medians, in ms.")
    max: float | None = Field(description="Worst, in ms.")


class Generator(Part):
    """One process that made requests, in the steady window."""

    cpu_percent: Use = Field(description="Use of CPU in per cent; 100 is one core.")
    rss_mb_max: float | None = Field(description="Largest resident memory in MB.")
    loop_lag_ms: Lag = Field(description="By how many ms its event loop was late.")
    offered: float = Field(description="Share of the intended load that was offered, 0 to 1.")


class TargetUse(Part):
    """A managed target in the steady window: all of its processes together, its database's included."""

    cpu_percent: Use = Field(description="Use of CPU in per cent; 100 is one core.")
    rss_mb_max: float | None = Field(description="Largest resident memory in MB.")


class Resources(Part):
    """What load generator and target used in the steady window."""

    generator: dict[str, Generator] = Field(description="By source: local, or the worker's name.")
    target: TargetUse | None = Field(description="Null for a target that perflab did not start, or saw nothing of.")


class Objective(Part):
    """One objective at one level: shares are 0 to 1, latencies in ms, throughput in successful requests per second."""

    group: str = Field(description="The group of endpoints that it limits.")
    metric: str = Field(description="success_rate, error_rate, throughput_rps, or a percentile such as p95_ms.")
    endpoints: list[str] = Field(description="Patterns of the endpoints that count; empty for all of the group.")
    measured: float | None = Field(
        description="The measured value in the metric's unit; null if nothing was measured, or, of a percentile with "
        "samples, if it falls on requests that were never answered."
    )
    low: float | None = Field(description="Its lower one-sided 95 % bound; null as `measured`, or for too few samples.")
    high: float | None = Field(description="Its upper one-sided 95 % bound; null as `low`.")
    bound: Bound = Field(description="Which side of the limit is allowed.")
    limit: float = Field(description="The limit, in the metric's unit.")
    samples: int = Field(description="Requests that it was judged on.")
    effective_samples: float | None = Field(
        description="How many independent requests would tell as much; null where nothing shows how they depend on "
        "each other, as when none has failed: the bounds then take them as independent."
    )
    clock: Clock | None = Field(description="Whose time a percentile is; null for other metrics.")
    verdict: Verdict = Field(description=f"{Verdict.listed()}.")
    reason: str = Field(description="Why it is not passed, in one line; empty for PASS.")
    advice: str = Field(description="What would settle it, or why it can't be judged; may be empty.")
    variable: str | None = Field(description="Environment variable that sets the limit; null for none.")


class Window(Part):
    """The judged part of one run, in seconds since its start."""

    start_s: float = Field(description="Its beginning, in seconds since the run's start.")
    end_s: float = Field(description="Its end, in seconds since the run's start.")


class Run(Part):
    """One run of a level."""

    status: Status = Field(description="complete, interrupted or failed.")
    valid: bool = Field(description="Whether its measurement can be trusted; the level's reasons say why not.")
    window: Window | None = Field(description="What of it is judged; null if it never got there.")
    requests: int = Field(description="Requests that began in its window.")
    rps: float | None = Field(description="Requests per second of its window; null without one.")


class Level(Part):
    """One user count."""

    users: int = Field(description="Concurrent users.")
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

    rps: float = Field(description="Successful requests per second.")
    users: int = Field(description="The user count at which it was measured.")


class Metrics(Part):
    """The figures and the verdict of a load sweep."""

    schema_version: Literal[1] = Field(description="Version of this format.")
    metadata: Metadata = Field(description="Where the figures come from; not meant to be compared.")
    timestamps: Timestamps = Field(description="When it was measured, in UTC; not meant to be compared.")
    plan: Plan = Field(description="The load that was planned, and against what.")
    status: Status = Field(description="Whether all planned runs took place: complete, interrupted or failed.")
    levels: dict[UserCount, Level] = Field(description="By user count, as in the runs' folders: at least four digits.")
    max_sustainable_throughput: Throughput | None = Field(
        description="Of the levels whose measurement is valid and at which every objective is met, the one with the "
        "most successful requests per second; null if there is none, or no objective."
    )
    verdict: Verdict = Field(description="That of the levels which outranks the others.")
    headline: str = Field(description="What the verdict means, in a sentence, and what a PASS must not hide.")
    exit_code: int = Field(description=f"What perflab sweep exits with: {Verdict.exit_codes()}.")
    reasons: list[str] = Field(description="Why the sweep does not pass, a line each, the gravest first.")
    notes: list[str] = Field(description="What is worth knowing but changes no verdict, a line each.")

    def to_json(self) -> str:
        """Return the document as text that a line-by-line diff reads well: sorted keys, one value a line."""
        return to_json(self.model_dump(mode="json"))


class _Plain(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - its name is pydantic's
        return False


def schema() -> str:
    """Return the JSON Schema (Draft 2020-12) of ``metrics.json`` as text."""
    return schema_of(Metrics)


def schema_of(document: type[Part]) -> str:
    """Return the JSON Schema (Draft 2020-12) of a document as text."""
    described = document.model_json_schema(mode="serialization", schema_generator=_Plain)
    return to_json({"$schema": GenerateJsonSchema.schema_dialect, **described})


def to_json(document: dict[str, Any]) -> str:
    """Return a document as text that a line-by-line diff reads well: sorted keys, one value a line."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
