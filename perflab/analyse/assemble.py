"""The runs' tables as one frame a table: each row with its run, level and repeat, and with its endpoint's group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from perflab.analyse.latency_reader import read_samples
from perflab.analyse.reading import FAILURES, GENERATOR, RESPONSES, TARGET, read_run_tables
from perflab.analyse.samples import Endpoint, Recorded, group_numbers, groups_of
from perflab.analyse.summary import Bools, Ints, numbered
from perflab.plan.objectives import Objectives
from perflab.store.layout import RunDir
from perflab.store.manifest import RunManifest, Window, whole_seconds
from perflab.vocabulary.level import Level

_TABLES = {"generator.csv": GENERATOR, "target.csv": TARGET, "failures.csv": FAILURES, "responses.csv": RESPONSES}
# Verdicts and charts are made of these: what is wrong with them is worth a note.
_NOTED = ("generator.csv", "target.csv", "failures.csv")


class RunTables:
    """The tables of several runs, each read when it is first asked for; reading raises StoreError.

    Frames have run, level and repeat in front of the table's columns, and at the end whether a row is `steady`: of a
    second that lies in the window of its run. `levels` are those of the sweep, ascending.
    """

    def __init__(
        self,
        runs: Sequence[RunDir],
        manifests: Sequence[RunManifest],
        levels: Sequence[Level],
        objectives: Objectives,
    ) -> None:
        self._runs, self._manifests, self._objectives = runs, manifests, objectives
        self._names = pd.Index([run.name for run in runs], dtype="str")
        self._repeats = np.array([manifest.repeat for manifest in manifests], "int64")
        self.level_of_run = pd.Categorical(
            np.array([manifest.level for manifest in manifests], "object"),
            categories=pd.Index(np.array(levels, "object")),
            ordered=True,
        )
        """The level of each run."""
        self._read = cache(lambda name: read_run_tables(runs, manifests, name, _TABLES[name]))

    @cached_property
    def _samples(self) -> tuple[Recorded, list[str]]:
        return read_samples(self._runs, self._manifests, self._objectives)

    @property
    def samples(self) -> Recorded:
        """The samples of all runs."""
        return self._samples[0]

    @property
    def notes(self) -> list[str]:
        """What is to be noted about the files, one line each."""
        return [*self._samples[1], *(note for name in _NOTED for note in self._read(name)[1])]

    def frame(self, filename: str, windows: Sequence[Window | None]) -> pd.DataFrame:
        """Return the rows of one table of all runs."""
        frames, table = self._read(filename)[0], _TABLES[filename]
        columns: dict[str, Any] = {}
        for name, kind in table.columns.items():
            parts = [frame[name] for frame in frames] or [table.empty()[name]]
            if kind == "category":
                # Sorted, so that categories don't depend on which run saw a name first.
                columns[name] = union_categoricals(parts, sort_categories=True)
            elif kind == "text":
                columns[name] = pd.concat(parts, ignore_index=True)
            else:
                columns[name] = np.concatenate([part.to_numpy() for part in parts])
        run = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
        return self.with_runs(run, columns, windows)

    def latency(self, windows: Sequence[Window | None]) -> pd.DataFrame:
        """Return the rows of ``latency.csv`` of all runs, with the group of each endpoint."""
        return self.with_runs(self.samples.run[self.samples.kind], self.samples.columns(), windows)

    def with_runs(self, run: Ints, columns: Mapping[str, Any], windows: Sequence[Window | None]) -> pd.DataFrame:
        """Return the frame of some columns, one of them `second`, of the runs with these numbers."""
        steady = [whole_seconds(window) for window in windows]
        start, stop = np.array([(window.start, window.stop) for window in steady], "int64").reshape(-1, 2).T
        within: Bools = (columns["second"] >= start[run]) & (columns["second"] < stop[run])
        front = {
            "run": pd.Categorical.from_codes(run, categories=self._names),
            "level": self.level_of_run[run],
            "repeat": self._repeats[run],
        }
        return pd.DataFrame({**front, **columns, "steady": within}, copy=False)


def with_groups(frame: pd.DataFrame, objectives: Objectives) -> pd.DataFrame:
    """Return a frame with the group of each endpoint after its name; groups stand in the objectives' order."""
    endpoint, endpoints = endpoint_codes(frame)
    codes = group_numbers(endpoints, objectives)[endpoint]
    columns = list(frame.columns)
    columns.insert(columns.index("name") + 1, "group")
    return frame.assign(group=pd.Categorical.from_codes(codes, categories=groups_of(objectives)))[columns]


def endpoint_codes(frame: pd.DataFrame) -> tuple[Ints, list[Endpoint]]:
    """Return each row's endpoint as a number, and the endpoints by number as (method, name)."""
    method, name = frame["method"].cat, frame["name"].cat
    methods, names = method.categories.tolist(), name.categories.tolist()
    pair = method.codes.to_numpy().astype("int64") * len(names) + name.codes.to_numpy()
    codes, pairs = numbered(pair, len(methods) * len(names))
    return codes, [(methods[pair // len(names)], names[pair % len(names)]) for pair in pairs.tolist()]
