"""The variables in force: where each comes from, and which of them can't be used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perflab.drive.locust import check_locustfile as listing
from perflab.drive.locust import check_ports, warn_of_settings
from perflab.errors import LocustfileError, UsageError
from perflab.plan.objectives import Objectives, choose_objectives
from perflab.plan.plan import Plan, make_plan
from perflab.plan.settings import ENV_FILES, env_file, load_environment
from perflab.plan.variables import PREFIX, say_unknown, unknown_variables, wrong_variables
from perflab.readiness.finding import Finding
from perflab.vocabulary.level import Level


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables in force, and the place of each: an env file's name, or the process's environment."""

    values: Mapping[str, str]
    origins: Mapping[str, str]

    def said(self, name: str) -> str:
        """Return the name with where it comes from, ``NAME in .env.load-testing``."""
        return f"{name} in {self.origins[name]}"


def find_variables(root: Path, process: Mapping[str, str] | None = None) -> Variables:
    """Return what `perflab.plan.settings.load_environment` finds, with its places; raises UsageError as that does."""
    process = os.environ if process is None else process
    values = load_environment(root, process)
    origins: dict[str, str] = {}
    for file in ENV_FILES:
        origins |= dict.fromkeys(env_file(root / file), file)
    origins |= dict.fromkeys(process, "the environment")
    return Variables(values, origins)


def find_mistakes(values: Mapping[str, str], locustfile: Path) -> dict[str, str]:
    """Return what is wrong with each variable that can't be used, by its name.

    The limits of the objectives beside `locustfile` have variables, too.
    """
    mistakes = wrong_variables(values)
    for name in sorted(values.keys() & {limit.variable for limit in _objectives(locustfile).limits}):
        try:
            choose_objectives(None, locustfile, {name: values[name]})
        except UsageError as error:
            mistakes[name] = str(error)
    return mistakes


def plan_of(values: Mapping[str, str], root: Path, **options: Any) -> Plan:
    """Return the plan of variables and options, whatever its target and locustfile; raises UsageError."""
    return make_plan(environment=values, root=root, host="http://localhost", locustfile=__file__, **options)


def check_settings(
    variables: Variables, mistakes: Mapping[str, str], root: Path, locustfile: Path, folder: Path
) -> list[Finding]:
    """Return a problem for each mistake and for a port that is taken, and a warning of what is not in force; else ok.

    `folder` is where Locust will work.
    """
    check = "settings"
    places: dict[str, list[str]] = {}
    for name, text in sorted(mistakes.items()):
        places.setdefault(text, []).append(variables.origins[name])
    findings = [
        Finding(check, "problem", text, f"correct it in {' or '.join(dict.fromkeys(origins))}")
        for text, origins in places.items()
    ]
    good = {name: value for name, value in variables.values.items() if name not in mistakes}
    try:
        check_ports(plan_of(good, root), good)
    except UsageError as error:
        findings.append(Finding(check, "problem", str(error)))
    if unknown := unknown_variables(variables.values, [locustfile.parent, root], _objectives(locustfile)):
        findings.append(Finding(check, "warning", say_unknown(unknown, variables.origins), "correct or remove it"))
    if warning := warn_of_settings(variables.values, folder):
        findings.append(Finding(check, "warning", warning))
    count = sum(name.startswith(PREFIX) for name in good)
    return findings or [Finding(check, "ok", f"{count} variables named {PREFIX}…, all can be used")]


def _objectives(locustfile: Path) -> Objectives:
    try:
        return choose_objectives(None, locustfile, {})
    except UsageError:
        # The file itself: that is for `check_locustfile` to say.
        return Objectives()


def check_locustfile(
    locustfile: Path, variables: Variables, folder: Path, *, levels: Iterable[Level] = (), options: str = ""
) -> Finding:
    """Say whether Locust can read the locustfile, which also shows what the file's own settings are worth.

    Locust works in `folder`. It is to reach each of the `levels`, with `options` for Locust.
    """
    check = "locustfile"
    if not locustfile.is_file():
        advice = "give its path with --locustfile F or LOAD_TEST_LOCUSTFILE"
        return Finding(check, "problem", f"{str(locustfile)!r} does not exist", advice)
    try:
        choose_objectives(None, locustfile, {})
        with listing(locustfile.absolute(), variables.values, folder, levels, options) as finish:
            finish()
    except LocustfileError as error:
        return Finding(check, "problem", str(error), "correct the locustfile, or the setting that it names")
    except UsageError as error:
        return Finding(check, "problem", str(error))
    return Finding(check, "ok", f"{str(locustfile)!r} imports and has users")
