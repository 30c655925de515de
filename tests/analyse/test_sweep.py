from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.analyse.sweep import Sweep
from perflab.errors import StoreError
from perflab.results.sweep import build
from perflab.store.layout import SweepDir
from perflab.store.manifest import Window, whole_seconds, write_manifest
from perflab.vocabulary.level import Level
from perflab.vocabulary.measure import PHASES
from perflab.vocabulary.metric import PERCENTILES
from perflab.vocabulary.verdict import Verdict

FRAMES = (
    *("runs", "latency", "generator", "health", "target", "failures"),
    *("groups", "endpoints", "totals", "timeline", "verdicts", "levels"),
)
COUNTED = ("requests", "ok", "failed", "unanswered", "rps", "success_rate", "error_rate")
FIGURES = [*COUNTED, "min_ms", "mean_ms", *(metric.name for metric in PERCENTILES), "max_ms", "clock"]
RUN = ("run", "level", "repeat")
ROWS = [(second, "/a", "ok", 100.0, 10) for second in range(10)]
WIRE = [*ROWS, *((second, "/a", "ok", 90.0, 10, "wire") for second in range(10))]
LOST = {"pid": 7, "lost": True, "missing_s": 12.0}


def plain_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """Return the rows of all latency.csv, read without perflab, each with its run."""
    rows: list[dict[str, Any]] = []
    for run in sweep.dir.runs():
        with run.latency.open(encoding="utf-8", newline="") as file:
            rows += [{**row, "run": run.name} for row in csv.DictReader(file)]
    return rows


def expand(rows: list[dict[str, Any]], **wanted: str) -> np.ndarray[Any, Any]:
    """Return the latencies of the rows that have these values, each as often as it counts, ascending."""
    chosen = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return np.sort(np.repeat([float(row["latency_ms"]) for row in chosen], [int(row["count"]) for row in chosen]))


def test_figures_agree_with_the_same_rows_counted_by_hand(recorded: Callable[[], Sweep]) -> None:
    sweep = recorded()
    windows = {run.name: whole_seconds(m.window) for run, m in zip(sweep.dir.runs(), sweep.run_manifests, strict=True)}
    rows = [row for row in plain_rows(sweep) if int(row["second"]) in windows[row["run"]]]
    objectives = sweep.manifest.objectives
    for row in rows:
        row["level"] = f"{int(row['run'][6:10])} users"
        row["group"] = objectives.group_of(row["method"], row["name"])
        row["state"] = "ok" if row["outcome"] == "ok" else "failed"
    frames: list[tuple[pd.DataFrame, list[str]]] = [
        (sweep.totals, ["level"]),
        (sweep.groups, ["level", "group"]),
        (sweep.endpoints, ["level", "group", "method", "name"]),
    ]
    for frame, keys in frames:
        assert list(frame.columns) == keys + FIGURES
        assert len(frame) == len({tuple(row[key] for key in keys) for row in rows})
        for figures in frame.to_dict("records"):
            wanted = {key: str(figures[key]) for key in keys}
            ok = len(expand(rows, **wanted, measure="client", state="ok"))
            failed = len(expand(rows, **wanted, measure="client", state="failed"))
            latency = expand(rows, **wanted, measure="wire", state="ok")
            assert (figures["ok"], figures["failed"], figures["requests"]) == (ok, failed, ok + failed)
            assert figures["clock"] == "wire"
            assert figures["rps"] == pytest.approx((ok + failed) / (2 * 12))
            assert figures["error_rate"] == pytest.approx(failed / (ok + failed))
            assert figures["success_rate"] == pytest.approx(ok / (ok + failed))
            assert figures["mean_ms"] == pytest.approx(latency.mean())
            assert (figures["min_ms"], figures["max_ms"]) == (latency[0], latency[-1])
            for percent in (50, 90, 95, 99):
                assert figures[f"p{percent}_ms"] == latency[math.ceil(percent * len(latency) / 100) - 1]


def test_frames_hold_every_recorded_row(recorded: Callable[[], Sweep]) -> None:
    sweep = recorded()
    rows = plain_rows(sweep)
    for column in ("run", "source", "method", "name", "outcome", "measure"):
        assert sweep.latency[column].astype("str").tolist() == [row[column] for row in rows]
    for column in ("second", "latency_ms", "count"):
        assert sweep.latency[column].tolist() == [float(row[column]) for row in rows]
    endpoint = ("second", "source", "method", "name", "group")
    health: tuple[str, ...] = ("users", "in_flight", "cpu_percent", "lag_ms", "rss_mb", "users_wanted")
    health += (
        "lag_p50_ms",
        "lag_p90_ms",
        "client_overhead_p50_ms",
        "client_overhead_p99_ms",
        "lost_s",
        "client_waits_s",
        "steady",
    )
    failure = ("outcome", "status", "message", "count", "steady")
    assert list(sweep.latency.columns) == [*RUN, *endpoint, "outcome", "measure", "latency_ms", "count", "steady"]
    assert list(sweep.generator.columns) == [*RUN, "second", "source", *health]
    assert list(sweep.target.columns) == [*RUN, "second", "cpu_percent", "rss_mb", "steady"]
    assert list(sweep.failures.columns) == [*RUN, "second", "method", "name", *failure]
    failed = sweep.latency[(sweep.latency["outcome"] != "ok") & (sweep.latency["measure"] == "client")]
    assert sweep.failures["count"].sum() == failed["count"].sum() > 0


def test_rows_are_chosen_by_the_text_of_a_level(recorded: Callable[[], Sweep]) -> None:
    sweep = recorded()
    for name in FRAMES:
        frame = getattr(sweep, name)
        if "level" in frame:
            chosen = frame[frame["level"] == "20 users"]
            pd.testing.assert_frame_equal(frame.query("level == '20 users'"), chosen)
            assert 0 < len(chosen) < len(frame) or frame.empty, name
            if "run" in frame:
                assert set(chosen["run"]) <= {"users-0020-r1", "users-0020-r2"}, name
                assert set(chosen["level"]) <= {Level.of_users(20)}, name


def test_rows_of_millions_of_requests_have_their_levels_as_codes(written: Any) -> None:
    for users in (100, 20):
        written.run(ROWS, users=users)
    # Planned, and never run.
    sweep = written.open(users=(100, 20, 60))
    for name in ("latency", "generator", "responses", "target", "failures"):
        levels = getattr(sweep, name)["level"].cat
        assert levels.ordered
        assert levels.categories.tolist() == list(sweep.all_levels) == ["20 users", "60 users", "100 users"], name
    assert sweep.latency["level"].unique().tolist() == ["20 users", "100 users"]


def test_the_timeline_covers_whole_runs(recorded: Callable[[], Sweep]) -> None:
    sweep = recorded()
    rows = plain_rows(sweep)
    for row in rows:
        row["group"] = sweep.manifest.objectives.group_of(row["method"], row["name"])
    client = [row for row in rows if row["measure"] == "client"]
    assert sweep.timeline["requests"].sum() == sum(int(row["count"]) for row in client)
    assert not sweep.timeline["steady"].all()
    assert len(sweep.timeline) == len({(row["run"], row["second"], row["group"]) for row in client})
    for point in sweep.timeline.iloc[::7].to_dict("records"):
        wanted = {"run": point["run"], "second": str(point["second"]), "group": point["group"]}
        assert point["requests"] == len(expand(rows, **wanted, measure="client"))
        latency = expand(rows, **wanted, measure="wire", outcome="ok")
        for percent in (50, 95):
            assert point[f"p{percent}_ms"] == latency[math.ceil(percent * len(latency) / 100) - 1]
        window = whole_seconds(Window(start=7 if point["level"] == "20 users" else 9, end=99))
        assert point["steady"] == (point["second"] in window)


def test_a_sweep_that_meets_its_objectives_passes(tmp_path: Path) -> None:
    load = Load(users=(200, 400), seconds=20, spawn_rate=100)
    sweep = Sweep.open(write_recorded_sweep(tmp_path, load))
    assert (sweep.verdict, sweep.reasons, sweep.notes) == ("PASS", [], [])
    assert sweep.levels["verdict"].tolist() == ["PASS", "PASS"]
    assert set(sweep.verdicts["verdict"]) == {"PASS"}
    # Three of each group, and how many generations are created.
    assert len(sweep.verdicts) == 2 * 10


def test_a_throughput_counts_the_successes_of_its_endpoints(written: Any) -> None:
    written.limit("throughput_rps", 15, endpoints=("GET /create",))
    written.run(
        [
            (second, name, outcome, 10.0, 20)
            for second in range(10)
            for name, outcome in (("/create", "ok"), ("/l", "ok"))
        ]
    )
    written.run([(second, "/create", outcome, 10.0, 10) for second in range(10) for outcome in ("ok", "x")], users=20)
    written.run([(second, "/l", "ok", 10.0, 99) for second in range(10)], users=30)
    sweep = written.open()
    assert sweep.verdicts["measured"].tolist()[:2] == [20, 10]
    assert sweep.verdicts["samples"].tolist() == [200, 100, 0]
    assert sweep.verdicts["verdict"].tolist() == ["PASS", "FAIL", Verdict.INCONCLUSIVE]
    assert sweep.verdicts["endpoints"].unique().tolist() == ["GET /create"]
    assert "shop throughput of GET /create at 20 users: 10 requests/s" in sweep.reasons[0]
    assert "no request of the steady window matches GET /create of [shop]" in sweep.reasons[1]
    assert "GET /l [shop]" in sweep.reasons[1]


def test_where_nothing_matches_the_names_that_were_seen_are_listed(written: Any) -> None:
    written.limit("p95_ms", 100, group="all", patterns=("*",))
    written.limit("p95_ms", 100, group="late", patterns=("/7", "Page 1"))
    written.run([(second, f"/{name}", "ok", 10.0, 1 + (name == 7)) for second in range(10) for name in range(30)])
    [_, late] = written.open().verdicts["advice"]
    # That an earlier group has it can be told.
    assert "GET /7 [all], " in late
    assert "and 22 more" in late


def test_levels_below_the_users_of_an_objective_are_not_judged_by_it(written: Any) -> None:
    written.limit("throughput_rps", 1000, from_users=20)
    for users in (10, 20):
        written.run([(second, "/a", "ok", 10.0, 20) for second in range(10)], users=users)
    sweep = written.open()
    assert sweep.verdicts["level"].tolist() == ["20 users"]
    assert sweep.levels["verdict"].tolist() == ["PASS", "FAIL"]


def test_a_service_that_succeeds_at_nothing_has_no_throughput(written: Any) -> None:
    written.limit("throughput_rps", 0.2)
    written.run([(0, "/a", "refused", 1.0, 50)])
    assert written.open().reasons == ["shop throughput at 10 users: no request succeeded: measure longer"]


def test_a_request_outside_the_window_does_not_count(written: Any) -> None:
    written.limit("p95_ms", 200)
    late = [(second, "/a", "ok", 900.0, 1000) for second in (0, 1, 8, 9)]
    written.run([*late, *((second, "/a", "ok", 100.0, 20) for second in range(2, 8))], window=(2, 8))
    sweep = written.open()
    assert sweep.verdict == "PASS"
    assert sweep.totals.loc[0, "requests"] == 120
    assert sweep.totals.loc[0, "rps"] == 20
    assert sweep.runs.loc[0, "requests"] == 120
    assert sweep.totals.loc[0, "max_ms"] == 100


def test_a_second_that_the_window_only_touches_does_not_count(written: Any) -> None:
    written.run(ROWS, window=(2.5, 7.9))
    sweep = written.open()
    assert sorted(set(sweep.latency.loc[sweep.latency["steady"], "second"])) == [3, 4, 5, 6]
    assert sweep.totals.loc[0, "rps"] == 10


def test_whole_seconds_forgive_floating_point() -> None:
    assert list(whole_seconds(Window(start=3.0000000001, end=5.9999999999))) == [3, 4, 5]
    assert not whole_seconds(Window(start=3.2, end=3.9))
    assert not whole_seconds(None)


def test_repeats_of_a_level_are_judged_together(written: Any) -> None:
    written.limit("p95_ms", 200)
    # 30 samples settle nothing, 60 settle a p95.
    for repeat in (1, 2):
        written.run([(1, "/a", "ok", 100.0, 30)], repeat=repeat)
    sweep = written.open(repeats=2)
    assert sweep.verdict == "PASS"
    assert sweep.verdicts.loc[0, "samples"] == 60
    assert sweep.totals.loc[0, "rps"] == 3


def test_a_failed_objective_names_everything(written: Any) -> None:
    written.limit("p95_ms", 300)
    written.run(ROWS)
    written.run([(second, "/a", "ok", 412.0, 300) for second in range(10)], users=1000)
    sweep = written.open()
    assert sweep.verdict == "FAIL"
    assert sweep.levels["verdict"].tolist() == ["PASS", "FAIL"]
    assert sweep.reasons == [
        "shop p95 at 1000 users: 412 ms (412 to 412 ms) is above the allowed 300 ms, 3 000 requests, 3 000 effective"
    ]


def test_a_group_without_a_request_is_inconclusive_and_named(written: Any) -> None:
    written.limit("p95_ms", 200)
    written.limit("success_rate", 0.9, group="payments", patterns=("/pay", "POST /refund/*"))
    written.run(ROWS)
    sweep = written.open()
    assert sweep.verdict == Verdict.INCONCLUSIVE
    assert sweep.levels.loc[0, "verdict"] == Verdict.INCONCLUSIVE
    assert "payments success rate at 10 users: no request" in sweep.reasons[0]
    assert "/pay or POST /refund/*" in sweep.reasons[0]
    [judged] = [judged for judged in sweep.judged if judged.objective.group == "payments"]
    assert (judged.judgement.samples, judged.verdict) == (0, Verdict.INCONCLUSIVE)


def test_the_gravest_verdict_stands_and_comes_first(written: Any) -> None:
    written.limit("p95_ms", 200)
    written.run([(1, "/a", "ok", 100.0, 30)], users=10)
    written.run([(1, "/a", "ok", 900.0, 300)], users=20)
    written.run(ROWS, users=30)
    assert written.open().verdict == "FAIL"
    written.run([(1, "/a", "ok", 900.0, 300)], users=40, target_lost=True)
    sweep = written.open()
    assert sweep.verdict == "INVALID"
    assert sweep.levels["verdict"].tolist() == [Verdict.INCONCLUSIVE, "FAIL", "PASS", "INVALID"]
    assert [line.split(":")[0] for line in sweep.reasons] == [
        "users-0040-r1",
        "shop p95 at 20 users",
        "shop p95 at 10 users",
    ]
    # The figures of a measurement that can't be trusted are shown, but not judged.
    last = sweep.verdicts.iloc[-1]
    assert (last["verdict"], last["measured"]) == ("INVALID", 900.0)
    assert last["advice"] == "INVALID: the target was lost during the run".replace(": ", ": users-0040-r1: ")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"status": "interrupted"}, "the run was interrupted"),
        ({"status": "failed", "error": "the target exited with code 1"}, "failed: the target exited with code 1"),
        ({"users_reached": 9}, "only 9 of 10 users were running"),
        ({"requests_finished": 101, "locust_finished": 101}, "100 requests were recorded, but 101 were made"),
        ({"requests_finished": 99, "locust_finished": 99}, "100 requests were recorded, but 99 were made"),
        ({"unanswered": 1}, "100 requests were recorded, but 101 were made"),
        ({"locust_finished": 101}, "100 requests were recorded as finished, but Locust finished 101"),
        ({"sources": {}}, "Locust's own count of requests is missing"),
        (
            {"requests_recorded": 103, "requests_finished": 103, "locust_finished": 103},
            "latency.csv holds 100 requests of 103",
        ),
        ({"sources": {"worker-1": LOST}}, "worker-1 (process 7) was lost: 12 s of its requests are missing"),
        ({"clock_step_ms": 250.0}, "the machine's clock was set by 250 ms during the run"),
        ({"target_lost": True}, "the target was lost"),
        ({"window": None}, "no steady window"),
        ({"window": (3.1, 3.9)}, "no steady window"),
        ({"window": (20, 30)}, "no request began in its steady window"),
        ({"cpu": 90.0}, "source local had a median of 90 % of one core"),
    ],
)
def test_a_run_that_can_not_be_trusted_is_invalid(written: Any, broken: dict[str, Any], reason: str) -> None:
    written.limit("p95_ms", 200)
    written.run(ROWS, **broken)
    written.run(ROWS, users=20)
    sweep = written.open()
    assert sweep.verdict == "INVALID"
    assert sweep.levels["verdict"].tolist() == ["INVALID", "PASS"]
    assert sweep.runs["validity"].tolist() == ["invalid", "valid"]
    assert reason in sweep.runs.loc[0, "reasons"]
    assert sweep.reasons[0].startswith("users-0010-r1: ")
    assert reason in sweep.reasons[0]
    assert len(sweep.reasons) == 1


def test_one_untrusted_repeat_makes_its_level_invalid(written: Any) -> None:
    written.run(ROWS, repeat=1)
    written.run(ROWS, repeat=2, users_reached=1)
    assert written.open(repeats=2).levels["verdict"].tolist() == ["INVALID"]


def lossy(second: int, lost_s: float, cpu: float = 30, lag: float = 0.1) -> tuple[object, ...]:
    """A second of 10 users in generator.csv."""
    return (second, "local", 10, 0, cpu, 20.0, 80, 10, lag, 12.0, 9.0, 11.0, lost_s)


def test_load_that_was_not_achieved_is_invalid_in_whatever_seconds(written: Any) -> None:
    # 10 users for 10 seconds: 100 user-seconds, of which 6 are lost, evenly or in one second.
    for lost in ([0.6] * 10, [0, 0, 0, 6, 0, 0, 0, 0, 0, 0]):
        path = written.run(WIRE, generator=[lossy(second, lost_s) for second, lost_s in enumerate(lost)])
        sweep = written.open()
        assert sweep.health["achieved_load"].tolist() == [pytest.approx(0.94)]
        assert sweep.verdict == "INVALID"
        assert "it achieved 6 % less load than its users intended" in sweep.reasons[0]
        assert "--processes" in sweep.reasons[0]
        shutil.rmtree(path)
    written.run(WIRE, generator=[lossy(second, 0.4) for second in range(10)])
    assert written.open().verdict == "PASS"


def test_a_second_without_a_row_is_a_second_of_users_too(written: Any) -> None:
    # The process did not get round to anything from second 3 to 6.
    written.run(WIRE, generator=[lossy(second, 30.0 if second == 6 else 0.0) for second in (0, 1, 2, 6, 7, 8, 9)])
    assert written.open().health["achieved_load"].tolist() == [pytest.approx(0.7)]


def test_an_earlier_recorders_losses_count_where_the_generator_was_busy(written: Any) -> None:
    for cpu, lag, achieved in ((95, 0.1, 0.94), (30, 9.0, 0.94), (30, 0.1, 1.0)):
        path = written.run(WIRE, generator=[lossy(second, 0.6, cpu, lag) for second in range(10)])
        lines = (path / "generator.csv").read_text().splitlines()
        text = "".join(line.rpartition(",")[0] + "\n" for line in lines)
        (path / "generator.csv").write_text(text.replace("client_overhead", "behind", 2))
        sweep = written.open()
        assert sweep.health["achieved_load"].tolist() == [pytest.approx(achieved)]
        assert sweep.notes == []
        shutil.rmtree(path)


def test_the_generators_columns_may_have_their_former_names(written: Any) -> None:
    path = written.run(WIRE, generator=[lossy(second, 0.6) for second in range(10)]) / "generator.csv"
    recorded = written.open().generator
    path.write_text(path.read_text().replace("client_overhead", "behind", 2))
    pd.testing.assert_frame_equal(written.open().generator, recorded)


def test_clients_that_wait_by_their_own_will_are_told(written: Any) -> None:
    written.run(WIRE, generator=[(*lossy(second, 0.0), 5.0) for second in range(10)])
    written.run(WIRE, generator=[(*lossy(second, 0.0), 0.4) for second in range(10)], users=20)
    sweep = written.open()
    assert sweep.verdict == "PASS"
    [note] = sweep.notes
    assert note.startswith("users-0010-r1: the client itself waits")
    assert "500 ms" in note


def test_a_full_core_condemns_only_what_the_wire_clock_does_not_tell(written: Any) -> None:
    written.run(WIRE, cpu=99.0)
    assert written.open().verdict == "PASS"
    written.run([*WIRE, (3, "/b", "ok", 5.0, 1), (3, "/b", "ok", 5.0, 1, "fallback")], users=20, cpu=99.0)
    sweep = written.open()
    assert sweep.levels["verdict"].tolist() == ["PASS", "INVALID"]
    assert sweep.totals["clock"].tolist() == ["wire", "wire and client"]
    assert sweep.endpoints["clock"].tolist() == ["wire", "wire", "client"]


def test_unanswered_requests_are_slower_than_every_other(written: Any) -> None:
    written.limit("p95_ms", 200)
    written.limit("p50_ms", 200)
    written.run([*ROWS, (4, "/a", "unanswered", 30.0, 6)], requests_finished=100, locust_finished=100, unanswered=6)
    sweep = written.open()
    [total] = sweep.totals.to_dict("records")
    assert (total["requests"], total["ok"], total["failed"], total["unanswered"]) == (106, 100, 6, 6)
    assert (total["p90_ms"], total["p95_ms"], total["max_ms"]) == (100.0, math.inf, math.inf)
    assert total["mean_ms"] == 100.0
    verdicts = sweep.verdicts.set_index("objective")
    assert verdicts.loc["p50_ms", "verdict"] == "PASS"
    # 6 of 106 took for ever: their share may well be below 5 %.
    assert verdicts.loc["p95_ms", "verdict"] == Verdict.INCONCLUSIVE
    assert not math.isfinite(verdicts.loc["p95_ms", "high"])
    assert verdicts.loc["p95_ms", "samples"] == 106
    assert any("6 requests were never answered" in note for note in sweep.notes)


def test_many_connections_are_told(written: Any) -> None:
    written.run([*WIRE, (4, "/a", "ok", 1.0, 19, "connect")])
    written.run([*WIRE, (4, "/a", "ok", 1.0, 30, "connect")], users=20)
    sweep = written.open()
    [note] = sweep.notes
    assert note.startswith("users-0020-r1: 30 % of its requests")
    # Nobody reads notes below a PASS.
    assert note in sweep.headline


def test_each_source_of_load_is_looked_at(written: Any) -> None:
    busy = [(s, source, 5, 0, cpu, 0.1, 80) for s in range(10) for source, cpu in (("w1", 30), ("w2", 97.4))]
    written.run(ROWS, generator=busy)
    assert "source w2 had a median of 97 %" in written.open().reasons[0]


def test_a_generator_busy_in_ramp_up_or_for_a_second_is_trusted(written: Any) -> None:
    cpu = [100, 100, 100, 20, 20, 100, 20, 20, 20, 100]
    health = [(second, "local", 5, 0, value, 0.1, 80) for second, value in enumerate(cpu)]
    written.run(ROWS, generator=health, window=(3, 10))
    assert written.open().verdict == "PASS"


def test_what_does_not_spoil_a_measurement_is_a_note(written: Any) -> None:
    written.run(WIRE, without_wire_time=3, task_exceptions=2, locust_total=90)
    sweep = written.open()
    assert sweep.verdict == "PASS"
    beginnings = ["3 successful requests have no wire time", "2 exceptions", "Locust's own report has 90 requests"]
    for note, beginning in zip(sweep.notes, beginnings, strict=True):
        assert note.startswith(f"users-0010-r1: {beginning}")


def test_without_objectives_validity_alone_is_judged(written: Any) -> None:
    written.run([(1, "/a", "http_500", 900.0, 50)])
    sweep = written.open()
    assert sweep.verdict == "PASS"
    assert sweep.groups["group"].tolist() == ["all"]
    assert sweep.groups.loc[0, "error_rate"] == 1
    assert math.isnan(sweep.groups.loc[0, "p95_ms"])
    assert len(sweep.verdicts) == 0


def test_endpoints_outside_all_groups_are_other(written: Any) -> None:
    written.limit("p95_ms", 200, patterns=("/a",))
    written.run([*ROWS, (1, "/b", "ok", 900.0, 500)])
    sweep = written.open()
    assert sweep.verdict == "PASS"
    assert sweep.groups["group"].tolist() == ["shop", "other"]
    assert sweep.groups["requests"].tolist() == [100, 500]


@pytest.mark.parametrize("phase", [*PHASES, "of a later version"])
def test_the_wire_clock_is_preferred_and_phases_are_left_out(written: Any, phase: str) -> None:
    written.limit("p95_ms", 200)
    wire = [(second, "/a", "ok", 100.0, 10, "wire") for second in range(10)]
    client = [(second, "/a", "ok", 350.0, 10, "client") for second in range(10)]
    part = [(0, "/a", "ok", 5000.0, 500, phase)]
    # A refused connection is a request of the client clock alone.
    refused = [(0, "/a", "refused", 1.0, 4, "client")]
    written.run([*wire, *client, *part, *refused])
    sweep = written.open()
    assert sweep.verdict == "PASS"
    found = sweep.groups.loc[0]
    assert (found["clock"], found["p95_ms"], found["max_ms"]) == ("wire", 100, 100)
    assert (found["requests"], found["ok"], found["failed"]) == (104, 100, 4)
    assert sweep.timeline["p95_ms"].tolist() == [100] * 10


def test_a_few_stamped_requests_do_not_stand_for_all(written: Any) -> None:
    wire = [(1, "/a", "ok", 100.0, 50, "wire")]
    written.run([*ROWS, *wire, (1, "/b", "ok", 30.0, 1000, "wire"), (1, "/b", "ok", 40.0, 1000, "client")])
    sweep = written.open()
    assert sweep.endpoints.set_index("name")["clock"].to_dict() == {"/a": "client", "/b": "wire"}


def test_requests_that_the_client_clock_stands_in_for_are_no_wire_times(written: Any) -> None:
    written.limit("p95_ms", 200)
    # As the recorder writes it: each request by the client's clock, and a wire time or what stands in for it.
    for users, stood_in in ((10, 0), (20, 1), (30, 2), (40, 100)):
        stamped = [(second, "/a", "ok", 90.0, count, "wire") for second, count in _spread(100 - stood_in)]
        rest = [(second, "/a", "ok", 100.0, count, "fallback") for second, count in _spread(stood_in)]
        written.run([*((*row, "client") for row in ROWS), *stamped, *rest], users=users, cpu=99.0)
    sweep = written.open()
    clocks = ["wire", "wire and client", "client", "client"]
    for frame in (sweep.totals, sweep.groups, sweep.endpoints, sweep.verdicts):
        assert frame["clock"].tolist() == clocks
    assert sweep.totals["p50_ms"].tolist() == [90, 90, 100, 100]
    assert sweep.totals["max_ms"].tolist() == [90, 100, 100, 100]
    assert sweep.timeline.groupby("level")["p50_ms"].median().tolist() == [90, 90, 100, 100]
    # A full core spoils what goes by its own clock.
    assert sweep.levels["verdict"].tolist() == ["PASS", "PASS", "INVALID", "INVALID"]


def test_a_full_core_condemns_the_runs_that_it_spoils_of_many(written: Any) -> None:
    by_wire = [
        (second, f"/{number}", "ok", 90.0, 1, measure)
        for second in range(10)
        for number in range(60)
        for measure in ("client", "wire")
    ]
    for repeat in range(1, 6):
        rows = [row for row in by_wire if repeat < 5 or row[1] != "/59" or row[5] == "client"]
        written.run(rows, repeat=repeat, cpu=99.0)
    assert written.open(repeats=5).runs["validity"].tolist() == [*["valid"] * 4, "invalid"]


def _spread(requests: int) -> list[tuple[int, int]]:
    """Return (second, requests) of so many requests in ten seconds."""
    return [(second, requests // 10 + (second < requests % 10)) for second in range(10) if requests > second]


def test_nothing_to_show_has_the_same_columns_and_dtypes(written: Any, recorded: Callable[[], Sweep]) -> None:
    written.objectives = recorded().manifest.objectives
    written.run(status="interrupted", window=None, generator=[])
    for file in written.run(users=20, status="failed", window=None).glob("*.csv"):
        file.unlink()
    empty, full = written.open(), recorded()
    for name in FRAMES:
        there, here = getattr(full, name), getattr(empty, name)
        assert list(here.columns) == list(there.columns), name
        for column in there.columns:
            one, other = here[column].dtype, there[column].dtype
            if isinstance(other, pd.CategoricalDtype):
                assert isinstance(one, pd.CategoricalDtype), (name, column)
                assert one.categories.dtype == other.categories.dtype, (name, column)
            else:
                assert one == other, (name, column)
    assert empty.verdict == "INVALID"
    assert "users-0020-r1/latency.csv: missing, the run was cut short before it was begun" in empty.notes


def test_a_sweep_stopped_before_its_first_run_is_invalid(written: Any) -> None:
    sweep = written.open(users=(10, 20), repeats=2)
    assert sweep.verdict == "INVALID"
    assert sweep.reasons == [f"{users} users: 0 of 2 planned runs took place" for users in (10, 20)]
    for name in FRAMES:
        assert isinstance(getattr(sweep, name), pd.DataFrame)


def test_planned_runs_that_are_missing_make_their_level_invalid(written: Any) -> None:
    written.run(ROWS)
    sweep = written.open(users=(10,), repeats=3)
    assert sweep.verdict == "INVALID"
    assert sweep.reasons == ["10 users: 1 of 3 planned runs took place"]


def test_an_interrupted_run_is_in_no_figure_but_can_be_looked_at(written: Any) -> None:
    written.run(ROWS, users=10)
    written.run(ROWS, users=20, status="interrupted", window=None)
    written.run(ROWS, users=30, status="failed", window=(0, 5))
    sweep = written.open()
    assert sweep.totals["level"].tolist() == ["10 users"]
    assert sorted(set(sweep.timeline["level"])) == ["10 users", "20 users", "30 users"]
    assert sweep.runs["status"].tolist() == ["complete", "interrupted", "failed"]
    assert sweep.runs["rps"].isna().tolist() == [False, True, False]


def test_requests_per_second_go_by_each_level_s_own_window(written: Any) -> None:
    written.limit("success_rate", 0.5, patterns=("/a",))
    rows = [*ROWS, *((second, "/b", "ok", 50.0, 30) for second in range(10))]
    written.run(rows, users=10, window=(0, 10))
    written.run(rows, users=20, window=(0, 4))
    written.run(rows, users=20, repeat=2, window=(4, 6))
    sweep = written.open()
    assert sweep.totals["requests"].tolist() == [400, 240]
    assert sweep.totals["rps"].tolist() == [40, 40]
    for frame in (sweep.groups, sweep.endpoints):
        assert frame["rps"].tolist() == [10, 30] * 2


def test_a_torn_last_line_is_noted_and_dropped(written: Any) -> None:
    path = written.run(ROWS, users=20, status="interrupted")
    with (path / "latency.csv").open("a") as file:
        file.write("10,local,GET,/a,o")
    sweep = written.open()
    assert sweep.notes == ["users-0020-r1/latency.csv: torn last line dropped"]
    assert len(sweep.latency) == 2 * len(ROWS)


def test_a_missing_file_of_a_complete_run_is_an_error(written: Any) -> None:
    for filename in ("latency.csv", "generator.csv", "failures.csv"):
        path = written.run(ROWS, users=100 + len(filename))
        (path / filename).unlink()
        sweep = written.open()
        with pytest.raises(StoreError, match=rf"{filename}' is missing"):
            build(sweep)
        shutil.rmtree(path)
    # No target was managed here, so there is nothing to record of it.
    (written.run(ROWS) / "target.csv").unlink()
    assert len(written.open().target) == 0


def test_damage_anywhere_is_one_line_with_file_and_line(written: Any) -> None:
    path = written.run(ROWS) / "latency.csv"
    text = path.read_text()
    path.write_text(text.replace("5,local", "5,lo,cal"))
    with pytest.raises(StoreError, match=r"users-0010-r1/latency.csv', line 7 is damaged") as caught:
        build(written.open())
    assert "\n" not in str(caught.value)


def test_a_broken_run_json_is_an_error(written: Any) -> None:
    (written.run(ROWS) / "run.json").write_text('{"schema_version": 2, "users": "ten"}')
    with pytest.raises(StoreError, match=r"run.json' is damaged"):
        written.open()


def test_hostile_names_reach_every_frame_unchanged(written: Any) -> None:
    names = ["<script>", "a,b", 'say "hi"', "$x^{", "/größe", "_x", "NA", "null", "", "1"]
    written.run([(1, name, "ok", 10.0, 3) for name in names])
    sweep = written.open()
    assert sorted(sweep.endpoints["name"].tolist()) == sorted(names)
    assert sweep.endpoints["requests"].tolist() == [3] * len(names)


def test_many_endpoints_are_no_trouble(written: Any) -> None:
    written.run([(1, f"/item/{number}", "ok", 10.0 + number, 1) for number in range(5000)])
    sweep = written.open()
    assert len(sweep.endpoints) == 5000
    assert sweep.totals.loc[0, "p50_ms"] == 10 + 2499


def test_a_copied_run_is_read_from_its_own_folder(written: Any) -> None:
    path = written.run(ROWS)
    shutil.copytree(path, path.with_name("users-0010-r2"))
    sweep = written.open()
    assert sweep.runs["run"].tolist() == ["users-0010-r1", "users-0010-r2"]
    assert sweep.totals.loc[0, "requests"] == 200


def test_a_folder_that_is_no_sweep_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"sweep.json' is missing"):
        Sweep.open(SweepDir(tmp_path))


def test_manifests_are_kept_as_they_are(recorded: Callable[[], Sweep], tmp_path: Path) -> None:
    sweep = recorded()
    again = tmp_path / "sweep.json"
    write_manifest(again, sweep.manifest)
    assert again.read_text() == sweep.dir.manifest.read_text()
    assert [run.level.value for run in sweep.run_manifests] == [20, 20, 40, 40]


@pytest.mark.parametrize(("code", "verdict"), [(2, "INVALID"), (1, "FAIL"), (137, "PASS"), (0, "PASS")])
def test_the_exit_code_that_an_older_perflab_has_recorded_counts_too(written: Any, code: int, verdict: str) -> None:
    written.run([(1, "/a", "ok", 10, 400)], locust_exit_code=code)
    sweep = written.open()
    assert sweep.verdict == verdict
    assert bool(sweep.reasons) == (verdict != "PASS")


def test_what_a_locustfile_says_of_itself_outranks_locusts_code(written: Any) -> None:
    written.run([(1, "/a", "ok", 10, 400)], locust_exit_code=2, locustfile_exit_code=2)
    assert written.open().verdict == "FAIL"
    # What would be a signal of Locust's is a number like any other of the locustfile's.
    written.run([(1, "/a", "ok", 10, 400)], locustfile_exit_code=255, users=20)
    assert written.open(users=(10, 20)).levels["verdict"].tolist() == ["FAIL", "FAIL"]
    written.run([(1, "/a", "ok", 10, 400)], repeat=2, locustfile_exit_code=1, exceptions={"ValueError: x": 2})
    assert written.open().verdict == "INVALID"
