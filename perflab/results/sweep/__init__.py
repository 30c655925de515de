"""A sweep's document, ``metrics.json``, and its renderings."""

from perflab.analyse.sweep import Sweep
from perflab.results.kind import Kind
from perflab.results.sweep.build import build
from perflab.results.sweep.document import SweepDocument
from perflab.results.sweep.junit import to_junit
from perflab.results.sweep.summary import to_summary

KIND = Kind("sweep", Sweep, SweepDocument, build, to_junit, to_summary, notebook="sweep.ipynb")

__all__ = ["KIND", "SweepDocument", "build", "to_junit", "to_summary"]
