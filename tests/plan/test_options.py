"""An option is declared once: what follows from that, for every option there is."""

from __future__ import annotations

import inspect
import json
from typing import Any, get_type_hints

import pytest

import perflab
from perflab.analyse.comparison import comparability
from perflab.cli.app import run_command
from perflab.drive.fingerprint import variables
from perflab.errors import UsageError
from perflab.plan.ab import AB_OPTIONS, AbOptions
from perflab.plan.options import Option
from perflab.plan.parse import parse_text
from perflab.plan.plan import LEVEL_ENDS, OPTIONS, PlanOptions
from perflab.plan.variables import KNOWN, SETTINGS, wrong_variables

DECLARED = [*OPTIONS.values(), *LEVEL_ENDS.values(), *SETTINGS.values()]
# What each parser refuses.
WRONG: dict[str, object] = {"label": "///", "locust_options": "'"}
READ = [option for option in [*DECLARED, *AB_OPTIONS.values()] if option.parse is not parse_text]
TAKES_ANYTHING = {"restart"}


@pytest.mark.parametrize(("options", "types"), [(OPTIONS, PlanOptions), (AB_OPTIONS, AbOptions)])
def test_what_a_type_checker_knows_is_what_there_is(options: dict[str, Option], types: type) -> None:
    by_variable_only = {name for name, option in options.items() if name in ("settle", "timeout") and option.variable}
    assert get_type_hints(types).keys() == options.keys() - by_variable_only


@pytest.mark.parametrize("option", [option for option in DECLARED if option.variable], ids=lambda option: option.name)
def test_a_variable_counts_where_nothing_is_given_and_is_known(option: Option) -> None:
    assert option.variable in KNOWN
    assert option.read({}, {}) == option.default
    if option.default not in (None, ""):
        text = option.default if isinstance(option.default, str) else json.dumps(option.default)
        assert option.read({}, {str(option.variable): text}) == option.default
        assert option.read({option.name: option.default}, {str(option.variable): "///"}) == option.default


@pytest.mark.parametrize("option", READ, ids=lambda option: option.name)
def test_a_value_that_can_not_be_used_is_named_with_where_it_was_given(option: Option) -> None:
    if option.name in TAKES_ANYTHING:
        return
    wrong = WRONG.get(option.name, "no such value")
    with pytest.raises(UsageError) as by_flag:
        option.read({option.name: wrong}, {})
    assert (by_flag.value.option, by_flag.value.value) == (option.flag, wrong)
    if option.variable is not None:
        assert list(wrong_variables({option.variable: str(wrong)})) == [option.variable]


def test_no_variable_of_perflabs_is_taken_for_the_suites_own() -> None:
    assert variables(dict.fromkeys(KNOWN, "1")) == {}


def test_the_suites_own_variables_are_what_a_result_depends_on_whatever_they_resemble() -> None:
    own = {"LOAD_TEST_SEEDED_USERS": "5", "LOAD_TEST_THINK_DURATION": "3", "LOAD_TEST_PROCESSES_PER_USER": "2"}
    assert variables(own) == own
    assert (
        variables({"LOAD_TEST_API_TOKEN": "x", "LOAD_TEST_WS_HOST": "x", "LOAD_TEST_BUILD_ID": "x", "HOME": "x"}) == {}
    )


def test_what_matters_to_a_comparison_can_be_waived_by_the_flags_name() -> None:
    matters = {option.flag.removeprefix("--") for option in OPTIONS.values() if option.differs == "matters"}
    assert {"locust-options", "duration", "settle", "seed"} <= matters <= set(comparability.WAIVABLE)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("sweep", OPTIONS),
        ("run", OPTIONS),
        ("ab", AB_OPTIONS),
    ],
)
def test_help_shows_every_flag_with_its_variable_and_default(
    capsys: pytest.CaptureFixture[str], command: str, options: dict[str, Option]
) -> None:
    assert run_command([command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, option in options.items():
        # These two have no flag; the words for Locust come after --.
        if name in ("settle", "timeout", "locust_options"):
            continue
        assert f"{option.flag} " in shown
        if option.variable is not None and (command, name) != ("run", "users"):
            assert option.variable in shown


@pytest.mark.parametrize(("function", "options"), [(perflab.sweep, OPTIONS), (perflab.ab, AB_OPTIONS)])
def test_jupyter_shows_parameters_with_types_defaults_and_help(function: Any, options: dict[str, Option]) -> None:
    parameters = inspect.signature(function).parameters
    for name in get_type_hints(PlanOptions if function is perflab.sweep else AbOptions):
        assert parameters[name].default == options[name].default
        assert "None" in str(parameters[name].annotation)
        assert options[name].help in str(inspect.getdoc(function))
    assert all(one.kind is not one.VAR_KEYWORD for one in parameters.values())


def test_a_name_that_is_no_option_is_a_type_error_for_python_and_for_type_checkers() -> None:
    with pytest.raises(TypeError, match="usres"):
        perflab.sweep("http://localhost:1", usres=[1])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="repeats"):
        perflab.ab("http://localhost:1", "http://localhost:2", repeats=1)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="--duration"):
        perflab.sweep("http://localhost:1", duration=[1])  # type: ignore[arg-type]
