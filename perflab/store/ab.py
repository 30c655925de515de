"""``ab.json``: what an A/B comparison was to do, how far it has come, and which rounds its last look was at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perflab.errors import UsageError
from perflab.fields import Moment, Name, Positive, Record
from perflab.plan.ab import AbPlan
from perflab.store.layout import SIDES, ComparisonDir, SweepDir, create_sweep, find_ab_folder
from perflab.store.manifest import Environment, Status
from perflab.vocabulary.verdict import Verdict

AB_SCHEMA_VERSION = 1


class AbManifest(Record):
    """It counts as interrupted until it has proved to be complete, so a kill leaves the truth."""

    schema_version: int = AB_SCHEMA_VERSION
    id: Name
    label: Name
    created: Moment
    ab: AbPlan
    """As planned; a secret in a command is taken out."""
    environment: Environment
    status: Status = "interrupted"
    rounds: tuple[Positive, ...] = ()
    """The rounds that the last look was at, in their order; empty before the first look."""
    verdict: Verdict | None = None
    """That of the last look."""


@dataclass(frozen=True, slots=True)
class AbDir:
    """An A/B comparison's folder: its manifest, and an ordinary sweep of each side, in which each round is a repeat."""

    path: Path

    @property
    def id(self) -> str:
        """The comparison's id, which is the folder's name."""
        return self.path.name

    @property
    def manifest(self) -> Path:
        """``ab.json``."""
        return self.path / "ab.json"

    @property
    def sides(self) -> tuple[SweepDir, SweepDir]:
        """The baseline's runs and the candidate's."""
        baseline, candidate = (SweepDir(self.path / side) for side in SIDES)
        return baseline, candidate

    @property
    def baseline(self) -> SweepDir:
        """The baseline's runs."""
        return self.sides[0]

    @property
    def candidate(self) -> SweepDir:
        """The candidate's runs."""
        return self.sides[1]

    @property
    def comparison(self) -> ComparisonDir:
        """The comparison's results and report."""
        return ComparisonDir(self.path, self.path.parent)


def create_ab(runs_dir: Path, label: str) -> AbDir:
    """Make a new comparison's folder, named as a sweep's, with a folder for each side."""
    place = AbDir(create_sweep(runs_dir, label).path)
    for side in place.sides:
        side.path.mkdir()
    return place


def find_ab(runs_dir: Path, ab_id: str) -> AbDir:
    """Return the comparison with this id, a unique beginning of it, or ``latest``; raises StoreError otherwise."""
    return AbDir(find_ab_folder(runs_dir, ab_id))


def common_ab(baseline: SweepDir, candidate: SweepDir) -> AbDir | None:
    """Return the A/B comparison whose sides these are, None if they are not; raises UsageError if they are swapped."""
    if baseline.ab is None or baseline.ab != candidate.ab:
        return None
    if (baseline.path.name, candidate.path.name) != SIDES:
        raise UsageError(
            f"{baseline.id} is not this comparison's baseline: perflab compare {baseline.ab.name} compares them"
        )
    return AbDir(baseline.ab)
