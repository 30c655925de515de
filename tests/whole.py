"""What is missing of a recording, however crowded the machine was that made it."""

from __future__ import annotations

import re

from perflab.analyse.sweep import Sweep
from perflab.analyse.validity import REMEDY

_CROWDED = re.compile(rf"the load generator was saturated.*?{REMEDY}(; )?")


def losses(sweep: Sweep) -> list[str]:
    """Why each run is invalid, but for a generator that other programs kept from its load: that loses no request."""
    left = (_CROWDED.sub("", reasons) for reasons in sweep.runs["reasons"])
    return [reasons for reasons in left if reasons]
