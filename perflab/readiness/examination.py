"""All checks, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from perflab.errors import UsageError
from perflab.plan.hosts import allowed_hosts
from perflab.plan.parse import parse_names
from perflab.plan.plan import UsersLike, locate_locustfile
from perflab.plan.settings import project_root
from perflab.plan.variables import SETTINGS
from perflab.readiness import database, machine, target, variables
from perflab.readiness.finding import Finding
from perflab.readiness.variables import Variables, find_mistakes, find_variables, plan_of


def doctor(
    *,
    host: str | None = None,
    launch: str | None = None,
    health: str | None = None,
    users: UsersLike | None = None,
    locustfile: str | Path | None = None,
    locust_options: str | Sequence[str] | None = None,
    runs_dir: str | Path | None = None,
    report_dir: str | Path | None = None,
    allow_hosts: str | Iterable[str] = (),
    root: Path | None = None,
) -> list[Finding]:
    """Check whether everything is ready for a load test, without making any load or changing anything.

    `host`, `launch`, `health`, `users`, `locustfile`, `locust_options`, `runs_dir` and `allow_hosts` are as in `sweep`,
    and what is not given comes from the variables as for a sweep; `report_dir` is where the suite's reports go, `root`
    the project's folder, where the env files are, by default the one around the working folder. Returns what each check
    has found, in the order in which a load test would meet it. Raises UsageError when an option can't be used.

        [finding for finding in perflab.doctor(host="http://localhost:8000") if finding.result != "ok"]
    """
    root = root or project_root()
    findings = []
    try:
        found = find_variables(root)
    except UsageError as error:
        findings.append(Finding("settings", "problem", str(error), "correct the file: it is left out below"))
        found = Variables(dict(os.environ), dict.fromkeys(os.environ, "the environment"))
    values = found.values
    file, folder = locate_locustfile(locustfile, values, root)
    mistakes = find_mistakes(values, file)
    good = {name: value for name, value in values.items() if name not in mistakes}
    findings += variables.check_settings(found, mistakes, root, file, folder)
    options: dict[str, Any] = {"users": users, "health": health, "locust_options": locust_options}
    try:
        plan = plan_of(good, root, **options)
    except UsageError:
        # Variables that can't be used together: that is found by now. Or it is an option, and this raises again.
        plan = plan_of({}, root, **options)
    findings.append(variables.check_locustfile(file, found, folder, levels=plan.levels, options=plan.locust_options))

    host, finding = target.check_target(host, launch, found)
    allowed = target.check_allowed(host, [*allowed_hosts(values), *parse_names(allow_hosts)])
    findings += [finding, allowed]
    if allowed.result == "ok":
        findings.append(target.check_api(host if launch is None else None, plan.health))
    else:
        findings.append(Finding("API reachable", "warning", "not asked, because it may not be loaded"))

    reports = Path(str(report_dir)).absolute() if report_dir else root / SETTINGS["report_dir"].read({}, values)
    runs = Path(str(runs_dir)).absolute() if runs_dir else root / SETTINGS["runs_dir"].read({}, values)
    most, scheme = plan.max_users, "https" if host and urlsplit(host).scheme == "https" else "http"
    return [
        *findings,
        database.check_database(values.get(database.VARIABLE)),
        machine.check_folder("report directory", reports, "--output or LOAD_TEST_REPORT_DIR"),
        machine.check_folder("runs directory", runs, "--runs-dir or LOAD_TEST_RUNS_DIR"),
        machine.check_open_files(most, plan.processes, launched=host is None),
        machine.check_memory(most, plan.processes, scheme, free_mb=machine.free_memory_mb()),
        machine.check_cores(plan, runs),
        machine.check_versions(),
        machine.check_wire_clock(),
    ]
