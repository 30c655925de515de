"""Errors say in attributes what they are about, so that no program has to read their texts."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import perflab


def test_an_option_and_its_value(in_empty_folder: Path) -> None:
    (in_empty_folder / "objectives.toml").write_text("[all]\nendpoints = 3\n")
    (in_empty_folder / "f.py").touch()
    for options, option, value in (
        ({"duration": "soon"}, "--duration", "soon"),
        ({"users": [1, 1]}, "--users", 1),
        ({"label": "///"}, "--label", "///"),
        ({"objectives": "nope.toml"}, "--objectives", Path("nope.toml")),
        ({}, "objectives.toml, [all]", 3),
    ):
        with pytest.raises(perflab.UsageError) as error:
            perflab.sweep("http://127.0.0.1:1", **{"locustfile": "f.py", **options})  # type: ignore[arg-type]
        assert (error.value.option, error.value.value) == (option, value)


def test_a_variable(in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_TEST_SPAWN_RATE", "fast")
    with pytest.raises(perflab.UsageError) as error:
        perflab.sweep("http://127.0.0.1:1")
    assert (error.value.option, error.value.value) == ("LOAD_TEST_SPAWN_RATE", "fast")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.com:80", "example.com"),
        ("http://me:hunter2@localhost", "…@localhost"),
        ("http://localhost/?token=hunter2", "localhost"),
    ],
)
def test_a_host_without_what_may_be_a_password(in_empty_folder: Path, url: str, host: str) -> None:
    with pytest.raises(perflab.TargetError) as error:
        perflab.sweep(url)
    assert error.value.host == host


def test_a_path(in_empty_folder: Path) -> None:
    with pytest.raises(perflab.LocustfileError) as locustfile:
        perflab.sweep("http://127.0.0.1:1", locustfile="nope.py")
    assert locustfile.value.path == Path("nope.py")
    with pytest.raises(perflab.StoreError) as nothing:
        perflab.open_sweep()
    assert nothing.value.path == in_empty_folder / "runs"
    again = pickle.loads(pickle.dumps(nothing.value))  # noqa: S301 - a process pool does so
    assert (str(again), again.path) == (str(nothing.value), nothing.value.path)
