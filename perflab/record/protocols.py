"""What a protocol asks for is worked out once.

requests tells the kinds of its arguments apart by protocols (`isinstance(value, SupportsItems)`), nine times a request,
and Python before 3.12 works out anew each time what the protocol asks for, which takes some 25 µs.
"""

from __future__ import annotations

import sys
import typing
from functools import cache
from typing import Any


def install() -> None:
    """Keep what each protocol asks for, as later versions of Python do by themselves."""
    module: Any = typing
    if sys.version_info < (3, 12) and hasattr(module, "_get_protocol_attrs"):
        module._get_protocol_attrs = cache(module._get_protocol_attrs)
