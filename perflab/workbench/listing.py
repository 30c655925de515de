"""What lies in a folder of results: listed without any of what analyses it, which takes longer to import."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pandas as pd

from perflab.errors import StoreError
from perflab.plan.parse import check_path
from perflab.plan.settings import load_environment, project_root
from perflab.plan.variables import SETTINGS
from perflab.store import layout
from perflab.store.manifest import AbManifest, SweepManifest, read_manifest
from perflab.vocabulary.level import levels_in_words


def list_sweeps(runs_dir: str | Path | None = None) -> pd.DataFrame:
    """Return one row per sweep in `runs_dir`, oldest first: id, created, host, levels, runs, status, verdict.

    The host of a target that perflab started is the command. `runs_dir` is as in `open_sweep`. A sweep whose manifest
    can't be read is listed with the status ``damaged``. Raises StoreError where `runs_dir` is no folder.

        perflab.list_sweeps().query("verdict == 'FAIL'")
    """
    rows = []
    for place in layout.list_sweeps(runs_folder(runs_dir)):
        row: dict[str, object] = {"id": place.id, "runs": len(place.runs()), "status": "damaged"}
        with contextlib.suppress(StoreError):
            manifest = read_manifest(place.manifest, SweepManifest)
            row |= {
                "created": manifest.created,
                "host": manifest.plan.launch if manifest.target.managed else manifest.target.host,
                "levels": levels_in_words(manifest.plan.levels),
                "status": manifest.status,
                "verdict": manifest.verdict,
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=["id", "created", "host", "levels", "runs", "status", "verdict"])


def list_ab_comparisons(runs_dir: str | Path | None = None) -> pd.DataFrame:
    """Return one row per A/B comparison in `runs_dir`, oldest first.

    Its columns are id, created, design, rounds, baseline, candidate, status and verdict; `rounds` counts those of the
    last look. One whose manifest can't be read is listed with the status ``damaged``. `runs_dir` is as in `open_sweep`.

        perflab.list_ab_comparisons().tail(1)
    """
    rows = []
    for place in layout.list_abs(runs_folder(runs_dir)):
        row: dict[str, object] = {"id": place.id, "status": "damaged"}
        with contextlib.suppress(StoreError):
            manifest = read_manifest(place.manifest, AbManifest)
            row |= {
                "created": manifest.created,
                "design": manifest.ab.design,
                "rounds": len(manifest.rounds),
                "baseline": manifest.ab.baseline.name,
                "candidate": manifest.ab.candidate.name,
                "status": manifest.status,
                "verdict": manifest.verdict,
            }
        rows.append(row)
    columns = ["id", "created", "design", "rounds", "baseline", "candidate", "status", "verdict"]
    return pd.DataFrame(rows, columns=columns).astype({"rounds": "Int64"})


def runs_folder(runs_dir: str | Path | None) -> Path:
    """Return where sweeps are recorded, as an absolute path.

    That is `runs_dir` from here if given, else ``LOAD_TEST_RUNS_DIR`` from the project's root, else its ``runs/``.
    """
    if runs_dir is not None:
        return check_path(Path(str(runs_dir)).absolute())
    root = project_root()
    return check_path(root / SETTINGS["runs_dir"].read({}, load_environment(root)))
