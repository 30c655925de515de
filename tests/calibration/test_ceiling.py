"""From steps to a ceiling, on ramps made by hand; and from tables to steps."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from perflab.calibration.steps import LOAD, SERVER, STEP_S, Limit, Tables, find_ceiling, measure_steps

DRAWN = {"p50": 40.0, "p95": 113.8, "p99": 175.0}


def ramp(steps: int = 8, *, server_cores: float = 0.2) -> pd.DataFrame:
    """A ramp that keeps every limit: 100 users and 50 requests/s more at each step."""
    number = np.arange(1, steps + 1)
    frame = pd.DataFrame(
        {
            "users": 100.0 * number,
            "requests_per_s": 50.0 * number,
            "achieved_load": 0.99,
            "server_cores": server_cores,
        }
    )
    for name, drawn in DRAWN.items():
        frame[f"drawn_{name}_ms"] = drawn
        frame[f"wire_{name}_ms"] = 1.004 * drawn
    return frame


def test_a_ramp_that_ends_in_saturation() -> None:
    steps = ramp()
    steps.loc[5:, "achieved_load"] = (0.949, 0.9, 0.6)
    assert find_ceiling(steps) == Limit(500, 250.0, at_least=False, limited_by=LOAD)


def test_one_hiccup_is_not_the_end() -> None:
    steps = ramp()
    steps.loc[2, "achieved_load"] = 0.7
    steps.loc[6:, "achieved_load"] = 0.7
    assert find_ceiling(steps) == Limit(600, 300.0, at_least=False, limited_by=LOAD)


def test_two_limits_in_turn_are_no_hiccup() -> None:
    steps = ramp()
    steps.loc[3, "achieved_load"] = 0.9
    steps.loc[4, "wire_p99_ms"] = 180.0
    assert find_ceiling(steps) == Limit(300, 150.0, at_least=False, limited_by=LOAD)


def test_beyond_from_the_start() -> None:
    steps = ramp()
    steps["achieved_load"] = 0.9
    assert find_ceiling(steps) == Limit(0, 0.0, at_least=False, limited_by=LOAD)


def test_never_beyond() -> None:
    assert find_ceiling(ramp()) == Limit(800, 400.0, at_least=True, limited_by=None)


def test_the_last_step_alone_is_enough() -> None:
    steps = ramp()
    steps.loc[7, "achieved_load"] = 0.9
    assert find_ceiling(steps) == Limit(700, 350.0, at_least=False, limited_by=LOAD)


def test_no_steps() -> None:
    assert find_ceiling(ramp(0)) == Limit(0, 0.0, at_least=True, limited_by=None)


@pytest.mark.parametrize(("name", "off"), [("p50", 1.02), ("p95", 0.98), ("p99", 1.02)])
def test_a_percentile_that_is_off(name: str, off: float) -> None:
    steps = ramp()
    steps.loc[4:, f"wire_{name}_ms"] = off * DRAWN[name]
    assert find_ceiling(steps) == Limit(400, 200.0, at_least=False, limited_by=f"error of {name}")


def test_half_a_millisecond_is_allowed() -> None:
    steps = ramp()
    # 1.2 %, but 0.48 ms.
    steps["wire_p50_ms"] = DRAWN["p50"] + 0.48
    assert find_ceiling(steps).at_least


def test_what_can_not_be_compared_breaks_nothing() -> None:
    steps = ramp()
    steps.loc[3:, ["drawn_p99_ms", "wire_p99_ms"]] = math.nan
    assert find_ceiling(steps).at_least


def test_a_busy_server_is_not_the_generators_limit() -> None:
    steps = ramp(server_cores=0.95)
    steps.loc[5:, "achieved_load"] = 0.8
    assert find_ceiling(steps) == Limit(500, 250.0, at_least=True, limited_by=SERVER)


def tables(seconds: int = 8, *, late: int = 0) -> Tables:
    """Two processes, 10 users more a second and 100 requests in each; of the latter `late` arrive a second later."""
    drawn = np.exp(np.random.default_rng(1).normal(math.log(40), 0.6, (seconds, 100)))
    second = np.repeat(np.arange(seconds), 100)
    arrived = second.copy()
    for end in range(seconds - 1):
        arrived[100 * end + 100 - late : 100 * end + 100] += 1
    wire = pd.DataFrame(
        {"second": second, "measure": "wire", "outcome": "ok", "latency_ms": drawn.ravel() * 1.002, "count": 1}
    )
    generator = pd.DataFrame(
        {
            "second": np.repeat(np.arange(seconds), 2),
            "users": np.repeat(np.arange(1, seconds + 1) * 5, 2),
            "lost_s": np.repeat(np.arange(1, seconds + 1) * 0.05, 2),
            "cpu_percent": 30.0,
        }
    )
    return Tables(
        latency=pd.concat([wire, wire.assign(measure="client")]),
        generator=generator,
        truth=pd.DataFrame({"second": arrived, "drawn_ms": drawn.ravel()}),
        cores=pd.DataFrame({"second": np.arange(seconds), "server": 0.2, "machine": 1.8}),
    )


def test_tables_become_steps() -> None:
    steps = measure_steps(tables())
    assert list(steps["second"]) == [STEP_S, 2 * STEP_S, 3 * STEP_S]
    assert list(steps["users"]) == [35.0, 55.0, 75.0]
    assert list(steps["requests_per_s"]) == [100.0] * 3
    assert steps["achieved_load"].to_numpy() == pytest.approx(0.99)
    assert steps["generator_cores"].to_numpy() == pytest.approx(0.6)
    assert steps["other_cores"].to_numpy() == pytest.approx(1.0)
    for name in DRAWN:
        assert (steps[f"wire_{name}_ms"] / steps[f"drawn_{name}_ms"]).to_numpy() == pytest.approx(1.002)


def test_different_requests_are_not_held_against_each_other() -> None:
    steps = measure_steps(tables(late=40))
    # As many came in late as stayed out, so that the numbers agree; they are other ones all the same.
    assert steps["drawn_p95_ms"].isna().all()
    assert steps["achieved_load"].to_numpy() == pytest.approx(0.99)


def test_a_half_step_and_the_end_are_left_out() -> None:
    found = tables(seconds=9)
    found.generator.loc[found.generator["second"] >= 6, "users"] = 1
    assert list(measure_steps(found)["second"]) == [2, 4]


def test_tables_without_rows() -> None:
    nothing = tables()
    empty = Tables(nothing.latency[:0], nothing.generator[:0], nothing.truth[:0], nothing.cores[:0])
    assert measure_steps(empty).empty
