"""Whether a run can be trusted: every threshold in one place, each with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from perflab.plan.plan import Plan
from perflab.store.manifest import Evidence, RunManifest, whole_seconds
from perflab.store.silence import Silence
from perflab.vocabulary.level import Level
from perflab.vocabulary.text import listing

# A smaller shortfall of load has no noticeable effect on the service's latency or on a comparison: throughput and
# latency vary by about as much from run to run.
MAX_SHORTFALL = 0.05
# A Locust process runs Python on one core: from about 80 % utilisation on, requests begin to queue for it.
BUSY_CPU_PERCENT = 80.0
# The other sign of a busy generator, for when another program uses the core: the median delay of a wake-up.
BUSY_LAG_MS = 5.0
# Without the wire clock, latency includes all waits for the generator, so above 90 % of a core it can't be trusted. It
# is the median that must stay below, so that a single busy second doesn't make a run invalid.
SATURATED_CPU_PERCENT = 90.0
# The clocks are read to the microsecond, and slewing affects both alike: a difference of a millisecond is a step.
MAX_CLOCK_STEP_MS = 1.0

# Users normally keep their connections. A new one for each request is a different load from what most people intend.
MANY_CONNECTIONS_SHARE = 0.2
# A longer lag is hardly due to the number of users: something has blocked the process.
BLOCKED_LAG_MS = 200.0
# If a client deliberately waits longer than this per request, and for more than this share of its users' time, the load
# is noticeably lower than the service's latency suggests.
MAX_CLIENT_WAIT_MS, MAX_CLIENT_WAIT_SHARE = 1.0, 0.05

# Locust's exit code after an unhandled exception, and the first of those that mean that a signal ended a process.
UNHANDLED_EXIT_CODE, FIRST_SIGNAL_EXIT_CODE = 2, 128
MAX_LISTED_EXCEPTIONS = 3

REMEDY = "use --processes, fewer users, or another machine"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source over the steady window: its median CPU utilisation (100 is one core), its event loop's maximum lag in
    ms, and the share of its users' intended load that it achieved."""

    source: str
    cpu_percent: float
    lag_ms: float
    achieved_load: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run's tables say: how many requests latency.csv holds (`recorded`) and how many of them the steady window
    does (`steady`); whether the latency of any endpoint is on the client clock (`by_client`); the share of the intended
    load that was achieved; the sources; and the silence at its end, if the target stopped answering."""

    recorded: int
    steady: int
    by_client: bool
    achieved_load: float
    sources: Sequence[SourceHealth]
    silence: Silence | None = None


@dataclass(frozen=True, slots=True)
class ClientHabits:
    """How a run's clients made the requests of its steady window: the share that opened a connection (`connecting`);
    how long the clients themselves deliberately waited, in ms per request (`waits_ms`) and as a share of their users'
    time (`waits_share`); `by_client` as in `Measured`."""

    connecting: float = 0.0
    waits_ms: float = 0.0
    waits_share: float = 0.0
    by_client: bool = False


def invalid_reasons(manifest: RunManifest, measured: Measured) -> list[str]:
    """Return why a run can't be trusted, one phrase with its evidence per reason; empty for a valid run."""
    evidence = manifest.evidence
    if manifest.status != "complete":
        # All other reasons would follow from this one: an aborted run lacks requests, users and its window.
        return [f"the run {_CUT_SHORT[manifest.status]}" + (f": {evidence.error}" if evidence.error else "")]
    reasons = []
    if evidence.users_reached < manifest.level.users:
        reasons.append(f"only {evidence.users_reached} of {manifest.level.users} users were running")
    if (silent := measured.silence) is not None:
        reasons.append(
            f"the target was lost: from second {silent.since_s} of the run to its end no request was answered, and "
            f"{silent.requests} failed ({', '.join(silent.outcomes)})"
        )
    elif evidence.target_lost:
        reasons.append("the target was lost during the run")
    if evidence.misrouted:
        reasons.append(
            f"{evidence.misrouted} requests of one side's users went to the other side's host: the locustfile must use "
            f"the user's own host (self.host), not the environment's"
        )
    elsewhere = sum(evidence.other_hosts.values())
    # Other clients than Locust's may have asked the target: then there are more requests than these.
    if elsewhere and not evidence.asked_target and elsewhere >= evidence.requests_recorded:
        reasons.append(
            f"no request went to the target: all went to {listing(list(evidence.other_hosts))}; give that as --host, "
            f"or leave the target to self.host"
        )
    reasons += _unhandled_exceptions(evidence)
    reasons += _lost_samples(evidence, measured.recorded)
    if evidence.recorder_faults:
        reasons.append(
            f"perflab's own recorder failed {evidence.recorder_faults} times, first with {evidence.recorder_fault}: "
            f"the run's locust.log has the traceback, please report it"
        )
    if not len(whole_seconds(manifest.window)):
        reasons.append("it has no steady window of at least one whole second: give it a longer --duration")
    elif not measured.steady:
        reasons.append("no request began in its steady window")
    reasons += _saturation(measured)
    if evidence.clock_step_ms > MAX_CLOCK_STEP_MS:
        reasons.append(
            f"the machine's clock was set by {evidence.clock_step_ms:.0f} ms during the run, so its latencies can't be "
            f"trusted: repeat the run"
        )
    return reasons


def _unhandled_exceptions(evidence: Evidence) -> list[str]:
    """Return the exceptions raised outside of requests and tasks: they may have cut anything short."""
    explained = evidence.exceptions or evidence.locust_exceptions or evidence.locustfile_exit_code is not None
    if not explained and evidence.locust_exit_code == UNHANDLED_EXIT_CODE:
        return ["an exception was raised outside of requests and tasks: Locust exited with code 2, see its log"]
    if not evidence.exceptions:
        return []
    return [f"exceptions were raised outside of requests and tasks: {_list_exceptions(evidence.exceptions)}"]


def _list_exceptions(exceptions: Mapping[str, int]) -> str:
    texts = [f"{text}{f' ({count} times)' if count > 1 else ''}" for text, count in exceptions.items()]
    more = f", and {len(texts) - MAX_LISTED_EXCEPTIONS} more" if len(texts) > MAX_LISTED_EXCEPTIONS else ""
    return "; ".join(texts[:MAX_LISTED_EXCEPTIONS]) + more


def own_failures(manifest: RunManifest) -> list[str]:
    """Return why the locustfile itself says that the run failed; empty if it doesn't."""
    code = manifest.evidence.locustfile_exit_code
    if code is None:
        code = manifest.evidence.locust_exit_code or 0
        # From 128 on it means a signal, for instance when perflab ended a Locust process that hung after its run.
        code = 0 if code == UNHANDLED_EXIT_CODE or code >= FIRST_SIGNAL_EXIT_CODE else code
    if manifest.status != "complete" or not code:
        return []
    return [f"the locustfile itself says that it failed (exit code {code})"]


def _lost_samples(evidence: Evidence, in_latency_csv: int) -> list[str]:
    reasons = [
        f"{name} (process {source.pid}) was lost: "
        + (
            f"{source.missing_s:.0f} s of its requests are missing"
            if source.missing_s
            else "its last requests are missing"
        )
        for name, source in evidence.sources.items()
        if source.lost
    ]
    recorded = evidence.requests_recorded
    if not evidence.sources:
        return [*reasons, "Locust's own count of requests is missing, so lost samples can't be detected"]
    # No tolerance: whatever lost one sample may have lost the slowest ones.
    finished = evidence.requests_finished + evidence.unanswered
    if recorded != finished:
        reasons.append(f"{recorded} requests were recorded, but {finished} were made")
    if evidence.requests_finished < evidence.locust_finished and not any(s.lost for s in evidence.sources.values()):
        reasons.append(
            f"{evidence.requests_finished} requests were recorded as finished, but Locust "
            f"finished {evidence.locust_finished}"
        )
    if in_latency_csv != recorded:
        reasons.append(f"latency.csv holds {in_latency_csv} requests of {recorded} that were recorded")
    return reasons


def _saturation(measured: Measured) -> list[str]:
    # It counts only the time that users waited for the generator, so the generator is at fault whenever that was.
    shortfall = 1 - measured.achieved_load
    if measured.sources and shortfall > MAX_SHORTFALL:
        worst = min(measured.sources, key=lambda source: source.achieved_load)
        blocked = worst.lag_ms > BLOCKED_LAG_MS
        advice = "look for what blocked the whole process (locustfile code, a paused machine), or " * blocked + REMEDY
        return [
            f"the load generator was saturated: it achieved {100 * shortfall:.0f} % less load than its users intended, "
            f"the limit is {100 * MAX_SHORTFALL:.0f} % (source {worst.source}: {worst.cpu_percent:.0f} % of one "
            f"core, event loop up to {worst.lag_ms:.1f} ms late); {advice}"
        ]
    if not measured.by_client:
        return []
    return [
        f"the load generator was saturated and latencies are on its own clock: source {source.source} had a median of "
        f"{source.cpu_percent:.0f} % of one core, the limit is {SATURATED_CPU_PERCENT:.0f} %; {REMEDY}"
        for source in measured.sources
        if source.cpu_percent >= SATURATED_CPU_PERCENT
    ]


def missing_runs(plan: Plan, level: Level, runs: Iterable[RunManifest]) -> list[str]:
    """Return one line if a planned level has fewer runs than planned, else nothing."""
    made = sum(run.level == level for run in runs)
    planned = plan.repeats if level in plan.levels else 0
    if made >= planned:
        return []
    return [f"{level}: {made} of {planned} planned runs took place"]


def many_connections(habits: ClientHabits) -> list[str]:
    """Return one phrase if many of a run's requests opened a connection instead of reusing one, else nothing."""
    if habits.connecting <= MANY_CONNECTIONS_SHARE:
        return []
    return [f"{100 * habits.connecting:.0f} % of its requests opened a new connection"]


def remarks(manifest: RunManifest, habits: ClientHabits) -> list[str]:
    """Return what is worth knowing about a run but does not make it invalid, one phrase per fact."""
    evidence = manifest.evidence
    notes = many_connections(habits)
    if habits.waits_ms > MAX_CLIENT_WAIT_MS and habits.waits_share > MAX_CLIENT_WAIT_SHARE:
        notes.append(
            f"the client itself waits {habits.waits_ms:.3g} ms per request (retries, back-off, hooks): latency "
            f"excludes that, but users make fewer requests because of it"
        )
    if evidence.unanswered:
        were, they = ("request was", "it counts") if evidence.unanswered == 1 else ("requests were", "they count")
        notes.append(f"{evidence.unanswered} {were} never answered: {they} as failed, and as slower than all others")
    if evidence.without_wire_time:
        many = ", and where there are many of them, for all requests" if habits.by_client else ""
        notes.append(
            f"{evidence.without_wire_time} successful requests have no wire time (no TCP socket of this process "
            f"carried them), so the client clock is used for them{many}"
        )
    if evidence.without_latency:
        notes.append(
            f"{evidence.without_latency} requests were reported without a usable response time: they count as "
            f"requests, but have no latency"
        )
    if evidence.start_corrected:
        notes.append(
            f"{evidence.start_corrected} requests were reported with an impossible start_time (it is in seconds "
            f"since 1970): their start was calculated from the time of the report and the response time"
        )
    if evidence.other_hosts:
        hosts = listing([f"{host} {count}" for host, count in Counter(evidence.other_hosts).most_common()])
        count = sum(evidence.other_hosts.values())
        were, they = ("request was", "its figures are") if count == 1 else ("requests were", "their figures are")
        notes.append(
            f"{count} {were} sent to other addresses than the target's, by the locustfile or a redirect ({hosts}): "
            f"{they} among those of the target"
        )
    notes += _unfollowed_settings(manifest)
    if evidence.task_exceptions:
        notes.append(f"{evidence.task_exceptions} exceptions were raised in the locustfile's tasks")
    if evidence.locust_exceptions:
        notes.append(
            f"Locust's own files may be incomplete, perflab's are not: {_list_exceptions(evidence.locust_exceptions)}"
        )
    made, counted = evidence.requests_finished, evidence.locust_finished
    if made > counted and manifest.status == "complete":
        notes.append(
            f"Locust's own statistics lack {made - counted} of {made} requests (a listener in the locustfile stopped "
            f"their events, or the events were incomplete): perflab's own records are complete"
        )
    if evidence.stats_resets:
        notes.append(
            f"Locust's own statistics were reset {evidence.stats_resets} times, so its report lacks earlier requests: "
            f"perflab's own records are complete"
        )
    elif evidence.locust_total not in (None, evidence.locust_finished) and manifest.status == "complete":
        notes.append(
            f"Locust's own report has {evidence.locust_total} requests, but its processes made "
            f"{evidence.locust_finished}: statistics that its workers sent were lost, perflab's own records were not"
        )
    return notes


def _unfollowed_settings(manifest: RunManifest) -> list[str]:
    """Return which settings of the locustfile's users the run did not follow."""
    suite = manifest.suite or {}
    notes = []
    if hosts := suite.get("hosts"):
        listed = ", ".join(f"{name} {host}" for name, host in hosts.items())
        notes.append(f"user classes set a host of their own, but their users were sent to the target: {listed}")
    classes = suite.get("users", {})
    fixed = {name: user["fixed_count"] for name, user in classes.items() if user["fixed_count"]}
    others = [name for name in classes if name not in fixed]
    fixed_users = sum(fixed.values())
    if fixed_users > manifest.level.users:
        counts = ", ".join(f"{name} {count}" for name, count in fixed.items())
        notes.append(
            f"only {manifest.level.users} of the {fixed_users} users with a fixed count ({counts}) were started"
        )
    if others and fixed_users >= manifest.level.users:
        notes.append(f"no user of {', '.join(others)} was started: users with a fixed count come first")
    return notes


_CUT_SHORT = {"interrupted": "was interrupted", "failed": "failed"}
