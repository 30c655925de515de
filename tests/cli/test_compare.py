"""perflab compare, on recorded sweeps whose truth is known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import perflab
from perflab.cli.app import run_command
from perflab.results import document_of
from perflab.store.layout import find_ab
from perflab.store.manifest import AbManifest, read_manifest, write_manifest
from perflab.vocabulary.verdict import Verdict
from tests.cli.conftest import Recorded


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run_command(["compare", *arguments, "--no-report"])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out = compared(capsys, *arguments, "--json")

    def no_json(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return code, json.loads(out, parse_constant=no_json)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_command(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("perflab: ")
    assert err.count("\n") == 1
    return err


def test_a_slower_group_fails_and_is_named(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = compared(capsys, recorded.base, recorded.slow)
    assert code == 1
    [verdict] = [line for line in out.splitlines() if line.startswith("FAIL")]
    assert "payments" in verdict
    assert "generation" not in verdict
    assert f"baseline {recorded.base}, candidate {recorded.slow}" in out
    assert "they differ in: label\n" in out
    assert len([line for line in out.splitlines() if line.lstrip().startswith("100 users   all requests")]) == 1


def test_equal_sweeps_pass_by_a_margin_that_is_wide_enough(
    recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    for margin in ("20%", "0.2"):
        code, found = as_json(capsys, recorded.base, recorded.equal, "--margin", margin)
        assert (code, found["verdict"]) == (0, "PASS")


def test_results_lie_in_the_candidates_folder(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    compared(capsys, recorded.base, recorded.slow)
    place = recorded.dir(recorded.slow).path / f"against-{recorded.base}"
    assert {file.name for file in place.iterdir()} == {"comparison.json", "junit.xml", "summary.md"}
    assert json.loads((place / "comparison.json").read_text())["verdict"] == "FAIL"
    # It is no run and no sweep.
    assert [run.name for run in recorded.dir(recorded.slow).runs()] == [f"users-0100-r{n}" for n in range(1, 6)]


def test_one_run_against_one_run_is_no_verdict_on_a_change(
    recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(recorded.runs_dir / recorded.single, recorded.runs_dir / f"{recorded.single}-2")
    code, out = compared(capsys, recorded.single, f"{recorded.single}-2")
    assert code == 4
    assert Verdict.INCONCLUSIVE in out
    assert "--repeats 5" in out


def test_the_latest_sweep_is_the_candidate(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    # All were recorded at the same time: the last by name.
    code, _ = compared(capsys, recorded.base)
    assert code == 1
    assert (recorded.dir(recorded.slow).path / f"against-{recorded.base}").is_dir()


def test_an_ab_comparison_is_shown_as_it_was_planned(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for arguments in ((recorded.ab,), ("latest",), (f"{recorded.ab}/baseline", f"{recorded.ab}/candidate")):
        code, found[arguments] = as_json(capsys, *arguments)
        assert code == 1
    assert found[recorded.ab,] == found["latest",] == found[f"{recorded.ab}/baseline", f"{recorded.ab}/candidate"]
    _, out = compared(capsys, recorded.ab)
    assert "margin 10 %" in out
    assert "at the same moment" in out
    place = recorded.runs_dir / recorded.ab
    assert (place / "comparison.json").is_file()
    assert not list(place.glob("*/against-*"))


def test_an_ab_comparison_keeps_to_what_was_set(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert "it was set to 0.1" in refused(capsys, recorded.ab, "--margin", "5%")
    assert compared(capsys, recorded.ab, "--margin", "10%")[0] == 1
    assert "perflab compare" in refused(capsys, f"{recorded.ab}/candidate", f"{recorded.ab}/baseline")


def test_an_ab_comparison_that_never_came_to_a_look(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    place = find_ab(recorded.runs_dir, recorded.ab)
    manifest = read_manifest(place.manifest, AbManifest)
    write_manifest(place.manifest, manifest.model_copy(update={"rounds": ()}))
    assert f"--resume {recorded.ab}" in refused(capsys, recorded.ab)


def test_a_side_of_an_ab_comparison_is_a_sweep_like_any_other(
    recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = compared(capsys, f"{recorded.ab}/baseline", recorded.slow)
    assert code == 1
    assert (recorded.dir(recorded.slow).path / f"against-{recorded.ab}-baseline").is_dir()
    assert run_command(["show", f"{recorded.ab}/candidate"]) == 0
    assert f"{recorded.ab}/candidate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["latset"], "no sweep 'latset' under"),
        (["20261122", "latest"], "not unique"),
        (["nope/baseline", "latest"], "no A/B comparison 'nope'"),
        (["latest", "latest"], "can't be compared with itself"),
        (["{base}", "{slow}", "--margin", "5"], "--margin: '5' is not a share"),
        (["{base}", "{slow}", "--margin", "some"], "--margin: 'some'"),
        (["{base}", "{slow}", "--margin", "nan"], "--margin: 'nan'"),
        (["{base}", "{slow}", "--margin", "-5%"], "--margin: '-5%'"),
        (["{base}", "{slow}", "--alpha", "0"], "alpha"),
        (["{base}", "{slow}", "--alpha", "50%"], "alpha"),
        (["{base}", "{slow}", "--allow-different", "wether"], "'wether'"),
        ([], "BASE"),
    ],
)
def test_mistakes_are_named(
    recorded: Recorded, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    ids = {"base": recorded.base, "slow": recorded.slow}
    assert words in refused(capsys, *(one.format(**ids) if "{" in one else one for one in arguments))
    assert not list(recorded.runs_dir.glob("*/against-*"))


def test_group_names_are_text(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    for sweep_id in (recorded.base, recorded.slow):
        manifest = recorded.dir(sweep_id).manifest
        manifest.write_text(manifest.read_text().replace('"payments"', '"[bold]$x^{[/]"'))
    _, out = compared(capsys, recorded.base, recorded.slow)
    assert "[bold]$x^{[/]" in out


def test_a_folder_that_can_not_be_written_does_not_hide_the_verdict(
    recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    (recorded.dir(recorded.slow).path / f"against-{recorded.base}").touch()
    assert run_command(["compare", recorded.base, recorded.slow, "--no-report"]) == 2
    out, err = capsys.readouterr()
    assert "FAIL" in out
    assert "against-" in err


def test_the_same_from_python(recorded: Recorded) -> None:

    by_id = perflab.compare(recorded.base, recorded.slow)
    sweeps = [perflab.open_sweep(sweep_id) for sweep_id in (recorded.base, recorded.slow)]
    by_sweep = perflab.compare(*sweeps, margin=0.05, alpha=0.01)
    assert document_of(by_id) == document_of(by_sweep)
    assert by_id.slower == ["payments"]
    assert isinstance(by_id, perflab.SweepComparison)
    # A REPL says which they are.
    assert {recorded.base, recorded.slow} <= set(repr(by_id).strip("<>").split())
    assert recorded.base in repr(by_id.baseline)
    assert not list(recorded.runs_dir.glob("*/against-*"))


def test_the_report_is_written_and_told(recorded: Recorded) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "perflab", "compare", recorded.base, recorded.slow, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["verdict"] == "FAIL"
    page = Path(done.stderr.partition("report: ")[2].strip())
    assert page == recorded.dir(recorded.slow).path / f"against-{recorded.base}" / "report.html"
    assert page.is_file()
