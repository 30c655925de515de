"""Which variables nobody knows: what a slip of the finger is, and what a suite's own setting is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import perflab
from load_tests import config
from perflab.drive.fingerprint import variables
from perflab.plan.objectives import load_objectives
from perflab.plan.variables import KNOWN, PREFIX, unknown_variables

ROOT = Path(__file__).parents[2]


def test_every_variable_that_perflab_reads_is_known() -> None:
    package = Path(perflab.__file__).parent
    named = {name for file in package.rglob("*.py") for name in re.findall(r"LOAD_TEST_[A-Z_]*[A-Z]", file.read_text())}
    assert named <= KNOWN, named - KNOWN


def test_of_a_variable_that_is_not_utf8_a_digest_is_told_too() -> None:
    assert variables({"LOAD_TEST_THEME": "\udcff"})["LOAD_TEST_THEME"].startswith("sha256:")


def test_all_settings_of_the_suite_are_known_and_slips_are_not() -> None:
    aliases = [str(field.validation_alias) for field in config.Settings.model_fields.values()]
    ours = [name for name in aliases if name.startswith(PREFIX)]
    slips = {"LOAD_TEST_USER": "LOAD_TEST_USERS", "LOAD_TEST_SPAWNRATE": "LOAD_TEST_SPAWN_RATE"}
    assert len(ours) > 5
    assert unknown_variables([*ours, *slips], [ROOT / "load_tests"]) == slips


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("", {"LOAD_TEST_DURATION": "LOAD_TEST_DURATION_SECONDS", "LOAD_TEST_COLOUR": ""}),
        ("os.environ['LOAD_TEST_COLOUR']", {"LOAD_TEST_DURATION": "LOAD_TEST_DURATION_SECONDS"}),
        ("SettingsConfigDict(env_prefix='LOAD_TEST_')", {}),
    ],
)
def test_names_in_the_projects_python_files_are_known(tmp_path: Path, text: str, unknown: dict[str, str]) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "settings.py").write_text(text)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "other.py").write_text("LOAD_TEST_COLOUR LOAD_TEST_DURATION")
    names = ["LOAD_TEST_SEED", "LOAD_TEST_DURATION", "LOAD_TEST_COLOUR", "HOME"]
    assert unknown_variables(names, [tmp_path]) == unknown


def test_a_variable_of_an_objective_is_known(tmp_path: Path) -> None:
    file = tmp_path / "objectives.toml"
    file.write_text('[all]\nendpoints = ["*"]\np95_ms = { at_most = 1, variable = "LOAD_TEST_LIMIT" }\n')
    objectives = load_objectives(file, {})
    assert unknown_variables(["LOAD_TEST_LIMIT"], [tmp_path], objectives) == {}
    assert unknown_variables(["LOAD_TEST_LIMIT"], [tmp_path]) == {"LOAD_TEST_LIMIT": ""}
