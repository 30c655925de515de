from __future__ import annotations

from pathlib import Path

from perflab.store.handover import Answer, Order, SourceAccount, read_answer, remove_answer, write_answer


def test_an_answer_comes_back_and_leaves_nothing(tmp_path: Path) -> None:
    assert read_answer(tmp_path) is None
    answer = Answer(start=15, window_end=7, sources={"worker-0": SourceAccount(pid=3, recorded=9)})
    write_answer(tmp_path, answer)
    # A process killed while it was writing.
    (tmp_path / ".recorder.4711").write_text("{")
    assert read_answer(tmp_path) == answer
    remove_answer(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_worker_started_by_hand_has_no_order() -> None:
    assert Order.from_environment() is None
