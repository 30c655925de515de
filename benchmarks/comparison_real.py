"""How often a comparison is right on real runs: the reference Platform API against itself, and against a slower one.

    python -m benchmarks.comparison_real record FOLDER [--only CASE]    hours; what is there already is not made again
    python -m benchmarks.comparison_real show FOLDER [--only CASE]      the tables of docs/explanation/statistics.md

Every case is recorded by what `perflab ab` and `perflab sweep` are made of. A slow-down is put in by the API itself, as
a factor on the time that it takes for a request of the group; what the network and its HTTP server take comes on top,
so on the wire it is less. Two copies of the same code with the same settings are A/A.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy import stats

from benchmarks.figures import machine
from perflab.analyse.comparison.sweeps import compare_sweeps
from perflab.analyse.summary import Floats
from perflab.analyse.sweep import Sweep
from perflab.drive.rounds import run_ab
from perflab.plan.ab import LOOKS, make_ab_plan
from perflab.plan.objectives import load_objectives
from perflab.plan.settings import load_environment
from perflab.store.layout import AbDir, list_abs

ROOT = Path(__file__).resolve().parent.parent
API = "python -m load_tests.platform_api --port {port}"
QUANTILES = (0.5, 0.95)
RESAMPLES = 200
TOLERANCE = 0.10

# Latencies in ms, ascending, by round and group.
Requests: TypeAlias = dict[tuple[int, str], Floats]


@dataclass(frozen=True, slots=True)
class Case:
    """Comparisons to record: their design, load, and how the candidate is made slower."""

    name: str
    comparisons: int
    rounds: int
    design: str = "duet"
    users: int | None = None
    duration: str | None = None
    slowdown: str = ""
    looks: tuple[int, ...] = LOOKS
    """Where a slow-down is looked for: up to 20 rounds with looks, or `--rounds` of a fixed number."""


CASES = (
    Case("A-A", comparisons=1, rounds=100),
    Case("plus-20", comparisons=10, rounds=5, slowdown="generation=1.20", looks=(5,)),
    Case("plus-10", comparisons=10, rounds=10, slowdown="generation=1.10"),
    Case("interleaved-100", comparisons=1, rounds=10, design="interleaved", users=100),
    Case("duet-100", comparisons=1, rounds=10, users=100),
    Case("plus-5", comparisons=10, rounds=20, slowdown="generation=1.05"),
)


def record(case: Case, folder: Path) -> None:
    """Make what is missing of a case."""
    environment = load_environment(ROOT)
    objectives = load_objectives(ROOT / "load_tests/objectives.toml", environment)
    place = folder / case.name
    plan = make_ab_plan(
        API,
        f"{API} --slowdown {case.slowdown}" if case.slowdown else API,
        environment=environment,
        root=ROOT,
        design=case.design,
        users=case.users,
        duration=case.duration,
        rounds=case.rounds,
        label=case.name,
    )
    for number in range(len(list_abs(place)), case.comparisons):
        begun = time.monotonic()

        def go_on(ab: AbDir, rounds: int) -> bool:
            if case.slowdown and rounds in case.looks and rounds < case.rounds:
                # As perflab ab does: once it is found, there is nothing more to look for.
                return compare_rounds(ab, list(range(1, rounds + 1)), case.looks)[0] == "INCONCLUSIVE"
            return rounds < case.rounds

        run_ab(
            plan,
            objectives,
            runs_dir=place,
            resumed=None,
            environment=environment,
            root=ROOT,
            listen=lambda _: None,
            begun=lambda _: None,
            go_on=go_on,
        )
        print(f"{case.name} {number + 1}/{case.comparisons}: {time.monotonic() - begun:.0f} s", flush=True)


def show(cases: Iterable[Case], folder: Path) -> None:
    """Print what the recorded cases tell."""
    print(f"{machine()}\n")
    for case in cases:
        abs_ = list_abs(folder / case.name)
        if not abs_:
            print(f"{case.name}: nothing recorded\n")
            continue
        title = f"{case.name}: {case.design}" + (f", --slowdown {case.slowdown}" if case.slowdown else "")
        print(title)
        if case.slowdown:
            show_found(abs_, case)
            show_spread(abs_, without=case.slowdown.partition("=")[0])
        elif case.name == "A-A":
            show_spread(abs_)
            show_false_alarms(abs_[0])
        else:
            show_spread(abs_)
            print("the same runs, paired with others than those of their round:")
            show_spread(abs_, apart=True)
        print(flush=True)


def show_spread(abs_: list[AbDir], *, apart: bool = False, without: str = "") -> None:
    """Print how much the figures of a run, and the ratios of a pair of runs, vary, beside their sampling error.

    The pairs are those of a round, or runs that are `apart`. The group that was made slower is left out.
    """
    head = f"{'clock':<8}{'group':<12}{'requests':>9}{'pairs':>6}"
    print(head + "".join(f"{name:>14}" for q in QUANTILES for name in _spread_names(q)))
    for clock in ("wire", "client"):
        sides = [(requests_by_run(ab, "baseline", clock), requests_by_run(ab, "candidate", clock)) for ab in abs_]
        for group in sorted({group for _, group in sides[0][0]} - {without}):
            pairs = [(before[key], after[key]) for before, after in sides for key in before if key[1] == group]
            if apart:
                # A run of the baseline against one of the candidate at another time, as in two sweeps.
                half = len(pairs) // 2
                pairs = [(pairs[at][0], pairs[(at + half) % len(pairs)][1]) for at in range(len(pairs))]
            requests = float(np.mean([len(run) for pair in pairs for run in pair]))
            figures = [figure for q in QUANTILES for figure in spread(pairs, q)]
            line = f"{clock:<8}{group:<12}{requests:>9.0f}{len(pairs):>6}"
            print(
                line
                + "".join(
                    f"{figure:>14.2f}" if at % 4 == 3 else f"{figure:>14.1%}" for at, figure in enumerate(figures)
                )
            )


def _spread_names(q: float) -> list[str]:
    return [f"p{100 * q:g} {what}" for what in ("runs", "ratios", "sampling", "times")]


def spread(pairs: list[tuple[Floats, Floats]], q: float) -> list[float]:
    """Return the CV of a run's percentile, that of the ratio of a pair, what sampling alone would give the ratio, and
    how many times that it is.

    The sampling error is a bootstrap's: each run's requests drawn anew, as if they were independent of each other.
    """
    rng = np.random.default_rng(1)
    logs = np.log([[percentile(run, q) for run in pair] for pair in pairs])
    errors = [sum(sampling_variance(run, q, rng) for run in pair) for pair in pairs]
    ratios, sampling = float(np.std(logs[:, 1] - logs[:, 0], ddof=1)), float(np.sqrt(np.mean(errors)))
    return [float(np.std(logs.ravel(), ddof=1)), ratios, sampling, ratios / sampling]


def percentile(sorted_ms: Floats, q: float) -> float:
    """Return the smallest value that at least the share `q` does not exceed."""
    return float(sorted_ms[max(0, int(np.ceil(round(q * len(sorted_ms), 6))) - 1)])


def sampling_variance(sorted_ms: Floats, q: float, rng: np.random.Generator) -> float:
    """Return the variance of the logarithm of a percentile of so many independent requests."""
    drawn = np.sort(rng.choice(sorted_ms, (RESAMPLES, len(sorted_ms))), axis=1)
    rank = max(0, int(np.ceil(round(q * len(sorted_ms), 6))) - 1)
    return float(np.log(drawn[:, rank]).var())


def requests_by_run(ab: AbDir, side: str, clock: str) -> Requests:
    """Return the latencies in ms of each round's and group's successful requests in the planned window, ascending."""
    sweep = Sweep.open(getattr(ab, side))
    windows = {run.repeat: run.window for run in sweep.run_manifests if run.status == "complete" and run.window}
    latency = sweep.latency
    chosen = latency[(latency["outcome"] == "ok") & (latency["measure"] == clock)]
    found: Requests = {}
    for (number, group), rows in chosen.groupby(["repeat", "group"], observed=True):
        if (window := windows.get(int(str(number)))) is not None:
            of_window = rows[(rows["second"] >= window.start) & (rows["second"] < window.end)]
            latencies = np.repeat(of_window["latency_ms"].to_numpy(), of_window["count"].to_numpy())
            found[int(str(number)), str(group)] = np.sort(latencies)
    return found


def show_false_alarms(ab: AbDir) -> None:
    """Print how often each way to compare finds a difference between two equal systems.

    "One after the other" holds five rounds of the baseline against the five rounds of the candidate that came next, as
    two sweeps would be compared: what a round does to both sides then does not cancel.
    """
    sides = [requests_by_run(ab, side, "wire") for side in ("baseline", "candidate")]
    groups = sorted({group for _, group in sides[0]})
    numbers = sorted({number for number, _ in sides[0]} & {number for number, _ in sides[1]})
    fives = [numbers[at : at + 5] for at in range(0, len(numbers) - 4, 5)]
    later = list(pairwise(fives))
    print(f"false alarms, {len(numbers)} rounds:")
    _print_verdicts("perflab, 5 rounds, side by side", [compare_rounds(ab, five, (5,))[0] for five in fives])
    _print_verdicts("perflab, 5 runs a side, one after the other", [compare_apart(ab, *pair) for pair in later])
    twenties = [numbers[at : at + 20] for at in range(0, len(numbers) - 19, 20)]
    _print_verdicts("perflab, looks at 5 to 20 rounds", [compare_looks(ab, twenty, LOOKS)[0] for twenty in twenties])
    for how, pairs in (("side by side", [(five, five) for five in fives]), ("one after the other", later)):
        for level in (0.05, 0.01):
            alarms = [[pooled_test(sides, pair, group) < level for group in groups] for pair in pairs]
            _print_rates(f"Mann-Whitney over all requests of 5 runs, p < {level:g}, {how}", alarms)
    for how, shift in (("side by side", 0), ("one after the other", 1)):
        shifted = list(zip(numbers, numbers[shift:], strict=False))
        alarms = [[ratio_of_p95(sides, pair, group) > 1 + TOLERANCE for group in groups] for pair in shifted]
        _print_rates(f"p95 of one run against one run, 10 % allowed, {how}", alarms)


def _print_verdicts(what: str, verdicts: list[str]) -> None:
    counts = Counter(verdicts)
    rest = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if verdict != "FAIL")
    print(f"  {what:<78}{counts['FAIL']:>4} of {len(verdicts)} ({rest})")


def _print_rates(what: str, alarms: list[list[bool]]) -> None:
    """Print in how many comparisons some group gave an alarm, and how many of all groups did."""
    each = [alarm for comparison in alarms for alarm in comparison]
    print(f"  {what:<78}{sum(map(any, alarms)):>4} of {len(alarms)}; by group {sum(each)} of {len(each)}")


def pooled_test(sides: list[Requests], numbers: tuple[list[int], list[int]], group: str) -> float:
    """Return the two-sided p-value of a Mann-Whitney test over the requests of some rounds of each side."""
    pooled = [
        np.concatenate([side[one, group] for one in of_side]) for side, of_side in zip(sides, numbers, strict=True)
    ]
    return float(stats.mannwhitneyu(*pooled).pvalue)


def ratio_of_p95(sides: list[Requests], numbers: tuple[int, int], group: str) -> float:
    """Return the candidate's p95 in one round to the baseline's in one."""
    baseline, candidate = (percentile(side[number, group], 0.95) for side, number in zip(sides, numbers, strict=True))
    return candidate / baseline


def compare_apart(ab: AbDir, baseline: list[int], candidate: list[int]) -> str:
    """Return the verdict on some rounds of the baseline against others of the candidate."""
    return compare_sweeps(
        Sweep.open(ab.baseline, repeats=baseline), Sweep.open(ab.candidate, repeats=candidate)
    ).verdict


def compare_rounds(ab: AbDir, numbers: list[int], looks: tuple[int, ...]) -> tuple[str, list[str]]:
    """Return the verdict on some rounds, and which groups it calls slower."""
    sides = [Sweep.open(sweep) for sweep in (ab.baseline, ab.candidate)]
    found = compare_sweeps(sides[0], sides[1], design="duet", rounds=numbers, looks=looks, look=len(numbers))
    return found.verdict, list(found.slower)


def compare_looks(ab: AbDir, numbers: list[int], looks: tuple[int, ...]) -> tuple[str, list[str], int]:
    """Return the verdict as `perflab ab` reaches it, the groups it calls slower, and at how many rounds."""
    for look in looks:
        verdict, slower = compare_rounds(ab, numbers[:look], looks)
        if verdict != "INCONCLUSIVE" or look >= len(numbers):
            break
    return verdict, slower, min(look, len(numbers))


def show_found(abs_: list[AbDir], case: Case) -> None:
    """Print in how many comparisons the slow-down was found, and in which group."""
    group = case.slowdown.partition("=")[0]
    found = [
        compare_looks(ab, [run.repeat for run in Sweep.open(ab.baseline).run_manifests], case.looks) for ab in abs_
    ]
    ratios: dict[float, list[float]] = {q: [] for q in QUANTILES}
    requests: list[float] = []
    for ab in abs_:
        sides = [requests_by_run(ab, side, "wire") for side in ("baseline", "candidate")]
        pairs = [(side0, sides[1][key]) for key, side0 in sides[0].items() if key[1] == group and key in sides[1]]
        requests += [float(len(run)) for pair in pairs for run in pair]
        for q, of_q in ratios.items():
            of_q += [float(np.log(percentile(pair[1], q) / percentile(pair[0], q))) for pair in pairs]
    on_wire = ", ".join(f"p{100 * q:g} {np.expm1(np.mean(of_q)):+.1%}" for q, of_q in ratios.items())
    print(f"  on the wire, all rounds together: {on_wire}; {np.mean(requests):.0f} requests of {group} a run")
    named = sum(verdict == "FAIL" and group in slower for verdict, slower, _ in found)
    alone = sum(verdict == "FAIL" and slower == [group] for verdict, slower, _ in found)
    print(f"  REGRESSION naming {group}: {named} of {len(found)}, and nothing else: {alone}")
    print("  " + ", ".join(f"{verdict} at {look} ({' '.join(slower) or '-'})" for verdict, slower, look in found))


def main() -> None:
    """Record, or show what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("record", "show"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="the case of this name")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in ("", case.name)]
    if not cases:
        parser.error(f"--only {options.only}: the cases are {', '.join(case.name for case in CASES)}")
    if options.what == "show":
        show(cases, options.folder)
        return
    for case in cases:
        record(case, options.folder)


if __name__ == "__main__":
    main()
