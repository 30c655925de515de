"""The recorded sweep with hostile names, as pages have it."""

from tests.report.conftest import hostile_dir, hostile_sweep

__all__ = ["hostile_dir", "hostile_sweep"]
