"""``ab``: loads two targets, round by round, until it is known whether the candidate is slower."""

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
from perflab.vocabulary.level import levels_in_words
from perflab.vocabulary.redact import HIDDEN
from perflab.vocabulary.text import say
from perflab.vocabulary.verdict import Verdict
from perflab.workbench import saving
from perflab.workbench.comparing import compare_ab, compare_rounds
from perflab.workbench.listing import runs_folder
from perflab.workbench.sweeps import warn_of_environment

# Something temporary may make a round unusable. Beyond this number, and beyond the share of runs that a comparison may
# leave out, it isn't temporary, and the comparison stops.
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
    """Load two targets, round by round, until it is known whether the candidate is slower than the baseline.

    `baseline` and `candidate` are each a URL, or a command that perflab starts (``{port}`` in it becomes a free port);
    with `launch`, the command, they are git refs. A *duet* loads both at the same time, with half of the users each;
    *interleaved* loads one after the other, in random order. The two are compared after 5, 10, 15 and 20 rounds, and
    the first verdict ends the comparison; `rounds` fixes the number of rounds instead. `resume` is the id of an earlier
    comparison to continue. `objectives`, `runs_dir`, `allow_hosts`, `progress`, `save` and `report` are as in `sweep`.
    Raises UsageError, TargetError and LocustfileError before anything is written.

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
                f"--resume {resume} continues with the same two targets: don't name any", "--resume", resume
            )
        resumed = find_ab(folder, str(resume))
        plan = check_again(_read_resumable_plan(resumed), environment=environment, root=root)
    elif baseline is None or candidate is None:
        raise UsageError("name two targets: perflab ab BASELINE CANDIDATE, each a URL, a command, or a git ref")
    else:
        plan = make_ab_plan(str(baseline), str(candidate), environment=environment, root=root, **options)
    limits = choose_objectives(objectives, plan.plan.locustfile, environment)
    if progress != "none":
        warn_of_environment(environment, plan.plan, limits)
    judge = _Judge(plan, verbose=progress != "none")
    with show_progress(progress) as show:
        ab_dir = run_ab(
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
    comparison = compare_ab(ab_dir)
    if save:
        saving.save(comparison, report=report)
    return comparison


class _Judge:
    """Decides after each round whether another one is needed."""

    def __init__(self, plan: AbPlan, *, verbose: bool) -> None:
        self._plan = plan
        self._verbose = verbose
        self._why_unusable: dict[int, str] = {}
        """Why each round is unusable; "" for usable ones."""

    def begun(self, ab_dir: AbDir) -> None:
        """Print the comparison's id, by which it can be resumed, and what is going to be run."""
        plan = self._plan
        split = ", half for each side" if plan.design == "duet" else ""
        looks = " or ".join(map(str, plan.looks))
        load = f"{plan.design} at {levels_in_words(plan.plan.levels)}{split}, {plan.plan.duration_s:g} s per round"
        self._say(f"comparison {ab_dir.id}: {load}, {looks} rounds")

    def go_on(self, ab_dir: AbDir, number: int) -> bool:
        """Return whether another round is needed after `number` of them; compares the two if a look is due."""
        for round_number in range(1, number + 1):
            if round_number not in self._why_unusable:
                why = self._why_unusable[round_number] = _why_unusable(ab_dir, round_number, self._plan)
                if why:
                    self._say(f"round {round_number} can't be used: {why}")
        usable = [round_number for round_number, why in self._why_unusable.items() if not why]
        unusable = number - len(usable)
        if unusable > MAX_INVALID and unusable > MAX_LEFT_OUT * number:
            self._update_manifest(ab_dir, status="failed")
            return False
        if len(usable) not in self._plan.looks:
            return True
        return not self._compare_at_look(ab_dir, usable)

    def _compare_at_look(self, ab_dir: AbDir, rounds: Sequence[int]) -> bool:
        """Compare these rounds; return whether the comparison is finished."""
        comparison = compare_rounds(ab_dir, self._plan, rounds)
        last = len(rounds) >= self._plan.looks[-1]
        done = comparison.verdict != Verdict.INCONCLUSIVE or last
        status = "complete" if done else "interrupted"
        self._update_manifest(ab_dir, status=status, rounds=tuple(rounds), verdict=comparison.verdict)
        self._say(f"look at {len(rounds)} rounds: {comparison.headline}")
        return done

    def _update_manifest(self, ab_dir: AbDir, **fields: object) -> None:
        manifest = read_manifest(ab_dir.manifest, AbManifest)
        write_manifest(ab_dir.manifest, manifest.model_copy(update=fields))

    def _say(self, line: str) -> None:
        if self._verbose:
            say(line)


def _read_resumable_plan(ab_dir: AbDir) -> AbPlan:
    manifest = read_manifest(ab_dir.manifest, AbManifest)
    if manifest.status == "complete":
        raise UsageError(
            f"{ab_dir.id} is complete: see it with perflab compare {ab_dir.id}, or start a new one",
            "--resume",
            ab_dir.id,
        )
    commands = {f"{name}'s command": target.launch for name, target in zip(SIDES, manifest.ab.targets, strict=True)}
    for what, text in [*commands.items(), ("options for Locust", manifest.ab.plan.locust_options)]:
        if text and HIDDEN in text:
            raise UsageError(
                f"{ab_dir.id} can't be resumed: a secret was taken out of its {what}; "
                f"pass secrets in environment variables, and start a new one",
                "--resume",
                ab_dir.id,
            )
    return manifest.ab


def _why_unusable(ab_dir: AbDir, number: int, plan: AbPlan) -> str:
    """Return why a round is unusable; "" if it isn't."""
    for side in ab_dir.sides:
        runs = Sweep.open(side, repeats=(number,)).runs
        if len(runs) < len(plan.plan.levels):
            return "it was cut short"
        if (runs["validity"] != "valid").any():
            return str(runs.loc[runs["validity"] != "valid", "reasons"].iloc[0])
    return ""
