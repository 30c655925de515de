"""Are two sweeps comparable at all? What they depend on besides the service, where it differs, and which runs count.

What differs and matters would be mistaken for a change of the service. What the comparison is about (the target) must
differ, and the rest is listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from perflab.analyse.comparison.side import NOT_COMPARED, Side, common_cells
from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.plan.options import Option
from perflab.plan.plan import OPTIONS
from perflab.vocabulary.level import Level, levels_in_words
from perflab.vocabulary.text import listing

Kind: TypeAlias = Literal["matters", "waived", "the change", "listed"]
CLOCK = "clock"
# More runs left out than this share of a side's runs at a level, and the rest is a selection.
MAX_LEFT_OUT = 0.2
_MAX_LENGTH = 160
_KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Difference:
    """One property in which baseline and candidate differ, with their values in words."""

    what: str
    baseline: str
    candidate: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Property:
    """Something a sweep depends on: its values by name, None if they were not recorded."""

    name: str
    kind: Kind
    values: Callable[[Sweep], Mapping[str, Any] | None]

    def difference(self, baseline: Sweep, candidate: Sweep) -> Difference | None:
        """Return in which values two sweeps differ; None if in none, or if one of them did not record it."""
        before, after = self.values(baseline), self.values(candidate)
        if before is None or after is None or before == after:
            return None
        differ = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
        return Difference(self.name, _text(before, differ), _text(after, differ), self.kind)


def _plan(option: Option) -> Callable[[Sweep], Mapping[str, Any]]:
    def values(sweep: Sweep) -> Mapping[str, Any]:
        value = getattr(sweep.manifest.plan, option.field)
        return {option.name: f"{value:g} s" if option.field.endswith("_s") else value}

    return values


def _environment(name: Literal["variables", "versions"]) -> Callable[[Sweep], Mapping[str, Any] | None]:
    return lambda sweep: sweep.manifest.environment.get(name)


def _machine(sweep: Sweep) -> Mapping[str, Any] | None:
    environment = sweep.manifest.environment
    if "processor" not in environment:
        return None
    values = {name: environment.get(name) for name in ("processor", "architecture", "cores")}
    # What the kernel keeps for itself differs a little from boot to boot.
    return {**values, "memory_gb": round(environment.get("memory_gb") or 0)}


def _system(sweep: Sweep) -> Mapping[str, Any] | None:
    system = sweep.manifest.environment.get("system")
    return None if system is None else {"system": system}


def _suite(name: str) -> Callable[[Sweep], Mapping[str, Any] | None]:
    def values(sweep: Sweep) -> Mapping[str, Any] | None:
        recorded = [run.suite.get(name) for run in sweep.run_manifests if run.suite]
        if not recorded or None in recorded:
            return None
        first = recorded[0]
        if any(value != first for value in recorded):
            return {name: "changed during the sweep"}
        return first if isinstance(first, dict) else {name: str(first)[:12]}

    return values


def _commit(sweep: Sweep) -> Mapping[str, Any] | None:
    commits = dict.fromkeys(run.git_commit for run in sweep.run_manifests)
    return {"commit": ", ".join(str(commit)[:12] for commit in commits)} if any(commits) else None


def _objectives(sweep: Sweep) -> Mapping[str, Any]:
    objectives = sweep.manifest.objectives
    groups = {f"group {group.name}": list(group.endpoints) for group in objectives.groups}
    limits = {f"{limit.group} {limit.metric}": limit for limit in objectives.limits}
    parameters = {f"{name} {own}": value for name, limit in limits.items() for own, value in limit.parameters.items()}
    return {**groups, **{name: limit.limit for name, limit in limits.items()}, **parameters}


def _managed(sweep: Sweep) -> Mapping[str, Any]:
    return {"target": "started by perflab" if sweep.manifest.target.managed else "running already"}


_PROPERTIES = (
    _Property("locustfile", "matters", _suite("locustfile")),
    _Property("mix", "matters", _suite("users")),
    *(
        _Property(option.flag.removeprefix("--"), option.differs, _plan(option))
        for option in OPTIONS.values()
        if option.differs is not None
    ),
    _Property("variables", "matters", _environment("variables")),
    _Property("machine", "matters", _machine),
    _Property("target", "matters", _managed),
    _Property("commit", "the change", _commit),
    _Property("objectives", "listed", _objectives),
    _Property("system", "listed", _system),
    _Property("versions", "listed", _environment("versions")),
)
_MATTERING = tuple(prop for prop in _PROPERTIES if prop.kind == "matters")
WAIVABLE = (*(prop.name for prop in _MATTERING), CLOCK)


def check_waived(waived: Iterable[str]) -> None:
    """Raise UsageError for a name that nothing has which may differ."""
    for name in waived:
        if name not in WAIVABLE:
            raise UsageError(f"nothing called {name!r} can be allowed to differ: known are {', '.join(WAIVABLE)}")


def differences(baseline: Side, candidate: Side, waived: Collection[str]) -> list[Difference]:
    """Return in what the sides differ, what matters first; `waived` names what may differ although it matters."""
    every = [prop.difference(baseline.sweep, candidate.sweep) for prop in _PROPERTIES]
    differing = [difference for difference in (*every, _clock(baseline, candidate)) if difference is not None]
    kinds = [
        replace(difference, kind="waived") if difference.kind == "matters" and difference.what in waived else difference
        for difference in differing
    ]
    return sorted(kinds, key=lambda difference: _KINDS.index(difference.kind))


def incomparable(baseline: Side, candidate: Side, differing: Iterable[Difference]) -> Iterator[str]:
    """Yield why the sides are not comparable at all, one line each; `differing` is in what they differ."""
    for difference in differing:
        if difference.kind == "matters":
            what, values = difference.what, f"{difference.baseline}, now {difference.candidate}"
            yield f"{what} differs: {values} (--allow-different {what} waives it)"
    levels = [sorted({*side.runs["level"]}) for side in (baseline, candidate)]
    if not {*levels[0]} & {*levels[1]}:
        had, has = (levels_in_words(of_side) or "none" for of_side in levels)
        yield f"they have no level in common: the baseline has {had}, the candidate {has}"
    for side in (baseline, candidate):
        for level, runs in side.runs[side.runs["why"] != NOT_COMPARED].groupby("level"):
            left_out = runs[~runs["used"]]
            # So many that the rest is a selection.
            if len(left_out) > MAX_LEFT_OUT * len(runs):
                run, why = left_out[["run", "why"]].iloc[0]
                yield f"{side.name} at {level}: {len(left_out)} of {len(runs)} runs can't be used ({run}: {why})"


def levels_gone(baseline: Side, candidate: Side) -> list[str]:
    """Return one line for each level that only the baseline has runs at."""
    return [f"{level}: only the baseline has runs" for level in _only(baseline, candidate)]


def left_out(baseline: Side, candidate: Side) -> Iterator[str]:
    """Yield which runs do not count, and which levels there is nothing to compare with, one line each."""
    yield from (f"{level}: only the candidate has runs" for level in _only(candidate, baseline))
    for side in (baseline, candidate):
        runs = side.runs[~side.runs["used"] & (side.runs["why"] != NOT_COMPARED)]
        yield from (f"{row.run} of the {side.name} is left out: {row.why}" for row in runs.itertuples())


def never_steady(baseline: Side, candidate: Side) -> Iterator[str]:
    """Yield one line for each side of which runs count that never became steady: their latency is of no one state."""
    for side in (baseline, candidate):
        used = side.runs["used"]
        unsteady = side.runs["run"].to_frame().assign(why=list(side.sweep.unsteady))[used]
        unsteady = unsteady[unsteady["why"] != ""]
        if len(unsteady):
            (run, why), share = unsteady.iloc[0], f"{len(unsteady)} of {used.sum()} runs of the {side.name}"
            yield f"{share} never became steady and count all the same, which widens the intervals ({run}: {why})"


def unrecorded(baseline: Sweep, candidate: Sweep) -> list[str]:
    """Return the names of what matters and is not known of one of the sweeps, so that it can't be compared."""
    return [prop.name for prop in _MATTERING if any(prop.values(sweep) is None for sweep in (baseline, candidate))]


def same_configuration(sweep: Sweep, sweeps: Iterable[Sweep]) -> list[Sweep]:
    """Return those of `sweeps`, without `sweep` itself, that differ from it in nothing that matters or is the change.

    What neither of two has recorded counts as the same.
    """

    def fingerprint(sweep: Sweep) -> list[Any]:
        return [prop.values(sweep) for prop in _PROPERTIES if prop.kind in ("matters", "the change")]

    own = fingerprint(sweep)
    return [other for other in sweeps if other.dir.path != sweep.dir.path and fingerprint(other) == own]


def _only(side: Side, other: Side) -> list[Level]:
    return sorted({*side.runs["level"]} - {*other.runs["level"]})


def _clock(baseline: Side, candidate: Side) -> Difference | None:
    # Where a side has no successful request there is no latency, so there is no clock to differ.
    cells = [cell for cell in common_cells(baseline, candidate) if cell in baseline.wire and cell in candidate.wire]
    differ = [cell for cell in cells if baseline.wire[cell] != candidate.wire[cell]]
    if not differ:
        return None
    where = listing([f"{group} at {level}" for level, group in differ])
    before, after = (
        ", ".join(dict.fromkeys("wire" if side.wire[cell] else "client" for cell in differ))
        for side in (baseline, candidate)
    )
    return Difference(CLOCK, f"{before} ({where})", after, "matters")


def _text(values: Mapping[str, Any], differ: Sequence[str]) -> str:
    """Return the values of these names in words, short enough for a table."""
    parts = [
        _plain(values[name]) if len(values) == 1 else f"{name}: {_plain(values[name])}"
        for name in differ
        if name in values
    ]
    text = ", ".join(parts) or "none"
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 2]} …"


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
