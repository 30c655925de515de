"""All checks, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from perflab.doctor import database, folders, machine, target, variables
from perflab.doctor.finding import Finding
from perflab.doctor.variables import Variables, find_mistakes, find_variables, plan_of
from perflab.errors import UsageError
from perflab.plan.plan import Plan, locate_locustfile

_REPORT_DIR, _RUNS_DIR = "load_test_reports", "runs"


def examine(
    root: Path,
    *,
    host: str | None = None,
    launch: str | None = None,
    health: str | None = None,
    users: str | None = None,
    locustfile: str | None = None,
    locust_options: Sequence[str] | None = None,
    runs_dir: str | None = None,
    report_dir: str | None = None,
    allow_hosts: Iterable[str] = (),
    process: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return what every check finds, in the order in which a load test would meet it.

    `root` is the project's folder, where the env files lie. What is not given comes from the variables, as for a sweep.
    `process` is the environment, by default this process's own. Raises UsageError when an option can't be used.
    """
    process = os.environ if process is None else process
    findings = []
    try:
        found = find_variables(root, process)
    except UsageError as error:
        findings.append(Finding("settings", "problem", str(error), "correct the file: it is left out below"))
        found = Variables(dict(process), dict.fromkeys(process, "the environment"))
    values = found.values
    file, folder = locate_locustfile(locustfile, values, root)
    mistakes = find_mistakes(values, root, file)
    good = {name: value for name, value in values.items() if name not in mistakes}
    findings += variables.check_settings(found, mistakes, root, file, folder)
    options = {"users": users, "health": health, "locust_options": locust_options}
    plan = _plan(good, root, options)
    findings.append(variables.check_locustfile(file, found, folder, users=plan.users, options=plan.locust_options))

    host, finding = target.check_target(host, launch, found)
    allowed = target.check_allowed(host, [*values.get("LOAD_TEST_ALLOWED_HOSTS", "").split(","), *allow_hosts])
    findings += [finding, allowed]
    if allowed.result == "ok":
        findings.append(target.check_api(host if launch is None else None, plan.health))
    else:
        findings.append(Finding("API reachable", "warning", "not asked, because it may not be loaded"))

    findings.append(database.check_database(values.get(database.VARIABLE)))
    reports = Path(report_dir).absolute() if report_dir else root / values.get("LOAD_TEST_REPORT_DIR", _REPORT_DIR)
    runs = Path(runs_dir).absolute() if runs_dir else root / values.get("LOAD_TEST_RUNS_DIR", _RUNS_DIR)
    findings.append(folders.check_folder("report directory", reports, "--output or LOAD_TEST_REPORT_DIR"))
    findings.append(folders.check_folder("runs directory", runs, "--runs-dir or LOAD_TEST_RUNS_DIR"))

    most, scheme = max(plan.users), "https" if host and urlsplit(host).scheme == "https" else "http"
    findings += [
        machine.check_open_files(most, plan.processes, launched=host is None),
        machine.check_memory(most, plan.processes, scheme, free_mb=machine.free_memory_mb()),
        machine.check_cores(plan, runs),
        machine.check_versions(),
        machine.check_wire_clock(),
    ]
    return findings


def _plan(good: Mapping[str, str], root: Path, options: Mapping[str, Any]) -> Plan:
    try:
        return plan_of(good, root, **options)
    except UsageError:
        # Variables that can't be used together: that is found by then. Or it is an option, and this raises again.
        return plan_of({}, root, **options)
