"""Does every loss come to light, and does nothing stay behind? perflab's processes are killed at random moments.

    python -m benchmarks.kills [--kills 100] [--first 1] [--only SEED ...] [--keep FOLDER]

Each kill is drawn by its seed: a command, one of the processes that it starts, a signal (SIGKILL mostly), and a moment
in the life that this kind of process has in an undisturbed run. Then the command must come to its end with an exit code
that fits, and leave no process; every file under ``runs/`` must be whole and every sweep readable; of what the
target's own log has, ``latency.csv`` may lack the last two seconds, and nothing in a result that counts; a kill in the
midst of a run must be told of; and once the next command, or the API's next start, has cleared up, no hidden or
temporary file may be there. What doesn't hold is a violation, listed with its seed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.figures import machine
from benchmarks.kills.commands import USERS, VICTIMS, Running
from benchmarks.kills.traces import find_missing, find_torn, read_sweeps
from perflab.store.layout import SIDES

# How long a command may take in all, its processes after it, and how long a process stands still that is stopped.
MAX_S, AFTER_S, STOPPED_S = 120.0, 10.0, 3.0
# Until then perflab may still be importing what handles signals.
EARLY_S = 3.0
# Tables are written once a second.
MAX_LOST_S = 2.5
# Of a process's life in a run: by then the planned end has not come.
MIDST = 0.6
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSTOP)
WEIGHTS = (6, 1, 1, 1, 1)
PAIRS = tuple((command, victim) for command, victims in VICTIMS.items() for victim in victims)

Spans = dict[str, tuple[float, float]]
"""By kind of process: from when to when there are such, in seconds since the command's start."""


class Kill(NamedTuple):
    """What is done to whom; `moment` is the share of the victim's life that is over by then."""

    seed: int
    command: str
    victim: str
    sent: signal.Signals
    moment: float

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.command}, {self.sent.name} to {self.victim} at {self.moment:.0%}"


@dataclass(slots=True)
class Outcome:
    """What came of a kill, or of none: `code` is the command's, None if it hung; `lost_s` None without load."""

    code: int | None = None
    done: bool = False
    left: int = 0
    lost_s: float | None = None
    torn: int = 0
    told: bool = False
    leftovers: int = 0
    violations: list[str] = field(default_factory=list)


def draw(seed: int) -> Kill:
    """Return the kill of this seed; as many seeds one after the other as there are pairs meet each pair once."""
    dice = random.Random(seed)
    command, victim = PAIRS[seed % len(PAIRS)]
    return Kill(seed, command, victim, dice.choices(SIGNALS, WEIGHTS)[0], dice.random())


def undisturbed(command: str, folder: Path) -> Spans:
    """Run a command to its end and return the lives of its processes; one that fails by itself ends the campaign."""
    running, spans = Running(command, folder), Spans()
    while running.process.poll() is None:
        for process in running.family():
            now, kind = time.monotonic() - running.begun, running.kind(process)
            spans[kind] = (spans.get(kind, (now, now))[0], now)
        time.sleep(0.1)
    outcome = Outcome(code=running.process.returncode)
    examine(running, None, outcome)
    if outcome.violations or (unseen := set(VICTIMS[command]) - set(spans)):
        raise SystemExit(f"{command}, undisturbed: {outcome.violations or unseen}")
    return spans


class Struck(NamedTuple):
    """A kill that was carried out: when (epoch seconds), and whether perflab must have set up its handlers by then."""

    kill: Kill
    at: float
    handled: bool


def strike(running: Running, kill: Kill, span: tuple[float, float]) -> Struck | None:
    """Send the signal when it is due, or as soon as there is a victim then; None if the command ended first."""
    due = running.begun + span[0] + kill.moment * (span[1] - span[0])
    while running.process.poll() is None and time.monotonic() < running.begun + MAX_S:
        found = running.of_kind(kill.victim) if time.monotonic() >= due else []
        with contextlib.suppress(psutil.Error, OSError):
            for victim in random.Random(kill.seed).sample(found, min(1, len(found))):
                early = kill.victim == "perflab" and time.monotonic() < running.begun + EARLY_S
                struck = Struck(kill, time.time(), not early or _handles_signals(victim.pid))
                victim.send_signal(kill.sent)
                # Not guards: they wake each other up, and perflab wakes them.
                if kill.sent == signal.SIGSTOP and kill.victim != "guard":
                    time.sleep(STOPPED_S)
                    victim.resume()
                return struck
        time.sleep(0.02)
    return None


def _handles_signals(pid: int) -> bool:
    """Say whether perflab has set up its handlers; SIGTERM's is one of them, and Python has none of its own for it."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    [caught] = [line.split()[1] for line in lines if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def carry_out(kill: Kill, span: tuple[float, float], folder: Path) -> Outcome:
    """Run the command, kill, wait for the end, and look at what there is."""
    running, outcome = Running(kill.command, folder), Outcome()
    struck = strike(running, kill, span)
    outcome.done = struck is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        outcome.code = running.process.wait(MAX_S)
    examine(running, struck, outcome)
    return outcome


def expected_codes(struck: Struck | None) -> set[int]:
    """Return the exit codes that fit: also that of a verdict, where the kill may have come too late to matter."""
    verdict = {0, 4}
    if struck is None:
        return verdict
    _, command, victim, sent, _ = struck.kill
    if victim == "perflab" and sent != signal.SIGSTOP:
        ended = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}
        return {ended.get(sent, -sent)} if struck.handled else {-sent}
    if command == "calibrate" or (command, victim) == ("report", "kernel"):
        return {0, 2}
    if command in {"report", "compare"} or victim == "kernel":
        return verdict
    # 2 before there is load; a target that fails, or stands still, may miss its objective.
    failing = victim in {"postmaster", "backend"} or sent == signal.SIGSTOP
    return verdict | {2, 3} | ({1} if failing else set())


def in_the_midst(kill: Kill) -> bool:
    """Say whether a run can't have come to its end after a kill: what makes its load, or answers it, was ended."""
    of_load = kill.victim in {"preflight", "locust", "worker", "target", "guard"} and kill.sent != signal.SIGSTOP
    of_database = kill.victim == "postmaster" and kill.sent == signal.SIGKILL
    return (of_load or of_database) and kill.moment < MIDST


def examine(running: Running, struck: Struck | None, outcome: Outcome) -> None:
    """Look at what a command has left, and note it in `outcome`."""
    problems, said = outcome.violations, running.said()
    if outcome.code is None:
        problems.append(f"hang: no end within {MAX_S:.0f} s")
        running.process.kill()
    elif outcome.code not in (fitting := expected_codes(struck)):
        problems.append(f"exit code {outcome.code}, not {sorted(fitting)}: {said[-1:]}")
    if (struck is None or struck.handled) and any(line.startswith("Traceback") for line in said):
        problems.append(f"a traceback: {said[-3:]}")
    if outcome.code == 2 and not (said and said[-1].startswith("perflab: ")):
        problems.append(f"exit code 2 without a line that says why: {said[-1:]}")
    deadline = time.monotonic() + AFTER_S
    while (left := running.family()) and time.monotonic() < deadline:
        time.sleep(0.1)
    outcome.left = len(left)
    if left:
        problems.append(f"processes left: {[running.kind(process) or process.name() for process in left]}")
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    if wrong := running.next_command():
        problems.append(f"the next command: {wrong}")
    leftovers, torn = running.leftovers(), find_torn(running.runs_dir)
    outcome.leftovers, outcome.torn = len(leftovers), len(torn)
    problems += [f"left over: {path.relative_to(running.folder)}" for path in leftovers]
    problems += [f"torn: {line}" for line in torn]
    outcome.told, wrong_sweeps = read_sweeps(running.runs_dir)
    problems += wrong_sweeps
    # Without its database the target answers with failures, a burst of which may be INCONCLUSIVE.
    silent = {0} if struck and struck.kill.victim == "postmaster" else {0, 4}
    if struck and in_the_midst(struck.kill) and outcome.code in silent and not outcome.told:
        problems.append("the run was hit in its midst, and nothing says so")
    for name, pattern in {"served": "*", **{f"served-{side}": f"*/{side}" for side in SIDES}}.items():
        if (log := running.folder / f"{name}.csv").exists():
            tables = running.runs_dir.glob(f"{pattern}/users-*/latency.csv")
            missing = find_missing(log, tables, struck.at if struck else time.time())
            # What was under way at the kill is nobody's to record.
            lost_s = max(0.0, (missing.requests - USERS) / missing.rate)
            outcome.lost_s = max(lost_s, outcome.lost_s or 0.0)
            if lost_s > MAX_LOST_S:
                problems.append(f"{lost_s:.1f} s lost: {missing.requests} requests")
            if missing.requests > 0 and not outcome.told:
                problems.append(
                    f"{missing.requests} requests that the target answered are missing, and nothing says so"
                )


def print_table(kills: Mapping[Kill, Outcome]) -> None:
    """Print a row for each command and victim, and the sums."""
    rows = defaultdict(list)
    for kill, outcome in kills.items():
        for key in ((kill.command, kill.victim), ("all", "")):
            rows[key].append(outcome)
    print(f"\n{'command':27}{'victim':11} kills late left lost_s torn over told bad  exit codes")
    for (command, victim), found in sorted(rows.items(), key=lambda row: (row[0][0] == "all", row[0])):
        lost = max((outcome.lost_s for outcome in found if outcome.lost_s is not None), default=None)
        codes = Counter("hang" if outcome.code is None else str(outcome.code) for outcome in found)
        print(
            f"{command:27}{victim:11}{sum(outcome.done for outcome in found):6}"
            f"{sum(not outcome.done for outcome in found):5}{sum(outcome.left for outcome in found):5}"
            f"{'-' if lost is None else f'{lost:.1f}':>7}{sum(outcome.torn for outcome in found):5}"
            f"{sum(outcome.leftovers for outcome in found):5}{sum(outcome.told for outcome in found):5}"
            f"{sum(bool(outcome.violations) for outcome in found):4}  "
            + ", ".join(f"{code} ({count})" for code, count in sorted(codes.items()))
        )


def main() -> None:
    """Kill, and print each kill, the table and the violations; the exit code is 1 if there are any."""
    parser = argparse.ArgumentParser(
        "benchmarks.kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--first", type=int, default=1, help="the seed of the first kill")
    parser.add_argument("--only", type=int, nargs="+", metavar="SEED", help="these kills alone")
    parser.add_argument("--keep", type=Path, help="where the folders of violations are kept")
    arguments = parser.parse_args()
    seeds = arguments.only or range(arguments.first, arguments.first + arguments.kills)
    print(machine())
    done: dict[Kill, Outcome] = {}
    spans: dict[str, Spans] = {}
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        place = Path(name)
        place.chmod(0o755)
        for kill in map(draw, seeds):
            if kill.command not in spans:
                spans[kill.command] = undisturbed(kill.command, place / f"undisturbed-{len(spans)}")
            folder = place / str(kill.seed)
            done[kill] = outcome = carry_out(kill, spans[kill.command][kill.victim], folder)
            shown = "too late" if not outcome.done else f"exit code {outcome.code}"
            print(f"{kill}: {shown}", *outcome.violations, sep="\n    ", flush=True)
            if outcome.violations and arguments.keep:
                shutil.copytree(folder, arguments.keep / str(kill.seed), symlinks=True)
            shutil.rmtree(folder, ignore_errors=True)
    print_table(done)
    violated = {kill: outcome.violations for kill, outcome in done.items() if outcome.violations}
    for kill, problems in violated.items():
        print(f"\n{kill}", *problems, sep="\n    ")
    sys.exit(1 if violated else 0)


if __name__ == "__main__":
    main()
