"""The line that tells, before a sweep begins, that the machine can't offer what is planned."""

from __future__ import annotations

from pathlib import Path

from perflab.analyse.validity import REMEDY
from perflab.errors import StoreError
from perflab.plan.plan import Plan
from perflab.store.calibration import Calibration, Ceiling, read_calibration
from perflab.store.layout import RunsDir


def warn_of(plan: Plan, runs_dir: Path) -> str | None:
    """Return what the runs folder's calibration has to say about a plan, in one line; None for nothing."""
    try:
        found = read_calibration(runs_dir)
    except StoreError as error:
        return f"the calibration is not used: {error}"
    if found is None:
        return None
    # Not at the top: most folders have none, and looking for it must cost nothing.
    from perflab.calibration.calibration import these_versions, this_machine

    if differences := found.differences(this_machine(), these_versions()):
        return (
            f"{str(RunsDir(runs_dir).calibration)!r} is not used: {'; '.join(differences)}; run perflab calibrate again"
        )
    return beyond_ceilings(found, plan.max_users, plan.processes)


def beyond_ceilings(found: Calibration, users: int, processes: int) -> str | None:
    """Return the warning that `users` in so many processes get, None if a calibration finds nothing wrong with them.

    A number of processes that was not calibrated is taken for the nearest lower one that was.
    """
    counts = [ceiling.processes for ceiling in found.ceilings if ceiling.processes <= processes]
    ceilings = [ceiling for ceiling in found.ceilings if ceiling.processes == max(counts, default=0)]
    beyond = sorted((one for one in ceilings if users > one.users), key=lambda one: one.users)
    if not beyond:
        return None
    within = [one for one in ceilings if one not in beyond]
    best = beyond[-1]
    what = f"{users} users are beyond what {best.client} can offer here{_in_processes(best, processes)}"
    if within:
        # The better client can do it.
        return f"{what} ({_load(best, found)}); fine with {within[0].client} ({_load(within[0], found)})"
    others = "".join(f", {one.client} {_users(one)}" for one in beyond[:-1])
    if best.at_least:
        what = f"{users} users are more than this machine was seen to offer{_in_processes(best, processes)}"
        return f"{what} ({best.client} {_load(best, found)}{others}): if the result is INVALID, {REMEDY}"
    return f"{what} ({_load(best, found)}{others}), so expect INVALID: {REMEDY}"


def _in_processes(ceiling: Ceiling, processes: int) -> str:
    known = f" with --processes {ceiling.processes}"
    return known if ceiling.processes == processes else f"{known}, the nearest to {processes} that was calibrated"


def _load(ceiling: Ceiling, found: Calibration) -> str:
    return f"{_users(ceiling)}, a request every {found.cycle_s:g} s each: {ceiling.requests_per_s:.0f} requests/s"


def _users(ceiling: Ceiling) -> str:
    return f"{'at least ' if ceiling.at_least else ''}{ceiling.users} users"
