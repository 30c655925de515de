"""``runs/baseline.json``: which sweep the others are held against."""

from __future__ import annotations

from pathlib import Path

from perflab.errors import StoreError
from perflab.fields import Name, Record
from perflab.store.manifest import read_manifest, write_manifest

BASELINE_SCHEMA_VERSION = 1


class Baseline(Record):
    """The stored baseline: a sweep's whole id."""

    schema_version: int = BASELINE_SCHEMA_VERSION
    id: Name


def baseline_file(runs_dir: Path) -> Path:
    """Return where it is stored which sweep is the baseline."""
    return runs_dir / "baseline.json"


def read_baseline(runs_dir: Path) -> str:
    """Return the stored baseline's id; raises StoreError if none is stored, or the file can't be used."""
    path = baseline_file(runs_dir)
    if not path.exists():
        raise StoreError(f"no baseline under {str(runs_dir)!r}: choose one with perflab baseline set ID")
    return read_manifest(path, Baseline).id


def write_baseline(runs_dir: Path, sweep_id: str) -> None:
    """Store which sweep is the baseline, so that a kill at any moment leaves the old or the new one."""
    write_manifest(baseline_file(runs_dir), Baseline(id=sweep_id))
