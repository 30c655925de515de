from __future__ import annotations

import numpy as np
import pytest

from perflab.analyse.summary import Floats, SortedSamples
from perflab.store.tables import bucket_middle, bucket_of

QS = (0.0, 0.001, 0.07, 0.29, 0.5, 0.57, 0.9, 0.95, 0.99, 0.999, 1.0)


def one_cell(latency: Floats, count: list[int] | None = None) -> SortedSamples:
    weights = np.ones(len(latency), "int64") if count is None else np.array(count, "int64")
    return SortedSamples(np.zeros(len(latency), "int64"), latency, weights, 1)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 20, 100, 1000])
def test_weighted_percentiles_are_those_of_the_expanded_sample(size: int) -> None:
    rng = np.random.default_rng(size)
    cells = 4
    cell = rng.integers(cells, size=size)
    latency = np.round(rng.lognormal(2, 1, size), 1)
    count = rng.integers(1, 9, size)
    found = SortedSamples(cell, latency, count, cells)
    for q in QS:
        for index, value in enumerate(found.percentile(q)):
            expanded = np.repeat(latency[cell == index], count[cell == index])
            if not len(expanded):
                assert np.isnan(value)
                assert np.isnan(found.cell(index).percentile(q))
                continue
            # In whole numbers: numpy's own q * n suffers from floating point where it is meant to be whole.
            rank = max(-(-round(q * 1000) * len(expanded) // 1000), 1)
            assert value == np.sort(expanded)[rank - 1] == found.cell(index).percentile(q)
            if (round(q * 1000) * len(expanded)) % 1000:
                assert value == np.quantile(expanded, q, method="inverted_cdf")


@pytest.mark.parametrize(("samples", "q", "rank"), [(100, 0.07, 7), (100, 0.29, 29), (20, 0.95, 19), (21, 0.95, 20)])
def test_a_rank_that_is_whole_is_not_pushed_up_by_floating_point(samples: int, q: float, rank: int) -> None:
    assert one_cell(np.arange(1.0, samples + 1)).percentile(q)[0] == rank


def drawn(shape: str) -> Floats:
    rng = np.random.default_rng(3)
    if shape == "lognormal":
        return rng.lognormal(3, 1, 20_000)
    if shape == "bimodal":
        return np.concatenate([rng.normal(5, 0.2, 9_000), rng.normal(900, 20, 1_000)])
    if shape == "constant":
        return np.full(500, 105.1)
    if shape == "below a millisecond":
        return rng.uniform(0.05, 0.9, 3_000)
    return np.array([0.4, 17.0, 3000.0][: int(shape)])


@pytest.mark.parametrize("shape", ["lognormal", "bimodal", "constant", "below a millisecond", "1", "2", "3"])
@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_percentiles_from_buckets_are_within_0_6_percent_of_the_exact_ones(shape: str, q: float) -> None:
    latency = drawn(shape)
    buckets, count = np.unique([bucket_of(value) for value in latency.tolist()], return_counts=True)
    middles = np.array([bucket_middle(bucket) for bucket in buckets.tolist()])
    found = one_cell(middles, count.tolist()).percentile(q)[0]
    assert found == pytest.approx(np.quantile(latency, q, method="inverted_cdf"), rel=0.006)


def test_a_cell_knows_its_samples_and_how_many_are_within_a_limit() -> None:
    samples = SortedSamples(np.array([2, 0, 2, 2]), np.array([5.0, 9.0, 1.0, 3.0]), np.array([1, 4, 2, 3]), 4)
    assert samples.samples.tolist() == [4, 0, 6, 0]
    cell = samples.cell(2)
    assert [cell.at_rank(rank) for rank in range(1, 7)] == [1, 1, 3, 3, 3, 5]
    assert [cell.within(limit) for limit in (0.5, 1.0, 2.9, 3.0, 4.9, 5.0, 99.0)] == [0, 2, 2, 5, 5, 6, 6]
    assert samples.cell(1).samples == 0
    assert samples.cell(1).within(10) == 0
