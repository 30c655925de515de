"""Whether a run can be trusted: every threshold in one place, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from perflab.plan.plan import Plan
from perflab.store.manifest import Evidence, RunManifest, whole_seconds
from perflab.store.silence import Silence

# A load that falls short by less than this changes neither the service's latency nor a comparison noticeably: run to
# run, throughput and latency differ by about as much.
MAX_SHORTFALL = 0.05
# Locust runs Python in one core: from about four fifths of it on, requests begin to queue for it.
BUSY_CPU_PERCENT = 80.0
# The other sign of it, where something else takes the core: half of the time, whoever wakes up waits this long.
BUSY_LAG_MS = 5.0
# Without the wire clock latency holds all the generator's waits: nine tenths of a core is then the end of trust. The
# median, so that one busy second condemns no run.
SATURATED_CPU_PERCENT = 90.0
# The clocks are read to the microsecond, and slewing moves both alike: a difference of a millisecond is a step.
MAX_CLOCK_STEP_MS = 1.0

# Users keep their connections, as a rule. One of its own for each request is another load than most have in mind.
MANY_CONNECTIONS = 0.2
# Beyond a fifth of a second it is hardly the number of users.
BLOCKED_MS = 200.0
# A client that waits so long in a request by its own will, and for more than this share of its users' time, makes
# another load than the service's latency tells of.
MAX_CLIENT_WAIT_MS, MAX_CLIENT_WAIT = 1.0, 0.05

# Locust's exit code after an exception that nothing has handled, and where those begin that stand for a signal.
UNHANDLED, SIGNALLED = 2, 128
MAX_EXCEPTIONS = 3

REMEDY = "use --processes, fewer users, or another machine"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source over the steady window: the median of its CPU (100 is a core), its event loop's worst lag in ms, and
    the share of its users' intended load that it achieved."""

    source: str
    cpu_percent: float
    lag_ms: float
    achieved_load: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run's tables say: `recorded` requests in latency.csv, `steady` of them in the window, `by_client` whether
    the latency of some endpoint goes by the client clock; the share of the intended load that was `achieved`, its
    sources, and the silence that it ended in, if it did."""

    recorded: int
    steady: int
    by_client: bool
    achieved_load: float
    sources: Sequence[SourceHealth]
    silence: Silence | None = None


@dataclass(frozen=True, slots=True)
class ClientHabits:
    """How a run's clients make their steady requests: the share that opened a connection; how long a client itself
    waited by its own will, in ms a request and as a share of its users' time; `by_client` is as in `Measured`."""

    connecting: float = 0.0
    waits_ms: float = 0.0
    waits_share: float = 0.0
    by_client: bool = False


def invalid_reasons(manifest: RunManifest, measured: Measured) -> list[str]:
    """Return why a run can't be trusted, one phrase each with its evidence; none for a valid run."""
    evidence = manifest.evidence
    if manifest.status != "complete":
        # The rest would only restate it: a run that was cut short misses requests, users and its window.
        return [f"the run {_CUT_SHORT[manifest.status]}" + (f": {evidence.error}" if evidence.error else "")]
    reasons = []
    if evidence.users_reached < manifest.users:
        reasons.append(f"only {evidence.users_reached} of {manifest.users} users were running")
    if (silent := measured.silence) is not None:
        reasons.append(
            f"the target was lost: from second {silent.since_s} of the run to its end nothing was answered, and "
            f"{silent.requests} requests were made in vain ({', '.join(silent.outcomes)})"
        )
    elif evidence.target_lost:
        reasons.append("the target was lost during the run")
    if evidence.misrouted:
        reasons.append(
            f"{evidence.misrouted} requests of one side's users went to the other side's host: the locustfile must use "
            f"the user's own host (self.host), not the environment's"
        )
    reasons += _outside(evidence)
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
            f"told from the step: repeat the run"
        )
    return reasons


def _outside(evidence: Evidence) -> list[str]:
    """Return the exceptions that no request and no task has raised: what they have cut short, nobody knows."""
    known = evidence.exceptions or evidence.locust_exceptions or evidence.own_exit_code is not None
    if not known and evidence.locust_exit_code == UNHANDLED:
        return ["an exception was raised outside of requests and tasks: Locust ended with exit code 2, its log has it"]
    if not evidence.exceptions:
        return []
    return [f"exceptions were raised outside of requests and tasks: {_listed(evidence.exceptions)}"]


def _listed(exceptions: Mapping[str, int]) -> str:
    seen = [f"{text}{f' ({count} times)' if count > 1 else ''}" for text, count in exceptions.items()]
    more = f", and {len(seen) - MAX_EXCEPTIONS} more" if len(seen) > MAX_EXCEPTIONS else ""
    return "; ".join(seen[:MAX_EXCEPTIONS]) + more


def own_failures(manifest: RunManifest) -> list[str]:
    """Return why a run that can be trusted has failed by the locustfile's own account; mostly nothing."""
    code = manifest.evidence.own_exit_code
    if code is None:
        code = manifest.evidence.locust_exit_code or 0
        # From 128 on it is a signal, as when perflab itself has ended a Locust that hung after its run.
        code = 0 if code == UNHANDLED or code >= SIGNALLED else code
    if manifest.status != "complete" or not code:
        return []
    return [f"the locustfile itself says that it failed (exit code {code})"]


def _lost_samples(evidence: Evidence, in_file: int) -> list[str]:
    reasons = [
        f"{name} (process {source.pid}) was lost: "
        + (f"{source.missing_s:.0f} s of its requests are missing" if source.missing_s else "its end is missing")
        for name, source in evidence.sources.items()
        if source.lost
    ]
    recorded = evidence.requests_recorded
    if not evidence.sources:
        return [*reasons, "Locust's own count of requests is missing, so lost samples would go unseen"]
    # Exactly: whatever lost one sample may have lost the slow ones.
    finished = evidence.requests_finished + evidence.unanswered
    if recorded != finished:
        reasons.append(f"{recorded} requests were recorded, but {finished} were made")
    if evidence.requests_finished < evidence.locust_finished and not any(s.lost for s in evidence.sources.values()):
        reasons.append(
            f"{evidence.requests_finished} requests were recorded as finished, but Locust finished "
            f"{evidence.locust_finished}"
        )
    if in_file != recorded:
        reasons.append(f"latency.csv holds {in_file} requests of {recorded} that were recorded")
    return reasons


def _saturation(measured: Measured) -> list[str]:
    # Only what users waited for the generator is in it, so it is the generator's in whatever second it was lost.
    shortfall = 1 - measured.achieved_load
    if measured.sources and shortfall > MAX_SHORTFALL:
        worst = min(measured.sources, key=lambda source: source.achieved_load)
        stopped = "look for what stopped the whole process (code of the locustfile, a paused machine), or "
        advice = stopped * (worst.lag_ms > BLOCKED_MS) + REMEDY
        return [
            f"the load generator was saturated: it achieved {100 * shortfall:.0f} % less load than its users intended, "
            f"allowed is {100 * MAX_SHORTFALL:.0f} % (source {worst.source}: {worst.cpu_percent:.0f} % of one core, "
            f"event loop up to {worst.lag_ms:.1f} ms late); {advice}"
        ]
    if not measured.by_client:
        return []
    return [
        f"the load generator was saturated and latencies are by its own clock: source {source.source} had a median of "
        f"{source.cpu_percent:.0f} % of one core, allowed is below {SATURATED_CPU_PERCENT:.0f} %; {REMEDY}"
        for source in measured.sources
        if source.cpu_percent >= SATURATED_CPU_PERCENT
    ]


def missing_runs(plan: Plan, users: int, runs: Iterable[RunManifest]) -> list[str]:
    """Return one line when a planned level has fewer runs than planned."""
    found = sum(run.users == users for run in runs)
    planned = plan.repeats if users in plan.users else 0
    if found >= planned:
        return []
    return [f"{users} users: {found} of {planned} planned runs took place"]


def many_connections(habits: ClientHabits) -> list[str]:
    """Return that a run's requests opened connections where they might have kept them; mostly nothing."""
    if habits.connecting <= MANY_CONNECTIONS:
        return []
    return [f"{100 * habits.connecting:.0f} % of its requests opened a connection of their own"]


def remarks(manifest: RunManifest, habits: ClientHabits) -> list[str]:
    """Return what is worth knowing about a run but does not make it invalid, one phrase each."""
    evidence = manifest.evidence
    found = many_connections(habits)
    if habits.waits_ms > MAX_CLIENT_WAIT_MS and habits.waits_share > MAX_CLIENT_WAIT:
        found.append(
            f"the client itself waits (retries, back-off, hooks) {habits.waits_ms:.3g} ms a request: that is not in "
            f"the latency, and users make fewer requests for it"
        )
    if evidence.unanswered:
        were, they = ("request was", "it counts") if evidence.unanswered == 1 else ("requests were", "they count")
        found.append(f"{evidence.unanswered} {were} never answered: {they} as failed, and as slower than every other")
    if evidence.unstamped:
        many = ", and where they are many, latency goes by it alone" if habits.by_client else ""
        found.append(
            f"{evidence.unstamped} successful requests have no wire time (no TCP socket of this process carried them), "
            f"so the client clock stands in for them{many}"
        )
    if evidence.untimed:
        found.append(
            f"{evidence.untimed} requests were told of without a response time that can be one: they count as "
            f"requests, and have no latency"
        )
    if evidence.misdated:
        found.append(
            f"{evidence.misdated} requests were told of with a start_time that can't be one (it is in seconds since "
            f"1970): their start is reckoned back from the moment when they were told of"
        )
    found += _own_users(manifest)
    if evidence.task_exceptions:
        found.append(f"{evidence.task_exceptions} exceptions were raised in the locustfile's tasks")
    if evidence.locust_exceptions:
        found.append(f"Locust's own files may lack something, perflab's don't: {_listed(evidence.locust_exceptions)}")
    made, counted = evidence.requests_finished, evidence.locust_finished
    if made > counted and manifest.status == "complete":
        found.append(
            f"Locust's own statistics lack {made - counted} of {made} requests (a listener of the locustfile has kept "
            f"them from it, or their events were incomplete): recorded requests are whole"
        )
    if evidence.stats_resets:
        found.append(
            f"Locust's own statistics were reset {evidence.stats_resets} times: its report lacks what was before, "
            f"recorded requests are whole"
        )
    elif evidence.locust_total not in (None, evidence.locust_finished) and manifest.status == "complete":
        found.append(
            f"Locust's own report tells of {evidence.locust_total} requests, its processes made "
            f"{evidence.locust_finished}: reports of workers were lost on their way, recorded requests were not"
        )
    return found


def _own_users(manifest: RunManifest) -> list[str]:
    """Return what the locustfile says of its users and the run did not follow."""
    suite = manifest.suite or {}
    found = []
    if hosts := suite.get("hosts"):
        listed = ", ".join(f"{name} {host}" for name, host in hosts.items())
        found.append(f"user classes have hosts of their own, but all users go to the target's: {listed}")
    classes = suite.get("users", {})
    fixed = {name: one["fixed_count"] for name, one in classes.items() if one["fixed_count"]}
    others = [name for name in classes if name not in fixed]
    taken = sum(fixed.values())
    if taken > manifest.users:
        counts = ", ".join(f"{name} {count}" for name, count in fixed.items())
        found.append(f"of the {taken} users of a fixed count ({counts}) only {manifest.users} were started")
    if others and taken >= manifest.users:
        found.append(f"no user of {', '.join(others)} was started: those of a fixed count come first")
    return found


_CUT_SHORT = {"interrupted": "was interrupted", "failed": "failed"}
