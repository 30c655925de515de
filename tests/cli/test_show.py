"""What ``perflab show`` and a finished sweep print of the figures."""

from __future__ import annotations

import pytest

import perflab
from perflab.cli.app import run_command
from perflab.cli.output import print_result
from perflab.plan.objectives import Objectives
from perflab.store.manifest import SweepManifest, read_manifest, write_manifest
from perflab.vocabulary.metric import CHARTED
from tests.cli.conftest import Recorded


def figures(out: str) -> dict[tuple[str, str], list[str]]:
    """Return the cells of the table of figures by level and group; empty without such a table."""
    lines = out.splitlines()
    heads = [at for at, line in enumerate(lines) if "requests/s" in line and "p99" in line]
    if not heads:
        return {}
    rows = lines[heads[0] + 2 :]
    cells = [line.split() for line in rows[: rows.index(next(line for line in rows if not line.strip()))]]
    return {(f"{number} {kind}", group): rest for number, kind, group, *rest in cells}


def test_a_shown_sweep_has_the_figures_of_each_group(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["show", recorded.base]) == 0
    shown = figures(capsys.readouterr().out)
    groups = perflab.open_sweep(recorded.base).groups.to_dict("records")
    assert list(shown) == [(str(row["level"]), str(row["group"])) for row in groups]
    for row, cells in zip(groups, shown.values(), strict=True):
        # Each has its unit behind it.
        assert cells[-2 * len(CHARTED) :: 2] == [metric.figure(row[metric.name]) for metric in CHARTED]


def test_a_result_without_objectives_has_them_too(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    print_result(perflab.open_sweep(recorded.base), as_json=False)
    assert not figures(capsys.readouterr().out)
    path = recorded.dir(recorded.base).manifest
    write_manifest(path, read_manifest(path, SweepManifest).model_copy(update={"objectives": Objectives()}))
    print_result(perflab.open_sweep(recorded.base), as_json=False)
    assert figures(capsys.readouterr().out)
