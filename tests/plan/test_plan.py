from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from papermill.cli import _resolve_type

from perflab.errors import LocustfileError, PerflabError, TargetError, UsageError
from perflab.plan.hosts import check_host, split_target
from perflab.plan.parse import parse_duration, parse_label, parse_users
from perflab.plan.plan import make_plan
from perflab.workbench.listing import runs_folder


@pytest.mark.parametrize("value", ["100,250", "[100, 250]", "(100,250)", [100, 250], (100, "250"), " 100 , 250 "])
def test_user_counts_are_read_as_people_and_papermill_write_them(value: object) -> None:
    assert parse_users(value) == (100, 250)


def test_a_single_count_is_a_level() -> None:
    assert parse_users(100) == parse_users("100") == (100,)


@pytest.mark.parametrize(
    "value", ["0", "ten", "-1", "1.5", "", "[]", "100,,200", "1e3", [0], True, None, "100,100", "¹", "-" * 50_000 + "1"]
)
def test_a_bad_user_count_is_refused_in_one_line_that_names_it(value: object) -> None:
    with pytest.raises(UsageError, match=r"^--users: .+") as caught:
        parse_users(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("300s", 300), ("5m", 300), ("1h30m", 5400), ("1.5s", 1.5), ("500ms", 0.5), (10, 10), (2.5, 2.5), ("10", 10)],
)
def test_durations(value: object, seconds: float) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize("value", ["-5s", "0", "0s", "5 minutes", "", "s", "nan", "inf", True, "10s5"])
def test_a_bad_duration_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="not a positive duration"):
        parse_duration(value)


@pytest.mark.parametrize(
    "host", ["http://localhost:8000", "http://127.0.0.1", "http://127.8.9.1:1", "https://[::1]:5/"]
)
def test_load_may_go_to_this_machine(host: str) -> None:
    assert check_host(host) == host.rstrip("/")


@pytest.mark.parametrize(
    "host",
    [
        "http://example.com",
        "http://10.0.0.1",
        "http://0.0.0.0:80",
        "http://localhost.example.com",
        "http://127.0.0.1.nip.io",
        "http://localhost@example.com",
        "http://user:secret@localhost",
        "ftp://localhost",
        "localhost:8000",
        "http://",
        "http://localhost:port",
        "http://[::1",
        "http://2130706433",
        # Parsers of URLs leave out some of these.
        "http://local\nhost:8000",
        "http://localhost\t.example.com",
        "http://localhost:8000/ a",
        "http://localhost\x00.example.com",
    ],
)
def test_load_may_go_nowhere_else_unless_named(host: str) -> None:
    with pytest.raises(TargetError) as caught:
        check_host(host)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_allowed_host_is_named_with_or_without_its_port() -> None:
    assert check_host("https://Staging.example.com", {"staging.example.com"})
    assert check_host("https://staging.example.com:8443", {"staging.example.com:8443"})
    with pytest.raises(TargetError, match="--allow-host"):
        check_host("https://staging.example.com:8444", {"staging.example.com:8443"})


def test_a_label_becomes_part_of_a_folder_name() -> None:
    assert parse_label("Nightly / ../Main!") == "nightly-main"
    with pytest.raises(UsageError):
        parse_label("///")


def test_a_notebook_target_is_a_url_or_a_command() -> None:
    assert split_target("http://localhost:1") == ("http://localhost:1", None)
    assert split_target("python -m api --db postgres://x") == (None, "python -m api --db postgres://x")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "load_tests").mkdir()
    (tmp_path / "load_tests" / "locustfile.py").touch()
    return tmp_path


def test_what_is_not_given_comes_from_variables_then_defaults(project: Path) -> None:
    environment = {
        "LOAD_TEST_HOST": "http://localhost:1",
        "LOAD_TEST_SPAWN_RATE": "25",
        "LOAD_TEST_DURATION_SECONDS": "60",
        "LOAD_TEST_SEED": "9",
    }
    plan = make_plan(environment=environment, root=project, spawn_rate="50")
    assert (plan.host, plan.launch) == ("http://localhost:1", None)
    assert (plan.spawn_rate, plan.duration_s, plan.seed) == (50, 60, 9)
    assert plan.users == (100, 250, 500, 1000)
    assert plan.locustfile == project / "load_tests" / "locustfile.py"


def test_the_users_variables_are_the_ends_of_the_levels(project: Path) -> None:
    def levels(**variables: str) -> tuple[int, ...]:
        return make_plan(environment={"LOAD_TEST_HOST": "http://localhost:1", **variables}, root=project).users

    assert levels(LOAD_TEST_USERS_MAX="500") == (100, 250, 500)
    assert levels(LOAD_TEST_USERS_MIN="50", LOAD_TEST_USERS_MAX="300") == (50, 100, 250, 300)
    assert levels(LOAD_TEST_USERS_MAX="40") == (40,)
    with pytest.raises(UsageError, match="LOAD_TEST_USERS_MIN 500 is above LOAD_TEST_USERS_MAX 100"):
        levels(LOAD_TEST_USERS_MIN="500", LOAD_TEST_USERS_MAX="100")


def test_a_bad_variable_is_named(project: Path) -> None:
    environment = {"LOAD_TEST_HOST": "http://localhost:1", "LOAD_TEST_SPAWN_RATE": "fast"}
    with pytest.raises(UsageError, match="LOAD_TEST_SPAWN_RATE: 'fast'"):
        make_plan(environment=environment, root=project)


def test_a_launched_target_is_not_sent_to_the_host_of_the_env_file(project: Path) -> None:
    plan = make_plan(environment={"LOAD_TEST_HOST": "http://localhost:1"}, root=project, launch="serve {port}")
    assert (plan.host, plan.launch) == (None, "serve {port}")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, TargetError),
        ({"launch": " "}, TargetError),
        ({"launch": "serve"}, TargetError),
        ({"host": "http://localhost:1", "locust_options": "--tags 'open"}, UsageError),
        ({"host": "http://localhost:1", "locustfile": "nope.py"}, LocustfileError),
        ({"host": "http://localhost:1", "health": "health"}, UsageError),
        # As Python has what the shell gave in other bytes than UTF-8.
        ({"launch": "serve \udcff {port}"}, TargetError),
        ({"host": "http://localhost:1", "locust_options": ["--tags", "\udcff"]}, UsageError),
        ({"host": "http://localhost:1", "master_bind": "\udcff:5557"}, UsageError),
        ({"host": "http://localhost:1", "repeats": 0}, UsageError),
        ({"host": "http://localhost:1", "spawn_rate": float("nan")}, UsageError),
        ({"host": "http://localhost:1", "users": "9" * 500}, UsageError),
    ],
)
def test_unusable_plans(project: Path, options: dict[str, object], error: type[PerflabError]) -> None:
    with pytest.raises(error) as caught:
        make_plan(environment={}, root=project, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "host", ["u:hunter2@example", "ftp://u:hunter2@h", "http://u:hunter2@[::1", "http://u:hunter2@h"]
)
def test_no_error_about_a_host_shows_its_password(host: str) -> None:
    with pytest.raises(TargetError) as error:
        check_host(host)
    assert "hunter2" not in str(error.value)


def test_a_launch_without_a_port_needs_a_host(project: Path) -> None:
    plan = make_plan(environment={}, root=project, launch="serve", host="http://localhost:1")
    assert (plan.launch, plan.host) == ("serve", "http://localhost:1")


def test_paths_of_options_are_the_callers_and_those_of_variables_the_projects(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = project / "below"
    here.mkdir()
    (here / "mine.py").touch()
    monkeypatch.chdir(here)
    launch = {"LOAD_TEST_LAUNCH": "serve {port}"}
    by_variables = make_plan(environment={**launch, "LOAD_TEST_LOCUSTFILE": "below/mine.py"}, root=project)
    by_options = make_plan(environment={}, root=project, launch="serve {port}", locustfile="mine.py")
    mixed = make_plan(environment=launch, root=project, locustfile="mine.py")
    assert by_variables.locustfile == by_options.locustfile == mixed.locustfile == here / "mine.py"
    folders = [(one.folder, one.launch_folder) for one in (by_variables, by_options, mixed)]
    assert folders == [(project, project), (here, here), (here, project)]


def test_a_link_to_a_locustfile_stays_a_link(project: Path) -> None:
    link = project / "link.py"
    link.symlink_to(project / "load_tests" / "locustfile.py")
    assert make_plan(environment={}, root=project, host="http://localhost:1", locustfile=link).locustfile == link


def test_options_for_locust_are_words_or_a_line_of_them(project: Path) -> None:
    def options(given: str | list[str] | None, **environment: str) -> str:
        host = "http://localhost:1"
        return make_plan(environment=environment, root=project, host=host, locust_options=given).locust_options

    assert options(["--tags", "a b"]) == options("--tags 'a b'") == "--tags 'a b'"
    assert options(None, LOAD_TEST_LOCUST_OPTIONS="--tags c") == "--tags c"
    assert options([], LOAD_TEST_LOCUST_OPTIONS="--tags c") == ""


def test_a_plan_is_written_down_without_secrets(project: Path) -> None:
    plan = make_plan(
        environment={},
        root=project,
        launch="serve {port} --password hunter2",
        locust_options="--token hunter2 --tags a",
    )
    written = plan.without_secrets()
    assert "hunter2" not in written.model_dump_json()
    assert "--tags a" in written.locust_options


AMOUNTS = st.one_of(
    st.integers(-10, 10**10).map(str),
    st.floats(0, 1e10).map(repr),
    st.decimals(0, 1000, places=6).map(str),
    st.from_regex(r"\[?[0-9]{1,3}(, ?[0-9]{1,3}){0,3}\]?", fullmatch=True),
    st.from_regex(r"[0-9]{1,3}(\.[0-9])?(ms|s|m|h)?", fullmatch=True),
    st.text(max_size=8),
)


@given(AMOUNTS, st.sampled_from(["users", "spawn_rate", "duration", "repeats", "seed", "processes"]))
def test_what_the_command_line_takes_means_the_same_as_papermill_casts_it(text: str, name: str) -> None:
    def planned(value: object) -> object:
        options = {name: value, "host": "http://localhost:1", "locustfile": __file__}
        plan = make_plan(environment={}, root=Path(), **options)  # type: ignore[arg-type]
        return plan.duration_s if name == "duration" else getattr(plan, name)

    try:
        meant = planned(text)
    except UsageError:
        # Refused on the command line: nothing to be the same as.
        return
    assert planned(_resolve_type(text)) == meant


def test_a_path_that_no_file_could_name_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Path(os.fsdecode(os.fsencode(project) + b"/caf\xe9"))
    odd.mkdir()
    (odd / "f.py").touch()
    with pytest.raises(UsageError, match="is not UTF-8"):
        make_plan(environment={}, root=project, host="http://localhost:1", locustfile=odd / "f.py")
    monkeypatch.chdir(odd)
    for options in ({"locustfile": "f.py"}, {"locustfile": project / "load_tests" / "locustfile.py"}):
        with pytest.raises(UsageError, match="is not UTF-8"):
            make_plan(environment={}, root=project, host="http://localhost:1", **options)
    with pytest.raises(UsageError, match="is not UTF-8"):
        runs_folder("runs")
