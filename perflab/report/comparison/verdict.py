"""The verdict on a change first: a banner with its reasons, and what was compared with what."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.analyse.sweep import Sweep
from perflab.report.comparison import phrases
from perflab.report.html import Html, join
from perflab.store.layout import SIDES

_MOST_REASONS = 6


def comparison_verdict(comparison: SweepComparison) -> Html:
    """The verdict with its reasons, what has improved, both sides, and the error rate that is kept to."""
    verdict, word = comparison.verdict, comparison.change.words
    # The headline names the gravest one already.
    reasons = [reason for reason in comparison.reasons if reason not in comparison.headline]
    hidden = len(reasons) - _MOST_REASONS
    lines = [*reasons[:_MOST_REASONS], *([f"and {hidden} more, see the table"] if hidden > 0 else [])]
    facts = dict(_facts(comparison))
    body = Markup(
        '<section class="banner {0}" aria-label="Verdict"><p class="word">{1} {2}</p>'
        '<div><p class="sentence">{3}</p>{4}<dl class="facts">{5}</dl></div></section>'
    ).format(
        verdict,
        verdict.symbol,
        word,
        comparison.headline,
        Markup("<ul>{}</ul>").format(join(Markup("<li>{}</li>").format(line) for line in lines)) if lines else "",
        join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, fact) for name, fact in facts.items()),
    )
    text = [f"{word}: {comparison.headline}", *lines, *(f"{name}: {fact}" for name, fact in facts.items())]
    return Html(body, "\n".join(text))


def _facts(comparison: SweepComparison) -> Iterator[tuple[str, str]]:
    changes = dict(zip(comparison.latency_by_group["group"], comparison.latency_by_group["ratio"], strict=True))
    for title, groups in (("slower", comparison.slower), ("improved", comparison.improved)):
        if groups:
            told = [f"{group} {phrases.change(changes[group])}" if group in changes else group for group in groups]
            yield title, ", ".join(told)
    yield "baseline", _side(comparison.baseline)
    yield "candidate", _side(comparison.candidate)
    yield "design", f"{_runs(comparison)}; {phrases.DESIGNS[comparison.design]}"
    yield "error rate", phrases.promise(comparison.alpha)


def _side(sweep: Sweep) -> str:
    first = next(iter(sweep.run_manifests), None)
    commit = first.git_commit if first else None
    parts = [sweep.id, sweep.manifest.plan.launch or sweep.manifest.target.host]
    return " · ".join([*parts, *([f"commit {_short(commit)}"] if commit else [])])


def _short(commit: str) -> str:
    digest, plus, changes = commit.partition("+")
    return f"{digest[:10]}{plus}{changes}"


def _runs(comparison: SweepComparison) -> str:
    """Return how many runs count at each user count."""
    used = comparison.latency_by_run[comparison.latency_by_run["used"]]
    repeats = used.groupby(["side", "users"])["repeat"].nunique()
    if comparison.design != "separate":
        return f"{_range(repeats.tolist())} rounds"
    sides = [_range(repeats[repeats.index.get_level_values("side") == side].tolist()) for side in SIDES]
    runs = "run" if sides[0] == "1" else "runs"
    return f"{sides[0]} {runs} of the baseline and {sides[1]} of the candidate at each user count"


def _range(counts: list[int]) -> str:
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low}" if low == high else f"{low} to {high}"
