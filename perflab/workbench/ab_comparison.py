"""``ab``: two targets loaded against each other until it is known whether the candidate is slower."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Unpack

from perflab.analyse.comparison.comparability import MAX_LEFT_OUT
from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.plan.ab import AB_OPTIONS, AbOptions, AbPlan, check_again, make_ab_plan
from perflab.plan.hosts import with_allowed
from perflab.plan.objectives import choose_objectives
from perflab.plan.options import named
from perflab.plan.parse import parse_names
from perflab.plan.settings import load_environment, project_root
from perflab.progress import Style, show_progress
from perflab.store.layout import SIDES, AbDir, find_ab
from perflab.store.manifest import AbManifest, read_manifest, write_manifest
from perflab.vocabulary.redact import HIDDEN
from perflab.vocabulary.text import say
from perflab.vocabulary.verdict import Verdict
from perflab.workbench import saving
from perflab.workbench.comparing import compare_ab, compare_rounds
from perflab.workbench.listing import runs_folder
from perflab.workbench.sweeps import warn_of_environment

# Rounds may be made invalid by something that passes. More than these, and more than a comparison may do without, say
# that it does not pass.
MAX_INVALID = 2


@named(AB_OPTIONS, AbOptions)
def ab(
    baseline: str | None = None,
    candidate: str | None = None,
    *,
    objectives: str | Path | None = None,
    resume: str | None = None,
    runs_dir: str | Path | None = None,
    allow_hosts: str | Iterable[str] = (),
    progress: Style = "auto",
    save: bool = True,
    report: bool = True,
    **options: Unpack[AbOptions],
) -> SweepComparison:
    """Load two targets against each other, round by round, until it is known whether the candidate is slower.

    `baseline` and `candidate` are each a URL, or a command that perflab starts (``{port}`` in it becomes a free port);
    with `launch`, the command, they are git refs. A *duet* loads both at the same moment, half of the users each;
    *interleaved* loads one after the other, in random order. They are compared at 5, 10, 15 and 20 rounds and no more
    rounds are made once there is a verdict; `rounds` fixes their number. `resume` is the id of an earlier comparison,
    to go on with. `objectives`, `runs_dir`, `allow_hosts`, `progress`, `save` and `report` are as in `sweep`. Raises
    UsageError, TargetError and LocustfileError before anything is written.

        perflab.ab("python -m service --port {port}", "python -m service --port {port} --new-cache")
        perflab.ab("main", "HEAD", launch="python -m service --port {port}", users=200)
    """
    from perflab.drive.rounds import run_ab

    root = project_root()
    environment = with_allowed(load_environment(root), parse_names(allow_hosts))
    folder = runs_folder(runs_dir)
    resumed = None
    if resume is not None:
        if baseline is not None or candidate is not None:
            raise UsageError(
                f"--resume {resume} goes on with its own two targets: leave the others out", "--resume", resume
            )
        resumed = find_ab(folder, str(resume))
        plan = check_again(_resumable(resumed), environment=environment, root=root)
    elif baseline is None or candidate is None:
        raise UsageError("name two targets: perflab ab BASELINE CANDIDATE, each a URL, a command, or a git ref")
    else:
        plan = make_ab_plan(str(baseline), str(candidate), environment=environment, root=root, **options)
    limits = choose_objectives(objectives, plan.plan.locustfile, environment)
    if progress != "none":
        warn_of_environment(environment, plan.plan, limits)
    judge = _Judge(plan, talk=progress != "none")
    with show_progress(progress) as show:
        place = run_ab(
            plan,
            limits,
            runs_dir=folder,
            resumed=resumed,
            environment=environment,
            root=root,
            listen=show,
            begun=judge.begun,
            go_on=judge.go_on,
        )
    comparison = compare_ab(place)
    if save:
        saving.save(comparison, report=report)
    return comparison


class _Judge:
    """Decides after each round whether another one is wanted."""

    def __init__(self, plan: AbPlan, *, talk: bool) -> None:
        self._plan = plan
        self._talk = talk
        self._problems: dict[int, str] = {}
        """Why each round can't be used; empty for those that can."""

    def begun(self, place: AbDir) -> None:
        """Say what the comparison is called, so that it can be resumed."""
        plan = self._plan
        levels = ", ".join(map(str, plan.plan.users))
        split = ", half for each side" if plan.design == "duet" else ""
        looks = " or ".join(map(str, plan.looks))
        load = f"{plan.design} at {levels} users{split}, {plan.plan.duration_s:g} s a round"
        self._say(f"comparison {place.id}: {load}, {looks} rounds")

    def go_on(self, place: AbDir, number: int) -> bool:
        """Say whether another round is wanted after `number` of them; at a look, compare."""
        for made in range(1, number + 1):
            if made not in self._problems:
                self._problems[made] = _problem(place, made, self._plan)
                if self._problems[made]:
                    self._say(f"round {made} can't be used: {self._problems[made]}")
        rounds = [made for made, problem in self._problems.items() if not problem]
        invalid = number - len(rounds)
        if invalid > MAX_INVALID and invalid > MAX_LEFT_OUT * number:
            self._write(place, status="failed")
            return False
        if len(rounds) not in self._plan.looks:
            return True
        return not self._look(place, rounds)

    def _look(self, place: AbDir, rounds: Sequence[int]) -> bool:
        """Compare these rounds; return whether that is the end."""
        comparison = compare_rounds(place, self._plan, rounds)
        last = len(rounds) >= self._plan.looks[-1]
        done = comparison.verdict != Verdict.INCONCLUSIVE or last
        status = "complete" if done else "interrupted"
        self._write(place, status=status, rounds=tuple(rounds), verdict=comparison.verdict)
        self._say(f"look at {len(rounds)} rounds: {comparison.headline}")
        return done

    def _write(self, place: AbDir, **fields: object) -> None:
        manifest = read_manifest(place.manifest, AbManifest)
        write_manifest(place.manifest, manifest.model_copy(update=fields))

    def _say(self, line: str) -> None:
        if self._talk:
            say(line)


def _resumable(place: AbDir) -> AbPlan:
    manifest = read_manifest(place.manifest, AbManifest)
    if manifest.status == "complete":
        raise UsageError(
            f"{place.id} is complete: see it with perflab compare {place.id}, or begin a new one", "--resume", place.id
        )
    texts = {f"{name}'s command": target.launch for name, target in zip(SIDES, manifest.ab.targets, strict=True)}
    for what, text in [*texts.items(), ("options for Locust", manifest.ab.plan.locust_options)]:
        if text and HIDDEN in text:
            raise UsageError(
                f"{place.id} can't be resumed: a secret was taken out of its {what}; "
                f"give secrets by environment variables, and begin a new one",
                "--resume",
                place.id,
            )
    return manifest.ab


def _problem(place: AbDir, number: int, plan: AbPlan) -> str:
    """Return why a round can't be used; empty if it can."""
    for side in place.sides:
        runs = Sweep.open(side, repeats=(number,)).runs
        if len(runs) < len(plan.plan.users):
            return "it was cut short"
        if (runs["validity"] != "valid").any():
            return str(runs.loc[runs["validity"] != "valid", "reasons"].iloc[0])
    return ""
