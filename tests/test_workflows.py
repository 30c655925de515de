"""The GitHub workflows: valid by their schema, harmless, and about files and variables that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CHECK_JSONSCHEMA = Path(sys.executable).with_name("check-jsonschema")
# The first versions that run on a Node.js which GitHub still offers.
OLDEST = {"actions/checkout": 5, "actions/setup-python": 6, "actions/upload-artifact": 6}

Workflow = dict[str, Any]
every_workflow = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def load(file: Path) -> Workflow:
    loaded: Workflow = YAML(typ="safe").load(file)
    return loaded


def steps(workflow: Workflow) -> list[Workflow]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def step(workflow: Workflow, name: str) -> Workflow:
    (found,) = (one for one in steps(workflow) if one.get("name") == name)
    return found


@pytest.fixture
def load_testing() -> Workflow:
    return load(ROOT / ".github" / "workflows" / "load-testing.yml")


def test_both_workflows_are_there() -> None:
    assert [file.name for file in FILES] == ["ci.yml", "load-testing.yml"]


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_workflows_fit_their_schema(schema: str) -> None:
    done = subprocess.run([CHECK_JSONSCHEMA, "--builtin-schema", schema, *FILES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@every_workflow
def test_nothing_from_outside_becomes_part_of_a_script(file: Path) -> None:
    scripts = [one["run"] for one in steps(load(file)) if "run" in one]
    assert scripts
    assert not [script for script in scripts if "${{" in script], "pass it through env"


@every_workflow
def test_a_workflow_may_only_read(file: Path) -> None:
    workflow = load(file)
    assert workflow["permissions"] == {"contents": "read"}
    assert not [job for job in workflow["jobs"].values() if "permissions" in job]
    checkouts = [one for one in steps(workflow) if one.get("uses", "").startswith("actions/checkout@")]
    assert [one["with"]["persist-credentials"] for one in checkouts] == [False]


@every_workflow
def test_actions_are_githubs_own_and_recent(file: Path) -> None:
    used = [one["uses"].split("@v") for one in steps(load(file)) if "uses" in one]
    assert {action for action, _ in used} == OLDEST.keys()
    for action, version in used:
        assert int(version) >= OLDEST[action], action


@every_workflow
def test_scripts_and_files_that_are_named_are_there(file: Path) -> None:
    workflow = load(file)
    scripts = [word for one in steps(workflow) for word in re.findall(r"(?:\./|\.ci/)[\w./]+", one.get("run", ""))]
    assert len(scripts) == 1
    assert (ROOT / scripts[0]).stat().st_mode & 0o111, "it can be executed"
    locks = [one["with"]["cache-dependency-path"] for one in steps(workflow) if "cache" in one.get("with", {})]
    assert len(locks) == 1
    assert (ROOT / locks[0]).is_file()


@every_workflow
def test_the_scripts_exit_code_is_the_jobs(file: Path) -> None:
    for one in steps(load(file)):
        assert "continue-on-error" not in one
        assert "||" not in one.get("run", "")


def test_pythons_are_those_that_the_package_is_for() -> None:
    matrix = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python-version"] == ["3.11", "3.13"], "as text: 3.10 would be the number 3.1"


def test_variables_of_the_load_test_are_settings(load_testing: Workflow) -> None:
    given = step(load_testing, "Run load tests")["env"]
    assert given.keys() <= dotenv_values(ROOT / ".env.load-testing").keys()
    assert given["LOAD_TEST_HOST"] == "${{ vars.LOAD_TEST_HOST }}"
    assert given["LOAD_TEST_ALLOWED_HOSTS"] == "${{ vars.LOAD_TEST_ALLOWED_HOSTS }}"
    inputs = load_testing["on"]["workflow_dispatch"]["inputs"]
    assert inputs["environment"]["options"] == ["staging", "performance"]
    used = re.findall(r"inputs\.([\w-]+)", str(load_testing["jobs"]))
    assert set(used) == inputs.keys()


def test_the_load_test_runs_weekly_too_and_never_beside_another(load_testing: Workflow) -> None:
    (schedule,) = load_testing["on"]["schedule"]
    minute, hour, day, month, weekday = schedule["cron"].split()
    assert minute.isdecimal()
    assert hour.isdecimal()
    assert (day, month) == ("*", "*")
    assert weekday.isdecimal()
    assert not load_testing["concurrency"].get("cancel-in-progress")


def test_reports_are_kept_whatever_the_outcome(load_testing: Workflow) -> None:
    folder = step(load_testing, "Run load tests")["env"]["LOAD_TEST_REPORT_DIR"]
    for name in ("Show the verdict", "Keep the reports"):
        assert step(load_testing, name)["if"] == "always()"
    assert step(load_testing, "Keep the reports")["with"]["path"].rstrip("/") == folder


@pytest.mark.parametrize("there_is_one", [True, False])
def test_the_summary_becomes_the_jobs(load_testing: Workflow, tmp_path: Path, there_is_one: bool) -> None:
    summary = tmp_path / "summary"
    summary.write_text("before\n")
    if there_is_one:
        (tmp_path / "load_test_reports").mkdir()
        (tmp_path / "load_test_reports" / "summary.md").write_text("# PASS\n")
    subprocess.run(
        # As GitHub runs a step without a shell of its own.
        ["bash", "-e", "-c", step(load_testing, "Show the verdict")["run"]],
        cwd=tmp_path,
        env={"GITHUB_STEP_SUMMARY": str(summary), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    assert summary.read_text() == ("before\n# PASS\n" if there_is_one else "before\n")
