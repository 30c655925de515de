"""All checks, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from perflab.doctor import database, folders, machine, target, variables
from perflab.doctor.finding import Finding
from perflab.doctor.variables import Variables, find_mistakes, find_variables, plan_of
from perflab.errors import UsageError
from perflab.plan import Plan

_REPORT_DIR, _RUNS_DIR = "load_test_reports", "runs"
_LOCUSTFILE = "load_tests/locustfile.py"


def examine(
    root: Path,
    *,
    host: str | None = None,
    users: str | None = None,
    locustfile: str | None = None,
    runs_dir: str | None = None,
    report_dir: str | None = None,
    allow_hosts: Iterable[str] = (),
    process: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return what every check finds, in the order in which a load test would meet it.

    `root` is the project's folder, where the env files lie. What is not given comes from the variables, as for a sweep.
    `process` is the environment, by default this process's own. Raises UsageError when `users` can't be read.
    """
    process = os.environ if process is None else process
    findings = []
    try:
        found = find_variables(root, process)
    except UsageError as error:
        findings.append(Finding("settings", "problem", str(error), "correct the file: it is left out below"))
        found = Variables(dict(process), dict.fromkeys(process, "the environment"))
    values = found.values
    file = Path(locustfile) if locustfile else root / values.get("LOAD_TEST_LOCUSTFILE", _LOCUSTFILE)
    mistakes = find_mistakes(values, root, file)
    good = {name: value for name, value in values.items() if name not in mistakes}
    findings += variables.check_settings(found, mistakes, root)
    plan = _plan(good, root, users)
    chosen = bool(locustfile) or "LOAD_TEST_LOCUSTFILE" in values
    findings.append(variables.check_locustfile(file, found, root, chosen=chosen, users=plan.users))

    host, finding = target.check_host_variable(host, found)
    allowed = target.check_allowed(host, [*values.get("LOAD_TEST_ALLOWED_HOSTS", "").split(","), *allow_hosts])
    findings += [finding, allowed]
    if allowed.result == "ok":
        findings.append(target.check_api(host))
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


def _plan(good: Mapping[str, str], root: Path, users: str | None) -> Plan:
    try:
        return plan_of(good, root, users)
    except UsageError:
        # Variables that can't be used together: that is found by then. Or it is `users`, and this raises again.
        return plan_of({}, root, users)
