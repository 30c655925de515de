"""Locust as a child process: whether the locustfile can be used, and the command of a run."""

from __future__ import annotations

import contextlib
import json
import math
import shlex
import socket
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from perflab.drive.child import Child
from perflab.drive.isolated import isolated
from perflab.drive.output import end_of, shown
from perflab.drive.target import free_port, with_own_python
from perflab.errors import LocustfileError, UsageError
from perflab.files import read_text
from perflab.plan.plan import Plan
from perflab.plan.variables import SETTINGS
from perflab.store.layout import RunDir
from perflab.store.recorder_protocol import PREFLIGHT_MARK, Preflight
from perflab.vocabulary.level import Level
from perflab.vocabulary.redact import redact

# Spawning slows down on a busy generator; --run-time is only a safety net, as the recorder ends the run.
RAMP_SLACK = 2.0
RUN_TIME_SLACK_S = 30
CHECK_TIMEOUT_S = 60
# Somebody has to start them on the other machines.
WORKERS_WAIT_S = 120
CHECK_GRACE_S = 1.0
# The result comes last, after everything that a locustfile prints, which may be any amount.
MAX_CHECK_BYTES = 4_000_000
# Variables of Locust's options, and by custom of options that a locustfile adds.
_VARIABLES = "LOCUST_"


def locust_environment(environment: Mapping[str, str], **variables: str) -> dict[str, str]:
    """Return the environment for Locust: `environment` without variables from which Locust takes options."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_VARIABLES)}
    return with_own_python({**kept, "PYTHONUNBUFFERED": "1", **variables})


def warn_of_settings(environment: Mapping[str, str], folder: Path) -> str:
    """Return a warning about variables and files from which plain Locust would take options; empty if there are none.

    None of them is in force: they would change what is measured, or how, behind the plan's back.
    """
    files = [Path(environment.get("HOME", "~")).expanduser() / ".locust.conf", folder / "locust.conf"]
    settings = [repr(str(file)) for file in files if file.is_file()]
    with contextlib.suppress(OSError, ValueError):
        project = folder / "pyproject.toml"
        tools = tomllib.loads(read_text(project)).get("tool")
        settings += [f"[tool.locust] in {str(project)!r}"] if isinstance(tools, dict) and tools.get("locust") else []
    settings += sorted(name for name in environment if name.startswith(_VARIABLES))
    if not settings:
        return ""
    return f"not in force: {', '.join(settings)}; give what Locust is to get after -- (... -- --tags T)"


def check_ports(plan: Plan, environment: Mapping[str, str]) -> None:
    """Raise UsageError if a port that Locust has to listen on is invalid or taken."""
    if (exporter := SETTINGS["prometheus_port"].read({}, environment)) is not None:
        host = SETTINGS["prometheus_host"].read({}, environment)
        _check_free(host, exporter, "LOAD_TEST_PROMETHEUS_PORT", f"='{exporter}'", "unset it for no exporter")
    if plan.expect_workers:
        host, _, port = plan.master_bind.rpartition(":")
        _check_free(host.strip("[]"), int(port), "--master-bind", f" {plan.master_bind}", "is another master running?")


def _check_free(host: str, port: int, option: str, shown: str, hint: str) -> None:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family):
            return
    except OSError as error:
        raise UsageError(
            f"{option}{shown}: can't listen on {host}: {error.strerror or error}; choose another ({hint})", option, port
        ) from None


@contextlib.contextmanager
def check_locustfile(
    locustfile: Path, environment: Mapping[str, str], cwd: Path, levels: Iterable[Level] = (), options: str = ""
) -> Iterator[Callable[[], None]]:
    """Have Locust read `locustfile`; yield a function that waits for it and raises LocustfileError or UsageError.

    The locustfile must be able to reach each of the planned `levels`. `options` are additional options for Locust.
    Relative paths start in `cwd`.
    """
    with tempfile.TemporaryFile() as output:
        # Under guard, because it runs the locustfile's code, which may hang or start processes.
        check = Child(
            [*_program("check", locustfile), *shlex.split(options)],
            environment=locust_environment(environment),
            cwd=cwd,
            output=output.fileno(),
            grace_s=CHECK_GRACE_S,
        )

        def finish() -> None:
            code = check.wait(CHECK_TIMEOUT_S)
            preflight = _read_check(locustfile, code, end_of(output.fileno(), MAX_CHECK_BYTES))
            if preflight.error:
                raise _refused(locustfile, f"can't be used: {shown(preflight.error)}")
            if preflight.wrong_option:
                raise UsageError(f"-- {redact(options)}: {shown(preflight.wrong_option)}", "--", redact(options))
            if not preflight.users:
                raise _refused(locustfile, "defines no user class that makes requests")
            _check_reachable(locustfile, preflight.users, levels)

        try:
            yield finish
        finally:
            check.stop("KILL")


def _program(task: str, locustfile: Path) -> list[str]:
    # By name, because code inside Locust must not be imported here.
    return isolated("perflab.record.program", task, "-f", str(locustfile))


def _read_check(locustfile: Path, code: int | None, output: str) -> Preflight:
    if code is None:
        raise _refused(locustfile, f"took more than {CHECK_TIMEOUT_S} s to import")
    results = [line for line in output.splitlines() if line.startswith(PREFLIGHT_MARK)]
    if not results:
        # The locustfile has ended Locust, by sys.exit for instance; its output says why.
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        last = shown(lines[-1]) if lines else f"it ended Locust with exit code {code}"
        raise _refused(locustfile, f"can't be used: {last}")
    return Preflight(**json.loads(results[-1].removeprefix(PREFLIGHT_MARK)))


def _refused(locustfile: Path, why: str) -> LocustfileError:
    return LocustfileError(f"locustfile {str(locustfile)!r} {why}", locustfile)


def _check_reachable(locustfile: Path, classes: Mapping[str, Mapping[str, Any]], levels: Iterable[Level]) -> None:
    """Raise LocustfileError if Locust can't start the users of one of the `levels`.

    It starts a class at most `fixed_count` times; one with a weight and without a count can have any number of users.
    """
    fixed = {name: each["fixed_count"] for name, each in classes.items() if each["fixed_count"] > 0}
    if any(each["weight"] > 0 for name, each in classes.items() if name not in fixed):
        return
    if not fixed:
        raise _refused(locustfile, "starts no users: all of its classes have weight 0")
    max_users = sum(fixed.values())
    for level in levels:
        if level.users > max_users:
            counts = ", ".join(f"{name} {count}" for name, count in fixed.items())
            raise LocustfileError(
                f"{level} can't be reached: locustfile {str(locustfile)!r} starts at most {max_users}, because "
                f"all of its classes have a fixed_count ({counts}); give --users {max_users} or fewer, "
                f"or leave one without",
                locustfile,
            )


def run_command(plan: Plan, level: Level, host: str, run: RunDir) -> list[str]:
    """Return the command of one run at a level; paths in it are absolute."""
    run_time = (
        math.ceil(RAMP_SLACK * level.users / plan.spawn_rate + plan.settle_s + plan.duration_s) + RUN_TIME_SLACK_S
    )
    command = [
        *_program("run", plan.locustfile),
        *("-H", host),
        "--headless",
        "--only-summary",
        *("-u", str(level.users)),
        *("-r", f"{plan.spawn_rate:g}"),
        *("-t", f"{run_time}s"),
        # Locust takes whole seconds only.
        *("--stop-timeout", str(math.ceil(plan.timeout_s))),
        *("--exit-code-on-error", "0"),
        # No --html: the recorder writes Locust's report, because a failure here would end Locust too early.
        *("--csv", str(run.locust_prefix)),
    ]
    if plan.expect_workers:
        address, _, port = plan.master_bind.rpartition(":")
        command += ["--master", "--expect-workers", str(plan.expect_workers)]
        command += ["--expect-workers-max-wait", str(WORKERS_WAIT_S)]
        command += ["--master-bind-host", address.strip("[]"), "--master-bind-port", port]
    elif plan.processes > 1:
        # With Locust's default port, two sweeps at the same time would share a master or take each other's workers.
        port = str(free_port())
        command += ["--processes", str(plan.processes)]
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
    return [*command, *shlex.split(plan.locust_options)]
