"""Are two sweeps comparable at all? What they depend on besides the service, and where it differs.

What differs and matters would be mistaken for a change of the service. What the comparison is about (the target) must
differ, and the rest is listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from perflab.analyse.comparison.side import Side, common_cells
from perflab.analyse.comparison.wording import names
from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.plan.options import Option
from perflab.plan.plan import OPTIONS

Kind: TypeAlias = Literal["matters", "waived", "listed", "the change"]
CLOCK = "clock"
_LONGEST = 160


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
    found = {name: environment.get(name) for name in ("processor", "architecture", "cores")}
    # What the kernel keeps for itself differs a little from boot to boot.
    return {**found, "memory_gb": round(environment.get("memory_gb") or 0)}


def _system(sweep: Sweep) -> Mapping[str, Any] | None:
    system = sweep.manifest.environment.get("system")
    return None if system is None else {"system": system}


def _suite(name: str) -> Callable[[Sweep], Mapping[str, Any] | None]:
    def values(sweep: Sweep) -> Mapping[str, Any] | None:
        found = [run.suite.get(name) for run in sweep.run_manifests if run.suite]
        if not found or None in found:
            return None
        first = found[0]
        if any(one != first for one in found):
            return {name: "changed during the sweep"}
        return first if isinstance(first, dict) else {name: str(first)[:12]}

    return values


def _commit(sweep: Sweep) -> Mapping[str, Any] | None:
    commits = dict.fromkeys(run.git_commit for run in sweep.run_manifests)
    return {"commit": ", ".join(str(commit)[:12] for commit in commits)} if any(commits) else None


def _objectives(sweep: Sweep) -> Mapping[str, Any]:
    objectives = sweep.manifest.objectives
    groups = {f"group {group.name}": list(group.endpoints) for group in objectives.groups}
    return {**groups, **{f"{limit.group} {limit.metric}": limit.limit for limit in objectives.limits}}


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
WAIVABLE = (*(one.name for one in _PROPERTIES if one.kind == "matters"), CLOCK)


def check_waived(waived: Iterable[str]) -> None:
    """Raise UsageError for a name that nothing has which may differ."""
    for name in waived:
        if name not in WAIVABLE:
            raise UsageError(f"nothing called {name!r} can be allowed to differ: known are {', '.join(WAIVABLE)}")


def differences(baseline: Side, candidate: Side, waived: Collection[str]) -> list[Difference]:
    """Return in what the sides differ, what matters first; `waived` names what may differ although it matters."""
    found = [one.difference(baseline.sweep, candidate.sweep) for one in _PROPERTIES]
    found.append(_clock(baseline, candidate))
    known = [
        Difference(one.what, one.baseline, one.candidate, "waived")
        if one.kind == "matters" and one.what in waived
        else one
        for one in found
        if one is not None
    ]
    order = ("matters", "waived", "the change", "listed")
    return sorted(known, key=lambda one: order.index(one.kind))


def incomparable(baseline: Side, candidate: Side, found: Iterable[Difference]) -> Iterator[str]:
    """Yield why the sides are not comparable at all, one line each; `found` is in what they differ."""
    for one in found:
        if one.kind == "matters":
            yield f"{one.what} differs: {one.baseline}, now {one.candidate} (--allow-different {one.what} waives it)"
    levels = [sorted({*side.runs["users"]}) for side in (baseline, candidate)]
    if not {*levels[0]} & {*levels[1]}:
        had, has = (", ".join(map(str, one)) or "none" for one in levels)
        yield f"they have no user count in common: the baseline has {had}, the candidate {has}"


def unrecorded(baseline: Sweep, candidate: Sweep) -> list[str]:
    """Return the names of what matters and is not known of one of the sweeps, so that it can't be compared."""
    return [
        one.name
        for one in _PROPERTIES
        if one.kind == "matters" and any(one.values(sweep) is None for sweep in (baseline, candidate))
    ]


def same_configuration(sweep: Sweep, sweeps: Iterable[Sweep]) -> list[Sweep]:
    """Return those of `sweeps`, without `sweep` itself, that differ from it in nothing that matters or is the change.

    What neither of two has recorded counts as the same.
    """
    decisive = [one for one in _PROPERTIES if one.kind in ("matters", "the change")]
    fingerprint = [one.values(sweep) for one in decisive]
    return [
        other
        for other in sweeps
        if other.dir.path != sweep.dir.path and [one.values(other) for one in decisive] == fingerprint
    ]


def _clock(baseline: Side, candidate: Side) -> Difference | None:
    # Where a side has no successful request there is no latency, so there is no clock to differ.
    cells = [cell for cell in common_cells(baseline, candidate) if cell in baseline.wire and cell in candidate.wire]
    differ = [cell for cell in cells if baseline.wire[cell] != candidate.wire[cell]]
    if not differ:
        return None
    where = names([f"{group} at {users} users" for users, group in differ])
    texts = [", ".join(_clock_names(side.wire[cell] for cell in differ)) for side in (baseline, candidate)]
    return Difference(CLOCK, f"{texts[0]} ({where})", texts[1], "matters")


def _clock_names(wire: Iterable[bool]) -> Iterator[str]:
    yield from dict.fromkeys("wire" if one else "client" for one in wire)


def _text(values: Mapping[str, Any], differ: Sequence[str]) -> str:
    """Return the values of these names in words, short enough for a table."""
    parts = [
        _plain(values[name]) if len(values) == 1 else f"{name}: {_plain(values[name])}"
        for name in differ
        if name in values
    ]
    text = ", ".join(parts) or "none"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]} …"


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
