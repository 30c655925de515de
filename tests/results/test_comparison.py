"""A comparison's files for machines: comparison.json, junit.xml and summary.md."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import mistune
import pytest
from jsonschema import Draft202012Validator
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.results import save
from perflab.results.comparison import ComparisonDocument, build, to_junit, to_summary
from perflab.vocabulary.verdict import Change, Finding, Verdict
from tests.compared import HOSTILE_GROUPS, SHAPES, compared
from tests.results.test_sweep_summary import HOSTILE, OURS, Page

SCHEMA = Path(__file__).parents[2] / "docs" / "load_test_comparison.schema.json"
Compared = Callable[[str], SweepComparison]


@pytest.fixture(scope="module")
def comparison_of(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Return a function that records and compares two sweeps of a shape, each shape once."""
    return cache(lambda shape: compared(tmp_path_factory.mktemp("comparison-runs"), shape))


def suites(document: ComparisonDocument) -> dict[str, dict[str, TestCase]]:
    found: list[TestSuite] = list(JUnitXml.fromstring(to_junit(document)))
    named = {str(suite.name).rpartition(".")[2]: {str(case.name): case for case in suite} for suite in found}
    assert [len(cases) for cases in named.values()] == [len(suite) for suite in found], "no name twice"
    return named


def results(document: ComparisonDocument) -> Iterator[tuple[str, Any, str]]:
    """Yield each case's name, the kind of its result (None if it passed) and the result's type."""
    for level, cases in suites(document).items():
        for name, case in cases.items():
            result: Any = next(iter(case.result), None)
            yield f"{level} {name}", result and type(result), result.type if result else ""


def page(document: ComparisonDocument, report: str | None = None) -> Page:
    """Render the summary with tables, struck text and links, and with HTML let through, as GitHub does."""
    markdown = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url", "math"])
    return Page(str(markdown(to_summary(document, report))))


@pytest.mark.parametrize("shape", SHAPES)
def test_three_files_are_written_and_tell_no_place(comparison_of: Compared, shape: str) -> None:
    comparison = comparison_of(shape)
    place = comparison.dir
    save(comparison, report=False)
    assert sorted(path.name for path in place.path.iterdir()) == ["comparison.json", "junit.xml", "summary.md"]
    written = json.loads((place.path / "comparison.json").read_text(encoding="utf-8"))
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(written)
    assert written["verdict"] == comparison.verdict
    assert written["exit_code"] == comparison.verdict.exit_code
    assert written["reasons"] == comparison.reasons
    runs_dir = str(comparison.baseline.dir.runs_dir)
    assert not [path for path in place.path.iterdir() if runs_dir in path.read_text(encoding="utf-8")]


def test_the_summary_names_the_report_without_telling_where_runs_lie(comparison_of: Compared) -> None:
    comparison = comparison_of("equal")
    save(comparison, report=True)
    named = f"{comparison.baseline.dir.runs_dir.name}/{comparison.candidate.id}/against-{comparison.baseline.id}"
    assert f"<code>{named}/report.html</code>" in comparison.dir.summary_md.read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", ["four levels", "duet", "single runs"])
def test_the_document_has_the_figures_of_the_frames(comparison_of: Compared, shape: str) -> None:
    comparison = comparison_of(shape)
    document = build(comparison)
    assert {name for name, group in document.groups.items() if group.latency} == set(
        comparison.latency_by_group["group"]
    )
    for row in comparison.latency.to_dict("records"):
        cell = document.levels[row["level"].name].groups[row["group"]].latency[row["metric"].removesuffix("_ms")]
        for name in ("ratio", "low", "high", "p_regression", "p_adjusted", "baseline", "candidate"):
            value = getattr(cell, name)
            assert (value is None) == (not math.isfinite(row[name]) or (name == "low" and row[name] == 0))
            assert value is None or value == pytest.approx(row[name], rel=1e-3, abs=1e-6)
        assert (cell.verdict, cell.words, cell.clock) == (row["verdict"], row["words"], "wire")
        runs = comparison.latency_by_run
        for side, of in (("baseline", cell.baseline_runs), ("candidate", cell.candidate_runs)):
            same = (runs["side"] == side) & (runs["level"] == row["level"]) & (runs["group"] == row["group"])
            made = runs[same & (runs["metric"] == row["metric"])]
            used = made[made["used"]]
            assert list(of.used.values()) == pytest.approx(used["value"].tolist(), abs=1e-3)
            assert list(of.used) == [f"r{repeat}" for repeat in used["repeat"]]
            assert set(of.left_out) == {f"r{repeat}" for repeat in made[~made["used"]]["repeat"]}
            assert all(of.left_out.values())
    for row in comparison.failures.to_dict("records"):
        errors = document.levels[row["level"].name].groups[row["group"]].failures
        assert errors is not None
        assert errors.candidate.failed == row["candidate_failed"]
        assert errors.baseline.requests == row["baseline_requests"]
    for row in comparison.throughput.to_dict("records"):
        throughput = document.levels[row["level"].name].groups[row["group"]].throughput
        assert throughput is not None
        assert throughput.baseline == pytest.approx(row["baseline"], abs=1e-3)


def test_a_regression_is_a_failure_of_what_is_slower(comparison_of: Compared) -> None:
    document = build(comparison_of("four levels"))
    assert (document.verdict, document.slower) == ("FAIL", ["payments"])
    found = {name: (kind, verdict) for name, kind, verdict in results(document)}
    assert found["comparison no regression"] == (Failure, "REGRESSION")
    assert found["comparison payments as a whole: latency"] == (Failure, "REGRESSION")
    slower = {name for name, (_, verdict) in found.items() if verdict == "REGRESSION"}
    assert all("payments" in name for name in slower - {"comparison no regression"})
    assert found["users-0020 auth: p99"][0] is Skipped
    case = suites(document)["users-0020"]["auth: p99"]
    assert "it takes 5000 requests a run" in case.result[0].message
    assert list(suites(document)) == ["comparison", "users-0020", "users-0040", "users-0080", "users-0160"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_page_of_tests_is_green_if_and_only_if_the_verdict_is_pass(comparison_of: Compared, shape: str) -> None:
    document = build(comparison_of(shape))
    kinds = {kind for _, kind, _ in results(document)}
    if document.verdict == "PASS":
        assert kinds <= {None, Skipped}
        assert None in kinds
    elif document.verdict == "INVALID":
        assert kinds == {Error}
    else:
        assert Failure in kinds
        assert Error not in kinds
    assert shape != "equal" or document.verdict == "PASS"


def test_a_pass_stays_green_though_a_group_is_open_whose_throughput_decides_nothing(comparison_of: Compared) -> None:
    document = build(comparison_of("equal"))
    level = document.levels["users-0100"]
    group = level.groups["payments"]
    assert group.throughput is not None
    opened = group.throughput.model_copy(update={"verdict": Finding.OPEN, "words": "may or may not be fewer"})
    groups = {**level.groups, "payments": group.model_copy(update={"throughput": opened})}
    changed = document.model_copy(update={"levels": {"users-0100": level.model_copy(update={"groups": groups})}})
    assert {kind for _, kind, _ in results(changed)} <= {None, Skipped}
    assert "may or may not" not in to_summary(changed)


def test_what_is_inconclusive_is_a_failure_that_says_so(comparison_of: Compared) -> None:
    document = build(comparison_of("single runs"))
    assert document.change == Change.INCONCLUSIVE
    found = {name: (kind, verdict) for name, kind, verdict in results(document)}
    assert found["comparison no regression"] == (Failure, Verdict.INCONCLUSIVE)
    assert found["users-0100 auth: p50"] == (Failure, Verdict.INCONCLUSIVE)
    assert "REGRESSION" not in {verdict for _, verdict in found.values()}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_summary_is_short_and_has_the_verdict_and_every_group(comparison_of: Compared, shape: str) -> None:
    comparison = comparison_of(shape)
    document = build(comparison)
    text = to_summary(document)
    shown = page(document)
    assert text.count("\n") < 45
    heads = {"PASS": "✅ NO REGRESSION", "FAIL": "❌ REGRESSION", "INVALID": "⛔ INVALID"}
    assert text.startswith(f"## {heads.get(document.verdict, f'❔ {Verdict.INCONCLUSIVE}')}: after against before\n")
    assert document.headline in shown.texts
    assert {cells[0] for cells in shown.rows if len(cells) == 4} >= set(document.groups)
    for row in comparison.latency_by_group.to_dict("records"):
        [cells] = [cells for cells in shown.rows if cells and cells[0] == row["group"]]
        assert f"{100 * (row['ratio'] - 1):+.1f} %".replace("-", "−") in cells[1]  # noqa: RUF001 (a minus sign)


def test_the_summary_lists_what_is_slower_with_its_figures(comparison_of: Compared) -> None:
    comparison = comparison_of("hostile")
    rows = [cells for cells in page(build(comparison)).rows if cells[-1] == "slower"]
    slower = comparison.latency[comparison.latency["verdict"] == "slower"]
    assert {(cells[0], cells[1]) for cells in rows} == {
        (str(row["level"]), f"{row['group']}: {row['metric'].removesuffix('_ms')}") for row in slower.to_dict("records")
    }
    assert rows
    assert all(" ms, +" in cells[2] for cells in rows)


def test_hostile_names_are_text_everywhere(comparison_of: Compared) -> None:
    document = build(comparison_of("hostile"))
    shown = page(document)
    assert shown.tags <= OURS
    assert {cells[0] for cells in shown.rows} >= set(HOSTILE_GROUPS)
    assert {f"{name}: p50" for name in HOSTILE_GROUPS} <= set(suites(document)["users-0100"])


@pytest.mark.parametrize("hostile", [*HOSTILE, "a\x00\x08\x1b]]>\"'<b>&amp;\n\u2028\ufffe𝛑"])
def test_hostile_words_are_text_everywhere(comparison_of: Compared, hostile: str) -> None:
    document = build(comparison_of("hostile"))
    group = document.groups["_a"]
    changed = document.model_copy(
        update={"groups": {hostile: group}, "headline": hostile, "reasons": [f"{hostile} {hostile}"]}
    )
    shown = page(changed, report=f"runs/{hostile}")
    assert shown.tags <= OURS
    [case] = [case for name, case in suites(changed)["comparison"].items() if name.endswith("whole: latency")]
    assert str(case.name).replace("\\x00\\x08\\x1b", "")[:1] == hostile[:1]
