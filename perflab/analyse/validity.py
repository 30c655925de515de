"""Whether a run can be trusted: every threshold in one place, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from perflab.analyse.window import whole_seconds
from perflab.plan import Plan
from perflab.store.manifest import RunManifest

# Locust runs Python in one core. From about nine tenths of it on, a request waits for its turn inside the
# generator, and the client clock measures that wait. The median, so that one busy second condemns no run.
SATURATED_CPU_PERCENT = 90.0


def invalid_reasons(manifest: RunManifest, recorded: int, steady: int, cpu_percent: Mapping[str, float]) -> list[str]:
    """Return why a run can't be trusted, one phrase each; none for a valid run.

    `recorded` requests are in the file, `steady` of them in the steady window; `cpu_percent` is the median CPU
    over the steady window by source, 100 being one core.
    """
    evidence = manifest.evidence
    if manifest.status != "complete":
        # The rest would only restate it: a run that was cut short misses requests, users and its window.
        return [f"the run {_CUT_SHORT[manifest.status]}" + (f": {evidence.error}" if evidence.error else "")]
    reasons = []
    if evidence.users_reached < manifest.users:
        reasons.append(f"only {evidence.users_reached} of {manifest.users} users were running")
    if evidence.target_lost:
        reasons.append("the target was lost during the run")
    if evidence.requests_finished is None:
        reasons.append("Locust's own count of requests is missing, so lost samples would go unseen")
    elif evidence.requests_recorded != evidence.requests_finished:
        # Exactly: whatever lost one sample may have lost the slow ones.
        reasons.append(
            f"{evidence.requests_recorded} requests were recorded, but Locust finished {evidence.requests_finished}"
        )
    if recorded != evidence.requests_recorded:
        reasons.append(f"latency.csv holds {recorded} requests of {evidence.requests_recorded} that were recorded")
    if not len(whole_seconds(manifest.window)):
        reasons.append("it has no steady window of at least one whole second: give it a longer --duration")
    elif not steady:
        reasons.append("no request began in its steady window")
    reasons += [
        f"the load generator was saturated: source {source} had a median of {cpu:.0f} % of one core, "
        f"allowed is below {SATURATED_CPU_PERCENT:.0f} % (give --processes more)"
        for source, cpu in cpu_percent.items()
        if cpu >= SATURATED_CPU_PERCENT
    ]
    return reasons


def missing_runs(plan: Plan, users: int, runs: Iterable[RunManifest]) -> list[str]:
    """Return one line when a planned level has fewer runs than planned."""
    found = sum(run.users == users for run in runs)
    planned = plan.repeats if users in plan.users else 0
    if found >= planned:
        return []
    return [f"{users} users: {found} of {planned} planned runs took place"]


def remarks(manifest: RunManifest) -> list[str]:
    """Return what is worth knowing about a run but does not make it invalid, one phrase each."""
    evidence = manifest.evidence
    found = []
    if evidence.in_flight_at_end:
        # Censoring: they are the slow ones, but too few in the window to matter against its samples.
        found.append(f"{evidence.in_flight_at_end} requests were still in flight at the end and are in no figure")
    if evidence.task_exceptions:
        found.append(f"{evidence.task_exceptions} exceptions were raised in the locustfile's tasks")
    return found


_CUT_SHORT = {"interrupted": "was interrupted", "failed": "failed"}
