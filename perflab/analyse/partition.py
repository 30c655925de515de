"""Summaries of a sweep's requests by level, group, endpoint and second.

Endpoints are listed one by one, unless a locustfile lets requests have names without end: a page of 60 000 rows is read
by nobody and costs a gigabyte. Beyond `MAX_NAMES` the rarest are one row; what they look like is said, because there is
a way out: requests that are alike can be given one name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from string import digits
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.assemble import endpoint_codes
from perflab.analyse.samples import Endpoint, Labels, Recorded
from perflab.analyse.summary import (
    Bools,
    Floats,
    Ints,
    Samples,
    SortedSamples,
    count_requests,
    judged_requests,
    numbered,
    summarise,
    wire_cells,
)
from perflab.vocabulary.level import Level
from perflab.vocabulary.number import thousands
from perflab.vocabulary.text import one_line

MAX_NAMES = 500
PLACEHOLDER = "[id]"
# A part of a name with more values than these varies from request to request.
MAX_VALUES = 50
MAX_LENGTH = 80
_PART = re.compile(r"([/?&=\s]+)")
# The group of what is listed as one and belongs to more than one.
SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Steady:
    """The judged requests of a sweep: equal samples of a level and endpoint merged, whatever second they began in.

    `level`, `endpoint` and `group` number each sample's level, endpoint and group; `seconds` is the steady time
    of each level over its repeats.
    """

    samples: Samples
    level: Ints
    endpoint: Ints
    group: Ints
    levels: Sequence[Level]
    labels: Labels
    seconds: Floats

    @classmethod
    def of(cls, recorded: Recorded, judged: Bools, level: Ints, levels: Sequence[Level], seconds: Floats) -> Steady:
        """Return the samples of the kinds that are `judged`; `level` is the place of each run's level in `levels`."""
        endpoints = max(len(recorded.labels.endpoints), 1)
        samples, cell = recorded.merged(level[recorded.run] * endpoints + recorded.endpoint, judged)
        endpoint = cell % endpoints
        return cls(
            samples=samples,
            level=cell // endpoints,
            endpoint=endpoint,
            group=recorded.labels.group_of[endpoint],
            levels=levels,
            labels=recorded.labels,
            seconds=seconds,
        )

    def by_level(self) -> pd.DataFrame:
        """Return level and the figures of each level with requests."""
        return self._frame(np.zeros_like(self.level), 1, {})

    def by_group(self) -> pd.DataFrame:
        """Return level, group and the figures of each group with requests."""
        names = self.labels.groups
        groups = pd.Categorical.from_codes(np.arange(len(names)), categories=names)
        return self._frame(self.group, len(groups), {"group": groups})

    def by_endpoint(self, listed: Listed | None = None) -> pd.DataFrame:
        """Return level, group, method, name and the figures of each endpoint with requests, or as they are `listed`."""
        labels, listed = self.labels, listed or Listed(frozenset())
        shown = [listed.endpoint(endpoint) for endpoint in labels.endpoints]
        groups: dict[tuple[str, str], str] = {}
        for endpoint, group in zip(shown, labels.groups[labels.group_of], strict=True):
            groups[endpoint] = group if groups.get(endpoint, group) == group else SEVERAL
        row = {endpoint: at for at, endpoint in enumerate(groups)}
        row_of = np.array([row[endpoint] for endpoint in shown], "int64")
        front: dict[str, Any] = {"group": _ordered(groups.values(), dict.fromkeys([*labels.groups, *groups.values()]))}
        for at, part in enumerate(("method", "name")):
            texts = [endpoint[at] for endpoint in groups]
            # The row of all others comes last.
            front[part] = _ordered(texts, sorted(set(texts), key=lambda text: (text == listed.rest, text)))
        frame = self._frame(row_of[self.endpoint], len(row), front)
        return frame.sort_values(["level", "group", "name", "method"], ignore_index=True)

    def _frame(self, part: Ints, parts: int, front: dict[str, Any]) -> pd.DataFrame:
        """Return the figures by level and part, with level and `front` (a value per part) before them."""
        cell = self.level * parts + part
        figures = summarise(self.samples, cell, np.repeat(self.seconds, parts))
        of_cell = np.tile(np.arange(parts), len(self.levels))
        columns = {"level": np.repeat(np.array(self.levels, "object"), parts)}
        columns |= {name: values[of_cell] for name, values in front.items()}
        frame = pd.DataFrame({**columns, **figures})
        return frame[frame["requests"] > 0].reset_index(drop=True)


def _ordered(texts: Iterable[str], order: Iterable[str]) -> pd.Categorical[str]:
    return pd.Categorical(pd.Index(list(texts), dtype="str"), categories=pd.Index(list(order), dtype="str"))


def timeline(recorded: Recorded, level: Ints, levels: int) -> pd.DataFrame:
    """Return requests, failures and percentiles of each run, second and group, ramp-up included.

    `level` is the number of each run's level.

    Columns: run (its number), second, group, requests, failed, p50_ms, p95_ms.
    """
    groups = len(recorded.labels.groups)
    known = recorded.kinds.clock >= 0
    # One clock for a group at a level, so that its line doesn't change meaning from second to second.
    of_level = level[recorded.run] * groups + recorded.group
    by_wire = wire_cells(recorded.kinds[known], of_level[known], levels * groups)
    span = int(recorded.second.max(initial=0)) + 1
    key = (recorded.run * span + recorded.second) * groups + recorded.group
    _, keys = numbered(key[known], len(level) * span * groups)
    cell = np.searchsorted(keys, key).clip(max=max(len(keys) - 1, 0))
    judged = known & judged_requests(recorded.kinds, of_level, by_wire)
    ok, failed = count_requests(recorded.kinds, cell, len(keys))
    rows = recorded.rows(judged)
    ordered = SortedSamples(cell[recorded.kind[rows]], recorded.latency_ms(rows), recorded.count[rows], len(keys))
    return pd.DataFrame(
        {
            "run": keys // groups // span,
            "second": (keys // groups % span).astype("int32"),
            "group": pd.Categorical.from_codes(keys % groups, categories=recorded.labels.groups),
            "requests": ok + failed,
            "failed": failed,
            "p50_ms": ordered.percentile(0.50),
            "p95_ms": ordered.percentile(0.95),
        }
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """The endpoints of a sweep that are listed, those with the most requests that are judged; the others are `rest`."""

    own: frozenset[Endpoint]
    rest: str = ""
    note: str = ""

    @classmethod
    def of(cls, recorded: Recorded, steady: Bools) -> Listed:
        """Return what is to be listed of the endpoints, whose names may be any number; `steady` kinds are judged."""
        endpoints = recorded.labels.endpoints
        if len(endpoints) <= MAX_NAMES:
            return cls(frozenset(endpoints))
        counted = steady & recorded.kinds.by_client
        totals = np.bincount(recorded.endpoint[counted], recorded.kinds.count[counted], len(endpoints))
        own = frozenset(endpoints[at] for at in np.argsort(-totals, kind="stable")[:MAX_NAMES].tolist())
        more = thousands(len(endpoints) - len(own))
        note = (
            f"requests have {thousands(len(endpoints))} different names, so the {more} rarest are shown as one; "
            f"{_advice(endpoints)}"
        )
        return cls(own, f"{more} more names", note)

    def endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Return the method and name that an endpoint is listed by."""
        return endpoint if not self.rest or endpoint in self.own else ("", self.rest)

    def fold(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with its methods and names as they are listed."""
        if not self.rest:
            return frame
        codes, endpoints = endpoint_codes(frame)
        listed = [self.endpoint(endpoint) for endpoint in endpoints]
        columns = {
            part: pd.Categorical(pd.Index([endpoint[at] for endpoint in listed], dtype="str")[codes])
            for at, part in enumerate(("method", "name"))
        }
        return frame.assign(**columns)


def _advice(endpoints: Sequence[Endpoint]) -> str:
    alike, count, example = _most_alike(endpoints)
    shown = one_line(alike, MAX_LENGTH)
    if PLACEHOLDER not in alike or alike == PLACEHOLDER:
        return 'give those that are alike one name, as in self.client.get(url, name="/orders/[id]")'
    return (
        f"{thousands(count)} look like {shown} (such as {one_line(example, MAX_LENGTH)}): give them one name, as in "
        f'name="{shown}"'
    )


def _most_alike(endpoints: Sequence[Endpoint]) -> tuple[str, int, str]:
    """Return the pattern that most endpoints have, of how many it is, and one of their names."""
    shapes: dict[tuple[str, ...], list[list[str]]] = defaultdict(list)
    for method, name in endpoints:
        parts = _PART.split(name)
        shapes[method, *parts[1::2]].append(parts)
    found: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for shape in shapes.values():
        columns = [set(values) for values in zip(*shape, strict=True)]
        marks = [_mark(values) if len(values) > MAX_VALUES else None for values in columns]
        for parts in shape:
            alike = "".join(part if mark is None else mark for part, mark in zip(parts, marks, strict=True))
            found[alike] += 1
            examples.setdefault(alike, "".join(parts))
    [(alike, count)] = found.most_common(1)
    return alike, count, examples[alike]


def _mark(values: set[str]) -> str:
    """Return what stands for a part of many values: what they have in common at both ends, no digits, and a mark."""
    end = _beginning({value[::-1] for value in values})[::-1]
    return _beginning(values).rstrip(digits) + PLACEHOLDER + end.lstrip(digits)


def _beginning(values: set[str]) -> str:
    pairs = zip(min(values), max(values), strict=False)
    return "".join(letter for letter, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
