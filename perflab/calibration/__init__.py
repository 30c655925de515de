"""What this machine can measure: a server that knows how long each of its answers took, and the load it is held to.

    from perflab.calibration import calibrate

Imported when it is first used: the server must start quickly, and needs nothing but the standard library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perflab.calibration.calibration import calibrate

__all__ = ["calibrate"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'perflab.calibration' has no attribute {name!r}")
    from perflab.calibration import calibration

    return getattr(calibration, name)


def __dir__() -> list[str]:
    return __all__
