"""Rounds of an A/B comparison on real parts: each request on the side that served it, each side by itself."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from perflab.analyse.sweep import Sweep
from perflab.drive.events import Event, Listener, Progress
from perflab.drive.rounds import run_ab
from perflab.errors import TargetError, UsageError
from perflab.plan.ab import AbPlan, make_ab_plan
from perflab.plan.objectives import Objectives
from perflab.plan.settings import load_environment
from perflab.store.layout import AbDir
from perflab.store.manifest import AbManifest, read_manifest
from tests.whole import losses

PARTS = Path(__file__).parents[1] / "parts"
SIDES = ("baseline", "candidate")


def plan_of(folder: Path, *, design: str = "duet", failing: float = 0.0, **options: object) -> AbPlan:
    command = [sys.executable, str(PARTS / "counting_target.py"), "{port}"]
    baseline, candidate = (shlex.join([*command, name, str(folder / "served")]) for name in SIDES)
    ab = make_ab_plan(
        baseline,
        f"{candidate} {failing}",
        environment=load_environment(folder),
        root=folder,
        locustfile=PARTS / "telling_locustfile.py",
        users=6,
        spawn_rate=20,
        duration=2,
        design=design,
        rounds=2,
        **options,  # type: ignore[arg-type]
    )
    return ab.model_copy(update={"plan": ab.plan.model_copy(update={"settle_s": 1.0})})


def ignore(event: Event) -> None:
    pass


def made(
    ab: AbPlan, folder: Path, *, resumed: AbDir | None = None, rounds: int = 2, listen: Listener = ignore
) -> AbDir:
    return run_ab(
        ab,
        Objectives(),
        runs_dir=folder / "runs",
        resumed=resumed,
        environment=load_environment(folder),
        root=folder,
        listen=listen,
        begun=lambda _: None,
        go_on=lambda _, number: number < rounds,
    )


def served(folder: Path) -> dict[str, list[dict[str, int]]]:
    """What each target's processes have served, by user."""
    found: dict[str, list[dict[str, int]]] = {name: [] for name in SIDES}
    for line in (folder / "served").read_text().splitlines():
        told = json.loads(line)
        found[told["name"]].append(told["served"])
    return found


@pytest.mark.parametrize("processes", [1, 2])
def test_a_duet_records_each_request_on_the_side_that_served_it(in_empty_folder: Path, processes: int) -> None:
    ab = plan_of(in_empty_folder, failing=0.3, processes=processes)
    place = made(ab, in_empty_folder)
    truth = served(in_empty_folder)
    for name in SIDES:
        sweep = Sweep.open(getattr(place, name))
        assert (len(sweep.runs), losses(sweep)) == (2, [])
        recorded = sweep.latency[sweep.latency["measure"] == "client"].groupby("repeat")["count"].sum()
        # Targets are started anew for each round, and each tells at its end.
        assert recorded.tolist() == [sum(of_round.values()) for of_round in truth[name]]
        assert all(total > 50 for total in recorded)
        # Nobody's class has the mark of its side.
        assert set(sweep.responses["user_class"]) == {"Fast", "Plain"}
        for of_round in truth[name]:
            users = Counter(user.partition(" ")[0] for user in of_round)
            assert users == {"Fast": 2, "Plain": 1}
    failed = {name: set(Sweep.open(getattr(place, name)).failures["status"]) for name in SIDES}
    assert failed == {"baseline": set(), "candidate": {"503"}}


def test_in_a_duet_both_sides_share_the_moment_and_the_users(in_empty_folder: Path) -> None:
    place = made(plan_of(in_empty_folder), in_empty_folder, rounds=1)
    baseline, candidate = (Sweep.open(getattr(place, name)).run_manifests[0] for name in SIDES)
    assert (baseline.start, baseline.window) == (candidate.start, candidate.window)
    assert baseline.suite == candidate.suite
    assert baseline.suite is not None
    assert baseline.suite["users"]["Fast"] == {"weight": 2, "fixed_count": 0, "tasks": {"ask": 1}}
    assert len(baseline.suite["locustfile"]) == 64


def test_requests_that_go_to_the_other_side_make_it_invalid(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRAYS", "1")
    place = made(plan_of(in_empty_folder), in_empty_folder, rounds=1)
    for name in SIDES:
        [reasons] = Sweep.open(getattr(place, name)).runs["reasons"]
        assert "went to the other side's host" in reasons
        assert "self.host" in reasons


def test_interleaved_loads_one_at_a_time_with_all_users(in_empty_folder: Path) -> None:
    place = made(plan_of(in_empty_folder, design="interleaved"), in_empty_folder)
    runs = {name: Sweep.open(getattr(place, name)).run_manifests for name in SIDES}
    spans = sorted((run.start, run.end) for of_side in runs.values() for run in of_side if run.start and run.end)
    assert len(spans) == 4
    # A run's start is a whole second, so up to one before it really began.
    assert all(end <= start + timedelta(seconds=1) for (_, end), (start, _) in itertools.pairwise(spans))
    for of_side in served(in_empty_folder).values():
        assert [len(of_round) for of_round in of_side] == [6, 6]


def test_a_round_that_was_cut_short_stays_and_the_next_has_its_own_number(in_empty_folder: Path) -> None:
    ab = plan_of(in_empty_folder)

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "steady":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ab(
            ab,
            Objectives(),
            runs_dir=in_empty_folder / "runs",
            resumed=None,
            environment=load_environment(in_empty_folder),
            root=in_empty_folder,
            listen=stop,
            begun=lambda _: None,
            go_on=lambda *_: True,
        )
    [folder] = (in_empty_folder / "runs").iterdir()
    place = AbDir(folder)
    [cut_short] = Sweep.open(place.baseline).run_manifests
    assert cut_short.evidence.requests_recorded > 0
    assert [run.status for run in Sweep.open(place.candidate).run_manifests] == ["interrupted"]
    assert read_manifest(place.manifest, AbManifest).status == "interrupted"

    def kill(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "steady":
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "candidate" in process.cmdline():
                        process.kill()

    # Targets that are started once stay lost.
    made(ab.model_copy(update={"restart": False}), in_empty_folder, resumed=place, rounds=3, listen=kill)
    assert [run.status for run in Sweep.open(place.candidate).run_manifests] == ["interrupted", "complete"]
    assert read_manifest(place.manifest, AbManifest).status == "failed"
    assert [run.name for run in place.baseline.runs()] == ["users-0006-r1", "users-0006-r2"]


def test_git_refs_are_started_from_their_own_files(in_empty_folder: Path) -> None:
    target = (PARTS / "counting_target.py").read_text()
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com"]

    def commit(text: str) -> str:
        (in_empty_folder / "server.py").write_text(text)
        subprocess.run(["git", "add", "server.py"], check=True)
        subprocess.run([*git, "commit", "-qm", "x"], check=True)
        return subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()

    subprocess.run(["git", "init", "-q"], check=True)
    commits = [commit(f"{target}\n# {name}\n".replace('"name": NAME', f'"name": "{name}"')) for name in SIDES]
    # What lies in the working tree and is not committed is nobody's version.
    (in_empty_folder / "server.py").write_text("raise SystemExit(3)")
    ab = make_ab_plan(
        commits[0],
        commits[1],
        launch=f"python server.py {{port}} x {shlex.quote(str(in_empty_folder / 'served'))}",
        environment=load_environment(in_empty_folder),
        root=in_empty_folder,
        locustfile=PARTS / "telling_locustfile.py",
        users=4,
        spawn_rate=20,
        duration=1,
        rounds=2,
    )
    ab = ab.model_copy(update={"plan": ab.plan.model_copy(update={"settle_s": 1.0})})
    place = made(ab, in_empty_folder, rounds=1)
    assert {name: len(rounds) for name, rounds in served(in_empty_folder).items()} == {"baseline": 1, "candidate": 1}
    for name, told in zip(SIDES, commits, strict=True):
        sweep = Sweep.open(getattr(place, name))
        assert sweep.run_manifests[0].git_commit == told
        assert sweep.manifest.environment["git_commit"] == told
    assert not subprocess.run(["git", "worktree", "prune", "-n"], check=True, capture_output=True).stdout


def test_what_cant_be_started_leaves_nothing_behind(in_empty_folder: Path) -> None:
    ab = plan_of(in_empty_folder)
    broken = ab.model_copy(update={"candidate": ab.candidate.model_copy(update={"launch": "false {port}"})})
    with pytest.raises(TargetError, match="ended with exit code 1"):
        made(broken, in_empty_folder)
    assert not (in_empty_folder / "runs").exists()
    refs = ab.model_copy(update={"candidate": ab.candidate.model_copy(update={"ref": "nowhere"})})
    with pytest.raises(UsageError, match="not a git repository"):
        made(refs, in_empty_folder)
    subprocess.run(["git", "init", "-q"], check=True)
    with pytest.raises(UsageError, match="git ref 'nowhere' is not known"):
        made(refs, in_empty_folder)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"design": "trio"}, "--design 'trio' is not known: it is duet or interleaved"),
        ({"rounds": 1}, "--rounds 1: it takes at least 2 rounds"),
        ({"users": 5}, "--users 5 can't be split evenly"),
        ({"users": "10,7"}, "--users 7 can't be split evenly"),
        ({"launch": "x {port}", "baseline": "http://localhost:1"}, "'http://localhost:1' is a URL, but with --launch"),
        ({"candidate": " "}, "a target is empty"),
        ({"candidate": "http://example.com"}, "'example.com' is not this machine"),
    ],
)
def test_what_cant_be_compared_is_refused(in_empty_folder: Path, options: dict[str, object], says: str) -> None:
    given = {"baseline": "a {port}", "candidate": "b {port}", **options}
    with pytest.raises((UsageError, TargetError)) as refused:
        make_ab_plan(
            environment={},
            root=in_empty_folder,
            locustfile=PARTS / "telling_locustfile.py",
            **given,  # type: ignore[arg-type]
        )
    assert says in str(refused.value)


def test_a_secret_in_a_command_reaches_no_file(in_empty_folder: Path) -> None:
    ab = plan_of(in_empty_folder)
    secret = {"launch": f"env DB_PASSWORD=hunter2 {ab.candidate.launch}"}
    made(ab.model_copy(update={"candidate": ab.candidate.model_copy(update=secret)}), in_empty_folder, rounds=1)
    for path in (in_empty_folder / "runs").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes(), path
    assert os.environ.get("DB_PASSWORD") is None
