"""Which groups a sweep has, in the order and so in the colours that every chart and table uses."""

from __future__ import annotations

from perflab.analyse.sweep import Sweep
from perflab.vocabulary.verdict import Verdict


def group_names(sweep: Sweep) -> list[str]:
    """Return the groups that were measured: those with objectives in their file's order, then the rest."""
    measured = {str(name) for name in (*sweep.groups.group.unique(), *sweep.timeline.group.unique())}
    stated = [group.name for group in sweep.manifest.objectives.groups if group.name in measured]
    return [*stated, *sorted(measured - set(stated))]


def invalid_levels(sweep: Sweep) -> set[int]:
    """Return the user counts whose measurement can't be trusted."""
    return {int(users) for users in sweep.levels.users[sweep.levels.verdict == Verdict.INVALID]}
