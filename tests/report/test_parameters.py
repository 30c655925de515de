from __future__ import annotations

import pytest

from perflab.errors import UsageError
from perflab.report import check_parameters

OWN = "users = [100]  # user counts\nduration: str = '15s'\n"


def test_known_parameters_pass() -> None:
    check_parameters(["", OWN, '# Parameters\nusers = "[20, 40]"\nduration = "5s"\n'])


def test_nothing_injected_passes() -> None:
    check_parameters(["", OWN, "user = 3", "import perflab"])


def test_a_misspelt_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as refused:
        check_parameters(["", OWN, "# Parameters\nuser = 3\n"])
    assert str(refused.value) == "unknown notebook parameter 'user': known are users, duration"


def test_a_persons_own_variables_and_cells_run_again_do_not_count() -> None:
    injected = "# Parameters\nusers = 20\n"
    check_parameters(["", OWN, injected, "mine = 1", "%time x = 1", "not python", injected, OWN, "check()"])


def test_the_latest_refusal_stays_when_only_the_check_is_run_again() -> None:
    history = ["", OWN, "# Parameters\nuser = 3\n", "report.check_parameters(In)"]
    for again in (history, [*history, "report.check_parameters(In)"]):
        with pytest.raises(UsageError, match="'user'"):
            check_parameters(again)
