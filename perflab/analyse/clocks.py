"""Rows of ``latency.csv`` by their clock: which of them hold the latency of a request by the clock that counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from perflab.analyse.summary import CLIENT, STAND_IN, WIRE, Bools, Codes, Ints, Samples, wire_cells
from perflab.vocabulary import measure as measures

_CODES = {measures.CLIENT: CLIENT, measures.WIRE: WIRE, measures.FALLBACK: STAND_IN}


def row_clocks(latency: pd.DataFrame) -> Codes:
    """Return each row's clock as in `Samples.clock`; -1 where it is a phase of a request, such as connecting."""
    measure = latency["measure"].cat
    of_category = np.array([_CODES.get(category, -1) for category in measure.categories], "int8")
    clock: Codes = of_category[measure.codes.to_numpy()]
    return clock


def has_value(column: pd.Series[str], value: str) -> Bools:
    """Return which rows of a categorical column have a value, which is looked up but once."""
    found: Bools = column.cat.codes.to_numpy() == column.cat.categories.get_indexer(pd.Index([value]))[0]
    return found & (value in column.cat.categories)


def answered_rows(latency: pd.DataFrame, by_wire: Bools) -> Bools:
    """Return which rows hold the latency of a successful request: the wire's where `by_wire`, else the client's."""
    clock = row_clocks(latency)
    chosen: Bools = np.where(by_wire, (clock == WIRE) | (clock == STAND_IN), clock == CLIENT)
    return chosen & has_value(latency["outcome"], "ok") & latency["latency_ms"].notna().to_numpy()


def judged_rows(latency: pd.DataFrame, cell: Ints, cells: int, within: Bools) -> Bools:
    """Return which of the rows `within` hold the latency of a successful request by the clock of its cell.

    `cell` numbers what each row is summarised with, below `cells`; the rows `within` tell whose clock a cell goes by.
    """
    samples = Samples(
        has_value(latency["outcome"], "ok"),
        row_clocks(latency),
        latency["latency_ms"].to_numpy(),
        latency["count"].to_numpy(),
    )[within]
    by_wire = wire_cells(samples, cell[within], cells)
    return within & answered_rows(latency, by_wire[cell])
