"""How often a comparison is right on real runs: the reference Platform API against itself, and against a slower one.

    python -m benchmarks.comparison_real record FOLDER [--only CASE]    hours; what is there already is not made again
    python -m benchmarks.comparison_real show FOLDER                    the tables of docs/statistics.md

Every case is recorded by what `perflab ab` and `perflab sweep` are made of. A slow-down is put in by the API itself, as
a factor on the time that it takes for a request of the group; what the network and its HTTP server take comes on top,
so on the wire it is less. Two copies of the same code with the same settings are A/A.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.analysis_speed import machine
from perflab.ab_plan import LOOKS, make_ab_plan
from perflab.analyse.comparison.sweeps import compare_sweeps
from perflab.analyse.summary import Floats
from perflab.analyse.sweep import Sweep
from perflab.drive.rounds import run_ab
from perflab.objectives import load_objectives
from perflab.settings import load_environment
from perflab.store.ab import AbDir
from perflab.store.layout import list_sweeps

ROOT = Path(__file__).resolve().parent.parent
API = "python -m load_tests.platform_api --port {port}"
QUANTILES = (0.5, 0.95)
RESAMPLES = 200
TOLERANCE = 0.10


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


CASES = (
    Case("A-A", comparisons=1, rounds=100),
    Case("plus-20", comparisons=10, rounds=5, slowdown="generation=1.20"),
    Case("plus-10", comparisons=10, rounds=10, slowdown="generation=1.10"),
    Case("separate-100", comparisons=1, rounds=20, design="separate", users=100),
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
        design="interleaved" if case.design == "separate" else case.design,
        users=case.users,
        duration=case.duration,
        rounds=case.rounds,
        label=case.name,
    )
    for number in range(len(list_abs(place)), case.comparisons):
        begun = time.monotonic()

        def go_on(_: AbDir, rounds: int) -> bool:
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
        took = (time.monotonic() - begun) / case.rounds
        print(f"{case.name} {number + 1}/{case.comparisons}: {case.rounds} rounds, {took:.1f} s each", flush=True)


def show(folder: Path) -> None:
    """Print what the recorded cases tell."""
    print(f"{machine()}\n")
    for case in CASES:
        abs_ = list_abs(folder / case.name)
        if not abs_:
            print(f"{case.name}: nothing recorded\n")
            continue
        title = f"{case.name}: {case.design}" + (f", --slowdown {case.slowdown}" if case.slowdown else "")
        print(title)
        if case.slowdown:
            show_found(abs_, case)
        elif case.name == "A-A":
            show_spread(abs_[0], case)
            show_false_alarms(abs_[0])
        else:
            show_spread(abs_[0], case)
        print(flush=True)


def show_spread(ab: AbDir, case: Case) -> None:
    """Print how much the figures of a run, and the ratios of a pair of runs, vary, beside their sampling error."""
    head = f"{'clock':<8}{'group':<12}{'requests':>9}{'pairs':>6}"
    print(head + "".join(f"{name:>11}" for q in QUANTILES for name in _spread_names(q)))
    for clock in ("wire", "client"):
        sides = [requests_by_run(ab, name, clock) for name in ("baseline", "candidate")]
        for group in sorted({group for _, group in sides[0]}):
            pairs = [
                (runs[0], runs[1])
                for number in sorted({number for number, _ in sides[0]})
                if (runs := [side.get((number, group), np.zeros(0)) for side in sides])
                and all(len(run) for run in runs)
            ]
            if case.design == "separate":
                # Runs one after the other, as if the two versions had been measured in two sweeps.
                firsts = [first for first, _ in pairs]
                pairs = list(zip(firsts[::2], firsts[1::2], strict=False))
            requests = float(np.mean([len(run) for pair in pairs for run in pair]))
            figures = [figure for q in QUANTILES for figure in spread(pairs, q)]
            line = f"{clock:<8}{group:<12}{requests:>9.0f}{len(pairs):>6}"
            print(
                line
                + "".join(
                    f"{figure:>11.2f}" if at % 4 == 3 else f"{figure:>11.1%}" for at, figure in enumerate(figures)
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


def requests_by_run(ab: AbDir, side: str, clock: str) -> dict[tuple[int, str], Floats]:
    """Return the latencies in ms of each round's and group's successful requests in the planned window, ascending."""
    sweep = Sweep.open(getattr(ab, side))
    windows = {run.repeat: run.window for run in sweep.run_manifests if run.status == "complete" and run.window}
    latency = sweep.latency
    chosen = latency[(latency["outcome"] == "ok") & (latency["measure"] == clock)]
    found: dict[tuple[int, str], Floats] = {}
    for (number, group), rows in chosen.groupby(["repeat", "group"], observed=True):
        if (window := windows.get(number)) is not None:
            of_window = rows[(rows["second"] >= window.start) & (rows["second"] < window.end)]
            found[int(number), str(group)] = np.sort(np.repeat(of_window["latency_ms"], of_window["count"]).to_numpy())
    return found


def show_false_alarms(ab: AbDir) -> None:
    """Print how often each way to compare finds a difference between two equal systems."""
    baseline, candidate = (requests_by_run(ab, side, "wire") for side in ("baseline", "candidate"))
    groups = sorted({group for _, group in baseline})
    numbers = sorted({number for number, _ in baseline} & {number for number, _ in candidate})
    fives = [numbers[at : at + 5] for at in range(0, len(numbers) - 4, 5)]
    ours = [compare_rounds(ab, five, (5,)) for five in fives]
    print(f"false alarms, {len(numbers)} rounds:")
    _print_rate("perflab, 5 rounds each (promised: 1 %)", [one == "FAIL" for one, _ in ours])
    counts = Counter(verdict for verdict, _ in ours)
    print("    verdicts: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    twenties = [numbers[at : at + 20] for at in range(0, len(numbers) - 19, 20)]
    verdicts = [compare_looks(ab, twenty, LOOKS)[0] for twenty in twenties]
    _print_rate("perflab, up to 20 rounds with looks (promised: 1 %)", [one == "FAIL" for one in verdicts])
    print(f"    verdicts: {', '.join(verdicts)}")
    for level in (0.05, 0.01):
        alarms = [[pooled_test(baseline, candidate, five, group) < level for group in groups] for five in fives]
        _print_rate(
            f"Mann-Whitney over the requests of 5 rounds, p < {level:g}, any group", [any(one) for one in alarms]
        )
        _print_rate("    each group by itself", [alarm for one in alarms for alarm in one])
    tolerated = [[ratio_of_p95(baseline, candidate, number, group) for group in groups] for number in numbers]
    _print_rate("p95 of one run against one run, 10 %, any group", [max(one) > 1 + TOLERANCE for one in tolerated])
    _print_rate("    each group by itself", [ratio > 1 + TOLERANCE for one in tolerated for ratio in one])


def _print_rate(what: str, alarms: list[bool]) -> None:
    print(f"  {what:<68}{sum(alarms):>4} of {len(alarms)}")


def pooled_test(
    baseline: dict[tuple[int, str], Floats], candidate: dict[tuple[int, str], Floats], numbers: list[int], group: str
) -> float:
    """Return the two-sided p-value of a Mann-Whitney test over the requests of some rounds."""
    pooled = [np.concatenate([side[number, group] for number in numbers]) for side in (baseline, candidate)]
    return float(stats.mannwhitneyu(*pooled).pvalue)


def ratio_of_p95(
    baseline: dict[tuple[int, str], Floats], candidate: dict[tuple[int, str], Floats], number: int, group: str
) -> float:
    """Return the candidate's p95 to the baseline's in one round."""
    return percentile(candidate[number, group], 0.95) / percentile(baseline[number, group], 0.95)


def compare_rounds(ab: AbDir, numbers: list[int], looks: tuple[int, ...]) -> tuple[str, list[str]]:
    """Return the verdict on some rounds, and which groups it calls slower."""
    sides = [Sweep.open(sweep) for sweep in (ab.baseline, ab.candidate)]
    found = compare_sweeps(sides[0], sides[1], design="duet", rounds=numbers, looks=looks, look=len(numbers))
    return found.verdict, list(found.slower)


def compare_looks(ab: AbDir, numbers: list[int], looks: tuple[int, ...]) -> tuple[str, list[str], int]:
    """Return the verdict as `perflab ab` reaches it, the groups it calls slower, and at how many rounds."""
    for look in looks:
        verdict, slower = compare_rounds(ab, numbers[:look], looks)
        if verdict != "INCONCLUSIVE" or look == len(numbers):
            return verdict, slower, look
    return verdict, slower, look


def show_found(abs_: list[AbDir], case: Case) -> None:
    """Print in how many comparisons the slow-down was found, and in which group."""
    group = case.slowdown.partition("=")[0]
    looks = tuple(look for look in LOOKS if look <= case.rounds)
    found = [compare_looks(ab, list(range(1, case.rounds + 1)), looks) for ab in abs_]
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


def list_abs(folder: Path) -> list[AbDir]:
    """Return the finished comparisons of a case."""
    found = [AbDir(sweep.path) for sweep in list_sweeps(folder)] if folder.is_dir() else []
    return [ab for ab in found if ab.manifest.is_file()]


def main() -> None:
    """Record, or show what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("record", "show"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="the case of this name")
    options = parser.parse_args()
    if options.what == "show":
        show(options.folder)
        return
    for case in CASES:
        if options.only in ("", case.name):
            record(case, options.folder)


if __name__ == "__main__":
    main()
