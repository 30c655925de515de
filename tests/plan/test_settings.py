from __future__ import annotations

from pathlib import Path

from perflab.plan.settings import load_environment, project_root


def test_the_process_outranks_the_local_file_which_outranks_the_committed_one(tmp_path: Path) -> None:
    (tmp_path / ".env.load-testing").write_text("A=1\nB=1\nC=1\nD=1\n")
    (tmp_path / ".env.load-testing.local").write_text("B=2\nC=2\nD=\n")
    found = load_environment(tmp_path, {"C": "3", "E": ""})
    assert found == {"A": "1", "B": "2", "C": "3"}


def test_the_project_is_found_from_its_notebooks(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    assert project_root(tmp_path / "notebooks") == project_root(tmp_path) == tmp_path
