"""What the writer writes the reader reads: requests, failures, health and texts, from the recorder to the results."""

from __future__ import annotations

import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from perflab.analyse.sweep import Sweep
from perflab.drive.child import Child
from perflab.drive.run import Lane, _close
from perflab.drive.target import Target
from perflab.plan.objectives import DEFAULT, Group, Objective, Objectives
from perflab.plan.plan import Plan
from perflab.record.counts import Counts
from perflab.record.delivery import Batch, Parcel
from perflab.record.outcome import classify, message_of, name_of
from perflab.record.role import Faults
from perflab.record.writer import RunWriter
from perflab.results.sweep import build, to_junit, to_summary
from perflab.store.layout import SweepDir, create_sweep
from perflab.store.manifest import RunManifest, SweepManifest, TargetInfo, write_manifest
from perflab.store.recorder_protocol import Totals
from perflab.store.tables import HealthRow, create_tables
from perflab.vocabulary.level import Level
from perflab.vocabulary.measure import CONNECT
from perflab.vocabulary.verdict import Verdict

START = int(datetime(2026, 11, 22, 10, 30, tzinfo=UTC).timestamp())
SECONDS = 12

AWKWARD = [
    "",
    "NA",
    "nan",
    "1",
    "01",
    "1e5",
    "True",
    '"',
    "a,b",
    "a\nb",
    "\r",
    "\x00",
    "\ud800",
    "\u2028",
    "x" * 3000,
    " ",
]
TEXTS = st.one_of(
    st.sampled_from(["GET", "/a", "/b?id=1", *AWKWARD]),
    st.text(max_size=20),
    st.text(st.characters(categories=["Cc", "Cs", "Zl", "Zs"]), max_size=5),
)
LATENCIES = st.one_of(st.none(), st.floats(0, 1e9), st.floats(0.1, 500))
FIGURES = st.floats(-1e9, 1e9)


class Request(NamedTuple):
    """What an event told, as the recorder has understood it."""

    second: int
    method: str
    name: str
    error: str | None
    status: int
    user_class: str
    latency_ms: float | None
    wire_ms: float | None


REQUESTS = st.builds(
    Request,
    second=st.one_of(st.integers(0, SECONDS), st.sampled_from([-5, 10**6])),
    method=TEXTS,
    name=TEXTS,
    error=st.one_of(st.none(), st.none(), TEXTS.filter(bool)),
    status=st.sampled_from([0, 200, 404, 503]),
    user_class=TEXTS,
    latency_ms=LATENCIES,
    wire_ms=st.one_of(st.none(), st.floats(1e-6, 1e9)),
)
HEALTH = st.tuples(st.integers(0, SECONDS), st.integers(0, 10), st.integers(0, 10), FIGURES, FIGURES, FIGURES, FIGURES)
USERS = st.fixed_dictionaries(
    {
        "weight": FIGURES,
        "fixed_count": st.integers(-1, 5),
        "tasks": st.dictionaries(TEXTS, st.integers(0, 9), max_size=3),
    }
)
EXCEPTIONS = st.dictionaries(TEXTS, st.integers(1, 10**9), max_size=4)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A target that is there as long as the runs are closed."""
    child = Child(["sleep", "300"], environment=os.environ, cwd=Path("/"), output=-3, grace_s=1.0)
    yield Target("http://localhost:1", child)
    child.stop("KILL")


def batch_of(requests: list[Request], health: list[tuple[Any, ...]]) -> Batch:
    counts = Counts()
    for one in requests:
        outcome, status = classify(type("R", (), {"status_code": one.status})(), error_of(one))
        key = (START + one.second, name_of(one.method), name_of(one.name), outcome, status, one.user_class)
        measured = None if one.wire_ms is None or outcome != "ok" else (one.wire_ms, {CONNECT: one.wire_ms / 2})
        counts.note(key, one.latency_ms, measured)
        if outcome != "ok":
            counts.add_failure(*key[:4], str(status or ""), message_of(error_of(one)), one.user_class)
    return Batch(
        latency=counts.take_latency(),
        failures=counts.take_failures(),
        generator=[
            HealthRow(
                START + second, users, in_flight, round(a, 1), round(b, 2), round(c, 1), users, *(round(d, 2),) * 6
            )
            for second, users, in_flight, a, b, c, d in health
        ],
        totals=Totals(
            requests_finished=counts.total,
            locust_finished=counts.total,
            without_wire_time=counts.without_wire_time,
            without_latency=counts.without_latency,
        ),
        last=True,
    )


def error_of(request: Request) -> Exception | None:
    # An exception's class may be called as it likes, but for NUL and half characters.
    if request.error is None:
        return None
    name = request.error.encode("utf-8", "ignore").decode().replace("\x00", "")
    return type(name, (Exception,), {})(request.error)  # type: ignore[no-any-return]


def objectives_of(pattern: str) -> Objectives:
    group = Group(name=pattern, endpoints=(pattern, "*"))
    limits = [("success_rate", "at_least", 0.9), ("p95_ms", "at_most", 100), ("throughput_rps", "at_least", 1)]
    return Objectives(
        groups=(group,),
        limits=tuple(Objective(group=pattern, metric=name, bound=bound, limit=limit) for name, bound, limit in limits),
    )


# Without shrinking, which takes minutes here.
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    parcels=st.lists(st.tuples(TEXTS, st.lists(REQUESTS, max_size=12), st.lists(HEALTH, max_size=4)), max_size=3),
    exceptions=EXCEPTIONS,
    suite=st.one_of(st.none(), st.dictionaries(TEXTS, USERS, max_size=3)),
    pattern=st.one_of(st.none(), TEXTS.filter(lambda text: text.isprintable() and len(text) < 500)),
)
def test_whatever_is_recorded_is_read(
    target: Target,
    parcels: list[tuple[str, list[Request], list[tuple[Any, ...]]]],
    exceptions: dict[str, int],
    suite: dict[str, Any] | None,
    pattern: str | None,
) -> None:
    plan = Plan(host=None, launch="serve {port}", locustfile=Path("/x.py"), users=(5,), duration_s=SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        sweep_dir = create_sweep(Path(folder), "x")
        run = sweep_dir.run(Level.of_users(5), 1)
        run.path.mkdir()
        create_tables(run.path, managed=True)
        faults = Faults()
        writer = RunWriter(run.path, faults)
        writer.state.start, writer.state.users_reached = START, 5
        writer.state.window_start, writer.state.window_end = 1, SECONDS
        writer.state.window_over, writer.state.end = True, START + SECONDS
        writer.state.writer = Totals.model_construct(exceptions=exceptions)
        writer.state.suite = None if suite is None else {"locustfile": "", "users": suite, "hosts": {}}
        for number, (source, requests, health) in enumerate(parcels):
            writer.take(Parcel(f"{number}{source}", number, 1, batch_of(requests, health)))
        writer.write_state()
        assert not faults.count, faults.first
        manifest = RunManifest(sweep_id=sweep_dir.id, level=Level.of_users(5), repeat=1, plan=plan, seed=1)
        closed = _close(Lane(run, manifest, target, plan), run, "complete", 0, {})
        write_manifest(sweep_dir.manifest, sweep_manifest(sweep_dir, plan, pattern))
        check(Sweep.open(sweep_dir), closed, [one for _, requests, _ in parcels for one in requests])
        assert sum(closed.evidence.exceptions.values()) == sum(exceptions.values())


def sweep_manifest(sweep_dir: SweepDir, plan: Plan, pattern: str | None) -> SweepManifest:
    return SweepManifest(
        id=sweep_dir.id,
        label="x",
        created=datetime.now(UTC),
        plan=plan,
        objectives=DEFAULT if pattern is None else objectives_of(pattern),
        target=TargetInfo(host="http://localhost:1", managed=True),
        environment={},
        status="complete",
    )


def check(sweep: Sweep, closed: RunManifest, requests: list[Request]) -> None:
    assert sweep.run_manifests == [closed]
    latency = sweep.latency[sweep.latency["measure"] == "client"]
    failed = sum(one.error is not None for one in requests)
    assert latency["count"].sum() == sweep.responses["count"].sum() == len(requests)
    assert latency.loc[latency["outcome"] != "ok", "count"].sum() == sweep.failures["count"].sum() == failed
    assert latency.loc[latency["latency_ms"].isna(), "count"].sum() == sum(one.latency_ms is None for one in requests)
    assert closed.evidence.requests_recorded == len(requests)
    assert not any("torn" in note for note in sweep.notes)
    # The longest texts are cut, and control characters are shown.
    as_they_are = Counter(one.name for one in requests if one.name.isprintable() and len(one.name) < 100)
    counted = latency.groupby("name", observed=True)["count"].sum()
    assert all(counted[name] >= count for name, count in as_they_are.items() if "?" not in name)
    assert sweep.verdict in {"PASS", "FAIL", "INVALID", Verdict.INCONCLUSIVE}
    metrics = build(sweep)
    assert type(metrics).model_validate_json(metrics.to_json()).to_json() == metrics.to_json()
    assert to_junit(metrics)
    assert to_summary(metrics, None)
    assert math.isfinite(sweep.totals["requests"].sum())
