"""The system under test: which one, may it be loaded, does it answer and how fast."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import statistics
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from perflab.drive.http import HostAnswer, ask
from perflab.errors import TargetError
from perflab.plan.hosts import check_host, check_launch, without_user
from perflab.plan.plan import HEALTH
from perflab.readiness.finding import Finding
from perflab.readiness.variables import Variables
from perflab.vocabulary.redact import redact

TIMEOUT_S = 5.0
TIMES = 5
# The reference suite's limit on the p95 of /health under load: who takes so long without any will not keep it.
SLOW_MS = 200.0

START_IT = (
    "start the API (scripts/run_load_tests.sh without --host starts the reference one), see why it doesn't run "
    "(docker compose logs backend), or correct the host"
)
LOOK_AT_LOG = "see what the API says: docker compose logs backend --tail=100"
IT_IS_SLOW = (
    f"{LOOK_AT_LOG}; look at its database's connections (docker compose logs postgres); begin with fewer users "
    "(--users 100)"
)


def check_target(host: str | None, launch: str | None, variables: Variables) -> tuple[str | None, Finding]:
    """Return the host that will be loaded, None for one that is started for the run, and where it comes from."""
    check, stated = "target", variables.values.get("LOAD_TEST_HOST")
    if host is not None:
        over = f", over {variables.said('LOAD_TEST_HOST')}" if stated is not None else ""
        started = ", where --launch starts it" if launch is not None else ""
        return host, Finding(check, "ok", f"{redact(without_user(host))} by --host{over}{started}")
    if launch is None and stated is not None:
        return stated, Finding(check, "ok", f"{redact(without_user(stated))} by {variables.said('LOAD_TEST_HOST')}")
    said = "--launch" if launch is not None else ""
    if launch is None and "LOAD_TEST_LAUNCH" in variables.values:
        launch, said = variables.values["LOAD_TEST_LAUNCH"], variables.said("LOAD_TEST_LAUNCH")
    if launch is None:
        return None, Finding(
            check, "problem", "there is none", "give --host URL or --launch CMD, or set LOAD_TEST_HOST"
        )
    try:
        check_launch(launch)
    except TargetError as error:
        return None, Finding(check, "problem", str(error))
    return None, Finding(check, "ok", f"no host: {said} starts the target")


def check_allowed(host: str | None, allowed: Iterable[str]) -> Finding:
    """Say whether load may go to `host`; `allowed` are names, with or without a port."""
    check = "host allowed"
    if host is None:
        return Finding(check, "ok", "the target will run on this machine")
    names = {name.strip().lower() for name in allowed} - {""}
    try:
        # A host is always allowed to itself: what is wrong with it then is its spelling.
        check_host(host, {(urlsplit(host.strip()).hostname or "").lower()})
    except (TargetError, ValueError) as error:
        found = "it carries a user name or password" if "@" in host else str(error)
        return Finding(check, "problem", found, "write for example http://localhost:8000")
    name = (urlsplit(host.strip()).hostname or "").lower()
    try:
        check_host(host, names)
    except TargetError:
        listed = f"LOAD_TEST_ALLOWED_HOSTS names {', '.join(sorted(names))}" if names else "no host is allowed"
        return Finding(
            check,
            "problem",
            f"{name!r} is not this machine, and {listed}",
            f"add it there, or give --allow-host {name}, if you may load-test it",
        )
    return Finding(check, "ok", f"{name!r} may be loaded")


def check_api(host: str | None, health: str = HEALTH, *, timeout_s: float = TIMEOUT_S) -> Finding:
    """Ask for `health` five times, each time on a connection of its own, and say how it answers and how fast.

    All of it takes `timeout_s` seconds at most: of a slow host fewer answers have to do.
    """
    check = "API reachable"
    if host is None:
        return Finding(check, "ok", "nothing to ask: the target is started for the run")
    context: ssl.SSLContext | None = ssl.create_default_context()
    mistrusted, end = "", time.monotonic() + timeout_s
    try:
        try:
            answers = [ask(host, health, timeout_s, context)]
        except ssl.SSLCertVerificationError as error:
            mistrusted = error.verify_message
            # Only to say more about it: nothing but the question is sent.
            context = None
            answers = [ask(host, health, end - time.monotonic(), context)]
        with contextlib.suppress(TimeoutError):
            while len(answers) < TIMES and (left_s := end - time.monotonic()) > 0:
                answers.append(ask(host, health, left_s, context))
    except TimeoutError:
        return Finding(check, "problem", f"{host} did not answer within {timeout_s:g} s", IT_IS_SLOW)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        return Finding(check, "problem", f"{host} can't be reached: {reason}", START_IT)
    except http.client.HTTPException as error:
        return Finding(check, "problem", f"{host} does not speak HTTP ({type(error).__name__})", START_IT)
    return _judge(check, health, answers, mistrusted)


def _judge(check: str, health: str, answers: list[HostAnswer], mistrusted: str) -> Finding:
    connect_ms = statistics.median(answer.connect_ms for answer in answers)
    answer_ms = statistics.median(answer.answer_ms for answer in answers)
    status = max(answer.status for answer in answers)
    found = (
        f"GET {health} answers {status} in {connect_ms + answer_ms:.1f} ms: {connect_ms:.1f} to connect, "
        f"{answer_ms:.1f} to answer (medians of {len(answers)})"
    )
    if status >= 500:
        return Finding(check, "problem", found, LOOK_AT_LOG)
    if not 200 <= status < 300:
        advice = f"a load test can do without {health}; if there should be one, give --health PATH or correct the host"
        return Finding(check, "warning", found, advice)
    if mistrusted:
        advice = "trust it (REQUESTS_CA_BUNDLE), or HttpUser refuses every answer; FastHttpUser doesn't look"
        return Finding(check, "warning", f"{found}; its certificate is not trusted: {mistrusted}", advice)
    if connect_ms + answer_ms >= SLOW_MS:
        return Finding(check, "warning", f"{found}: slow, without any load", IT_IS_SLOW)
    return Finding(check, "ok", found)
