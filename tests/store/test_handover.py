from __future__ import annotations

from pathlib import Path

from perflab.store.handover import Answer, read_answers, remove_answers, write_answer


def test_an_answer_comes_back_and_leaves_nothing(tmp_path: Path) -> None:
    answer = Answer(source="local", start=1.5, window_end=7)
    write_answer(tmp_path, answer)
    # A process killed while it was writing.
    (tmp_path / ".recorder-local.4711").write_text("{")
    assert read_answers(tmp_path) == [answer]
    remove_answers(tmp_path)
    assert not list(tmp_path.iterdir())
