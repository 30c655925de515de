"""A figure's change in words, as every rendering of a comparison's document has them."""

from __future__ import annotations

import math

from perflab.results.comparison.document import ComparisonDocument, FailureRates, Latency, Ratio, Throughput
from perflab.vocabulary.number import share, signed, significant
from perflab.vocabulary.verdict import Finding

NOTHING = "\N{EN DASH}"
DESIGNS = {
    "separate": "runs apart from each other",
    "interleaved": "both in the same rounds, one after the other in random order",
    "duet": "both in the same rounds, at the same moment",
}
IMPORTANCE = {
    "matters": "matters: it would be taken for a change",
    "waived": "would matter, but is allowed to differ",
    "the change": "what the comparison is about",
    "listed": "not expected to matter",
}


def result(effect: Ratio | FailureRates) -> str:
    """Return what is known without its figures, or why nothing is."""
    return effect.sentence if effect.verdict is Finding.NOT_ASSESSABLE else effect.words


def sides(effect: Ratio | FailureRates) -> tuple[str, str]:
    """Return what a figure was and is; nothing of one over several levels."""
    if isinstance(effect, FailureRates):
        return share(effect.baseline.rate), share(effect.candidate.rate)
    if isinstance(effect, Latency | Throughput):
        before, after = (
            NOTHING if value is None else f"{significant(value)} {effect.UNIT}"
            for value in (effect.baseline, effect.candidate)
        )
        return before, after
    return "", ""


def change(effect: Ratio | FailureRates) -> str:
    """Return a change in per cent, such as +4.1 %, or of rates in percentage points."""
    if effect.verdict is Finding.NOT_ASSESSABLE:
        return ""
    if isinstance(effect, FailureRates):
        before, after = effect.baseline.rate, effect.candidate.rate
        return NOTHING if before is None or after is None else f"{_signed(100 * (after - before), 2)} pp"
    return ratio(effect.ratio)


def ratio(value: float | None) -> str:
    """Return a ratio as a change in per cent, such as +4.1 %; a dash for none."""
    return f"{_signed(100 * (value - 1), 1)} %" if value and math.isfinite(value) else NOTHING


def bounds(effect: Ratio | FailureRates) -> str:
    """Return the bounds of a change."""
    if effect.verdict is Finding.NOT_ASSESSABLE:
        return ""
    nothing, digits, unit = (0, 2, "pp") if isinstance(effect, FailureRates) else (1, 1, "%")
    low, high = (
        "" if value is None or not math.isfinite(value) else _signed(100 * (value - nothing), digits)
        for value in (effect.low, effect.high)
    )
    if low and high:
        return f"{low} to {high} {unit}"
    return f"at least {low} {unit}" if low else f"at most {high} {unit}" if high else "no bounds"


def percentage(fraction: float) -> str:
    """Return a fraction that somebody has set, such as 5 %."""
    return f"{100 * fraction:g} %"


def promise(document: ComparisonDocument) -> str:
    """Return the error rate that a comparison keeps to."""
    alpha = percentage(document.procedure.alpha)
    return f"two equal systems are called a regression in at most {alpha} of comparisons"


def _signed(value: float, digits: int) -> str:
    return signed(value, digits).replace("-", "\N{MINUS SIGN}")
