"""Which endpoints are listed one by one where a locustfile lets requests have names without end.

A page of 60 000 rows is read by nobody and costs a gigabyte. Beyond `MAX_NAMES` the rarest are one row; what they look
like is said, because there is a way out: requests that are alike can be given one name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from string import digits

import numpy as np
import pandas as pd

from perflab.analyse.assemble import endpoint_codes
from perflab.analyse.samples import Endpoint, Recorded
from perflab.analyse.summary import Bools
from perflab.vocabulary.number import thousands
from perflab.vocabulary.text import one_line

MAX_NAMES = 500
PLACEHOLDER = "[id]"
# A part of a name with more values than these varies from request to request.
MAX_VALUES = 50
MAX_LENGTH = 80
_PART = re.compile(r"([/?&=\s]+)")


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
