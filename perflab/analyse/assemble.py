"""The runs' tables as one frame a kind, each row with its run, level and repeat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from perflab.analyse.samples import Reading, Table, batches, read_table, read_together
from perflab.analyse.window import whole_seconds
from perflab.errors import StoreError
from perflab.plan.objectives import Objectives
from perflab.store.layout import RunDir
from perflab.store.manifest import RunManifest, Window

OTHER = "other"
ALL = "all"


def read_run_tables(
    runs: Sequence[RunDir], manifests: Sequence[RunManifest], filename: str, table: Table
) -> list[tuple[Reading, list[str]]]:
    """Read one table of all runs and what is to be noted about it; raises StoreError."""
    readings: list[tuple[Reading, list[str]]] = []
    for first, last in batches([run.path / filename for run in runs]):
        together = read_together([run.path / filename for run in runs[first:last]], table)
        if together is not None:
            readings += [(Reading(frame, torn=False), []) for frame in together]
        else:
            some = zip(runs[first:last], manifests[first:last], strict=True)
            readings += [read_run_table(run, manifest, filename, table) for run, manifest in some]
    return readings


def read_run_table(run: RunDir, manifest: RunManifest, filename: str, table: Table) -> tuple[Reading, list[str]]:
    """Read one table of a run and what is to be noted about it; raises StoreError.

    A file that a complete run must have is an error when it is missing; a run that was cut short may lack it.
    """
    path = run.path / filename
    notes = []
    try:
        reading = read_table(path, table)
    except StoreError:
        # Only a managed target is measured, and sweeps of earlier versions have no responses.csv.
        optional = {"responses.csv"} if manifest.plan.launch is not None else {"responses.csv", "target.csv"}
        expected = filename not in optional
        if path.exists() or (expected and manifest.status == "complete"):
            raise
        if expected:
            notes.append(f"{run.name}/{filename}: missing, the run was cut short before it was begun")
        return Reading(table.empty(), torn=False), notes
    if reading.torn:
        notes.append(f"{run.name}/{filename}: torn last line dropped")
    return reading, notes


def join_runs(
    names: Sequence[str],
    manifests: Sequence[RunManifest],
    windows: Sequence[Window | None],
    frames: Sequence[pd.DataFrame],
    table: Table,
) -> pd.DataFrame:
    """Return the rows of all runs with run, users and repeat in front and at the end whether they are `steady`."""
    lengths = [len(frame) for frame in frames]
    columns: dict[str, Any] = {
        "run": pd.Categorical.from_codes(np.repeat(np.arange(len(names)), lengths), categories=_texts(names)),
        "users": np.repeat(np.array([manifest.users for manifest in manifests], "int64"), lengths),
        "repeat": np.repeat(np.array([manifest.repeat for manifest in manifests], "int64"), lengths),
    }
    for name, kind in table.columns.items():
        parts = [frame[name] for frame in frames] or [table.empty()[name]]
        # A run's level is `users` everywhere; in generator.csv the column is what ran in that second.
        column = "running_users" if name == "users" else name
        if kind == "category":
            # Sorted, so that categories don't depend on which run saw a name first.
            columns[column] = union_categoricals(parts, sort_categories=True)
        elif kind == "text":
            columns[column] = pd.concat(parts, ignore_index=True)
        else:
            columns[column] = np.concatenate([part.to_numpy() for part in parts])
    steady = [_is_steady(frame["second"], window) for frame, window in zip(frames, windows, strict=True)]
    columns["steady"] = np.concatenate(steady) if steady else np.zeros(0, "bool")
    return pd.DataFrame(columns, copy=False)


def with_groups(latency: pd.DataFrame, objectives: Objectives) -> pd.DataFrame:
    """Return `latency` with the group of each endpoint after its name; groups stand in the objectives' order."""
    groups = [group.name for group in objectives.groups]
    rest = OTHER if groups else ALL
    order = {name: code for code, name in enumerate(dict.fromkeys([*groups, rest]))}
    endpoint, endpoints = endpoint_codes(latency)
    of_endpoint = [order[objectives.group_of(method, name) or rest] for method, name in endpoints]
    codes = np.array(of_endpoint, "int8" if len(order) < 127 else "int64")[endpoint]
    group = pd.Categorical.from_codes(codes, categories=_texts(list(order)))
    columns = list(latency.columns)
    columns.insert(columns.index("name") + 1, "group")
    return latency.assign(group=group)[columns]


def endpoint_codes(latency: pd.DataFrame) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[tuple[str, str]]]:
    """Return each row's endpoint as a number, and the endpoints by number as (method, name)."""
    method, name = latency["method"].cat, latency["name"].cat
    methods, names_of = method.categories.tolist(), name.categories.tolist()
    names = max(len(names_of), 1)
    pair = endpoint_pairs(latency)
    present = np.zeros(len(methods) * names, "bool")
    present[pair] = True
    pairs = np.flatnonzero(present)
    codes = (np.cumsum(present) - 1)[pair]
    return codes, [(methods[p // names], names_of[p % names]) for p in pairs.tolist()]


def endpoint_pairs(latency: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return a number for each row's method and name: the method's code times the number of names, plus the name's."""
    method, name = latency["method"].cat, latency["name"].cat
    codes = [column.codes.to_numpy().astype("int64") for column in (method, name)]
    pair: np.ndarray[Any, np.dtype[np.int64]] = codes[0] * len(name.categories) + codes[1]
    return pair


def _is_steady(second: pd.Series[int], window: Window | None) -> np.ndarray[Any, np.dtype[np.bool_]]:
    steady = whole_seconds(window)
    values = second.to_numpy()
    return cast("np.ndarray[Any, np.dtype[np.bool_]]", (values >= steady.start) & (values < steady.stop))


def _texts(values: Sequence[str]) -> pd.Index[str]:
    return pd.Index(list(values), dtype="str")
