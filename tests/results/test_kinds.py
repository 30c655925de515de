"""What holds for every kind of result: the registration, the schema, the files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from perflab.report import find_notebook
from perflab.results import KINDS, kind_of
from perflab.results.kind import Kind
from perflab.vocabulary.metric import PERCENTILES

DOCS = Path(__file__).parents[2] / "docs"
EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema that describe an object with named fields."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for part in schema.values():
            yield from objects(part)


def test_the_schemas_in_docs_are_those_of_the_documents(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "perflab.results", str(tmp_path)], check=True)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert len(written) == len(KINDS)
    for name, text in written.items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, "python -m perflab.results docs"


@EVERY_KIND
def test_every_field_is_described_and_no_other_is_allowed(kind: Kind[Any, Any]) -> None:
    schema = json.loads(kind.document.to_schema())
    Draft202012Validator.check_schema(schema)
    for part in objects(schema):
        assert part["additionalProperties"] is False, part["title"]
        assert sorted(part["required"]) == sorted(part["properties"]), part["title"]
        for name, field in part["properties"].items():
            assert field.get("description") or "$ref" in field, f"{part['title']}.{name}"


@EVERY_KIND
def test_a_kind_has_its_modules_and_its_notebook(kind: Kind[Any, Any]) -> None:
    page = import_module(f"perflab.report.{kind.name}")
    assert callable(page.title)
    assert callable(page.parameters)
    assert callable(page.verdict)
    assert callable(import_module(f"perflab.cli.output.{kind.name}").show)
    assert find_notebook(kind.notebook).is_file()


def test_every_percentile_of_the_registry_is_a_key_of_the_schema() -> None:
    schema = json.loads((DOCS / "load_test_metrics.schema.json").read_text(encoding="utf-8"))
    assert {metric.words for metric in PERCENTILES} < set(schema["$defs"]["Latency"]["properties"])


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(TypeError, match="is no result"):
        kind_of("a sweep")  # type: ignore[arg-type]
