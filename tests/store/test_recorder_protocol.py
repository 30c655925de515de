from __future__ import annotations

from pathlib import Path

import pytest

from perflab.store.recorder_protocol import (
    RunConfiguration,
    RunState,
    Side,
    SourceState,
    Totals,
    read_state,
    remove_state,
    write_state,
)
from perflab.vocabulary.level import Level


def test_a_runs_state_comes_back_and_leaves_nothing(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    source = SourceState(pid=3, totals=Totals(requests_recorded=9, exceptions={"a": 1}))
    state = RunState(start=15, window_end=7, sources={"worker-0": source}, writer=Totals(recorder_faults=1))
    write_state(tmp_path, state)
    # A process killed while it was writing.
    (tmp_path / "..recorder.json.4711").write_text("{")
    assert read_state(tmp_path) == state
    remove_state(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_worker_started_by_hand_has_no_configuration() -> None:
    assert RunConfiguration.from_environment() is None


def test_a_configuration_comes_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = (Side(run_dir="/a", host="http://a"), Side(run_dir="/b", host="http://b"))
    given = RunConfiguration(
        run_dir="/a", level=Level.of_users(2), settle_s=1, duration_s=5, limits_ms=(200.0,), sides=sides
    )
    for name, value in given.to_variable().items():
        monkeypatch.setenv(name, value)
    assert RunConfiguration.from_environment() == given


def test_totals_of_several_sources_add_up() -> None:
    first = Totals(requests_finished=2, clock_step_ms=3.0, exceptions={"a": 1})
    second = Totals(requests_finished=3, clock_step_ms=1.0, exceptions={"a": 1, "b": 2}, recorder_fault="x")
    together = Totals(requests_finished=5, clock_step_ms=3.0, exceptions={"a": 2, "b": 2}, recorder_fault="x")
    assert Totals.of_all([first, second]) == together
    assert Totals.of_all([]) == Totals()
