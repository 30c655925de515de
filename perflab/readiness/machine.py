"""The machine that makes the load: folders, open files, memory, cores, versions, and its kernel's receive times."""

from __future__ import annotations

import math
import os
import resource
import shutil
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

import psutil

from perflab.calibration.warning import warn_of
from perflab.drive.fingerprint import versions
from perflab.plan.plan import Plan
from perflab.readiness.finding import Finding
from perflab.store.layout import RunsDir

# A sweep of half a million requests takes some 50 MB; this is for a few of them.
LOW_MB = 500
_PROBE = bytes(64 * 1024)

# A user is a connection. Besides those, Locust has about thirty files open.
SPARE_FILES = 100
# Locust raises its own limit to so many, where the hard limit lets it.
LOCUST_FILES = 10_000

# Measured with benchmarks/generator_memory.py at 100 and 1000 users: 56 to 70 MB for a Locust process, and 17 to 35 kB
# for a user over HTTP, with either client and with the suite. Over HTTPS each user holds certificates and TLS state of
# its own: 0.76 MB with HttpUser, 0.91 MB with FastHttpUser. Rounded up; recording takes up to 50 MB besides.
PROCESS_MB = 130.0
USER_MB = {"http": 0.05, "https": 1.0}
# What is free now may not be free later.
MAX_MEMORY_SHARE = 0.7

FEWER = "reduce the users (--users), close other programs, and look at the memory meanwhile (watch -n1 free -h)"

# Python has no name for it before 3.14.
_SO_TIMESTAMPNS = 35
_TIMESTAMP = struct.Struct("qq")
_PROBES = 50
# A stamp of the wrong clock would be off by years.
_NEAR_S = 60.0


def check_folder(check: str, folder: Path, option: str) -> Finding:
    """Say whether files can be written in `folder`, which `option` chooses, and how much room there is.

    A folder that does not exist yet is not made: what counts is the one that it would be made in.
    """
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    choose = f"choose another with {option}"
    try:
        if not there.is_dir():
            return Finding(check, "problem", f"{str(there)!r} is not a folder", choose)
        # A file without a name where the system has such: nothing is left of it.
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(_PROBE)
            probe.flush()
        free_mb = shutil.disk_usage(there).free / 1e6
    except OSError as error:
        return Finding(check, "problem", f"can't write in {str(there)!r}: {error.strerror}", choose)
    made = "" if there == folder else ", made when it is needed"
    found = f"{str(folder)!r}{made}: {free_mb / 1000:.1f} GB free"
    if free_mb < LOW_MB:
        return Finding(check, "warning", found, f"make room, or {choose}")
    return Finding(check, "ok", found)


def check_open_files(users: int, processes: int, *, launched: bool) -> Finding:
    """Say whether Locust, and a target that is `launched` here, may open a connection for each user."""
    check = "open files"
    soft, hard = (
        math.inf if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    needed, all_needed = math.ceil(users / processes) + SPARE_FILES, users + SPARE_FILES
    locust = LOCUST_FILES if soft < LOCUST_FILES <= hard else soft
    raised = f", which Locust raises to {LOCUST_FILES}" if locust > soft else ""
    found = f"limit {soft:g}{raised} (hard limit {hard:g}); {users} users need about {needed}"
    found += f" in each of {processes} processes" if processes > 1 else ""
    wanted = max(needed, all_needed if launched else 0)
    advice = f"before the load test, in the same shell: ulimit -n {wanted}"
    if wanted > hard:
        advice += " (the hard limit must be raised first: LimitNOFILE of systemd, ulimits of Docker, or limits.conf)"
    if locust < needed:
        return Finding(check, "problem", found, advice)
    if launched and soft < all_needed:
        return Finding(check, "warning", f"{found}; the target that is started here gets {soft:g}", advice)
    return Finding(check, "ok", found)


def check_memory(users: int, processes: int, scheme: str, *, free_mb: float) -> Finding:
    """Say whether `free_mb` (10^6 bytes) are enough for so many users in so many Locust processes."""
    check = "memory"
    needed_mb = PROCESS_MB * processes + USER_MB[scheme] * users
    found = (
        f"{free_mb / 1000:.1f} GB free; {users} users take about {needed_mb / 1000:.2g} GB "
        f"({1000 * USER_MB[scheme]:g} kB each over {scheme}, {PROCESS_MB:g} MB for each Locust process)"
    )
    if needed_mb > free_mb:
        return Finding(check, "problem", found, FEWER)
    if needed_mb > MAX_MEMORY_SHARE * free_mb:
        return Finding(check, "warning", found, FEWER)
    return Finding(check, "ok", found)


def free_memory_mb(cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the memory that is left here in 10^6 bytes, no more than a container's limit leaves."""
    free = float(psutil.virtual_memory().available)
    try:
        most, used = ((cgroup / name).read_text(encoding="ascii") for name in ("memory.max", "memory.current"))
        free = min(free, float(most) - float(used))
    except (OSError, ValueError):
        # No container, or one without a limit ("max").
        return free / 1e6
    return max(0.0, free) / 1e6


def check_cores(plan: Plan, runs_dir: Path) -> Finding:
    """Say what a calibration under `runs_dir` says about the plan's highest number of users on this machine."""
    check = "cores"
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    here = "1 core" if cores == 1 else f"{cores} cores"
    if not RunsDir(runs_dir).calibration.exists():
        advice = "perflab calibrate finds how much load this machine can offer"
        return Finding(check, "ok", f"{here}, not calibrated", advice)
    if warning := warn_of(plan, runs_dir):
        return Finding(check, "warning", f"{here}; {warning}")
    return Finding(check, "ok", f"{here}, calibrated: {plan.max_users} users are within what they can offer")


def check_versions() -> Finding:
    """Say which Python and Locust there are."""
    check, found = "versions", versions()
    if "locust" not in found:
        return Finding(check, "problem", f"Python {found['python']}, no Locust", "pip install locust")
    names = [f"{name} {found[name]}" for name in ("locust", "perflab") if name in found]
    return Finding(check, "ok", ", ".join([f"Python {found['python']}", *names]))


def check_wire_clock() -> Finding:
    """Say whether the kernel reports when an answer arrived, which keeps the generator's lag out of latencies."""
    check = "wire clock"
    without = "latencies are the client clock's, in which a busy generator's lag is: keep its CPU below 80 % of a core"
    if sys.platform != "linux":
        return Finding(check, "warning", f"{sys.platform} has no receive times of the kernel", without)
    try:
        stamped = _is_stamped()
    except OSError as error:
        return Finding(check, "warning", f"the kernel refuses: {error.strerror}", without)
    if not stamped:
        return Finding(check, "warning", "the kernel gives no receive times", without)
    return Finding(check, "ok", "the kernel reports when each answer arrived")


def _is_stamped() -> bool:
    """Send bytes over loopback until one has a receive time: the kernel begins to stamp a moment after it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        client.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        client.settimeout(1.0)
        server, _ = listener.accept()
        with server:
            for _ in range(_PROBES):
                server.sendall(b"x")
                _, ancillary, _, _ = client.recvmsg(1, socket.CMSG_SPACE(_TIMESTAMP.size))
                for level, kind, data in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) == _TIMESTAMP.size:
                        return bool(abs(_TIMESTAMP.unpack(data)[0] - time.time()) < _NEAR_S)
                time.sleep(0.005)
    return False
