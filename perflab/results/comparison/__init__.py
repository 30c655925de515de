"""A comparison's document, ``comparison.json``, and its renderings."""

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.results.comparison.build import build
from perflab.results.comparison.document import ComparisonDocument
from perflab.results.comparison.junit import to_junit
from perflab.results.comparison.summary import to_summary
from perflab.results.kind import Kind

KIND = Kind("comparison", SweepComparison, ComparisonDocument, build, to_junit, to_summary, notebook="compare.ipynb")

__all__ = ["KIND", "ComparisonDocument", "build", "to_junit", "to_summary"]
