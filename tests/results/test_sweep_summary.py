from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import mistune
import pytest
from pydantic import ValidationError

from perflab.analyse.sweep import Sweep
from perflab.results.sweep import SweepDocument, build, to_summary
from perflab.results.sweep.document import FailureOfRuns
from perflab.vocabulary.level import Level
from perflab.vocabulary.verdict import Verdict
from tests.analyse.conftest import Written

HOSTILE = [
    "a | b",
    "a \\| b",
    "`code` ``",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[link](javascript:alert(1))",
    "![image](http://127.0.0.1/x.png)",
    "<http://127.0.0.1/> https://127.0.0.1 www.example.org",
    "**strong** *em* ***",
    "_em_ __strong__ snake_case",
    "~~gone~~",
    "# head",
    "- item",
    "+ item",
    "12. item",
    "> quote",
    "---",
    "===",
    "$x^{2}$ $$y$$",
    "&lt;b&gt; &#60; &amp;",
    "</td></tr></table>",
    "<!-- comment",
    "\\",
]
OURS = {"h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "br", "strong", "code", "sub"}


class Page(HTMLParser):
    """The elements and texts of a page, and the cells of its tables by row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - its name is the base's
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self._in_cell = True
            self.rows[-1].append("")
        elif tag == "br":
            self.rows[-1][-1] += " / "

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._in_cell:
            self.rows[-1][-1] += data


def render(document: SweepDocument, report: str | None = None) -> Page:
    """Render the summary with tables, struck text and links, and with HTML let through, as GitHub does."""
    page = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url", "math"])
    html = page(to_summary(document, report))
    assert isinstance(html, str)
    return Page(html)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "runs")


def test_the_verdict_comes_first_then_every_objective_at_every_level(written: Written) -> None:
    written.limit("success_rate", 0.9)
    written.limit("p95_ms", 100)
    rows = [(second, "/a", "ok", 5.0, 150) for second in range(10)]
    written.run(rows)
    written.run([(*row[:3], 500.0, 150) for row in rows], users=20)
    page = render(build(written.open()), "runs/x/report.html")
    assert page.texts[0] == "❌ FAIL: load sweep hand"
    assert "At least one objective is missed." in page.texts
    [reason] = [text for text in page.texts if "is above" in text]
    assert reason == (
        "shop p95 at 20 users: 500 ms (500 to 500 ms) is above the allowed 100 ms, 1 500 requests, 1 500 effective"
    )
    assert page.rows == [
        ["objective", "limit", "10 users / ✅ PASS", "20 users / ❌ FAIL"],
        [
            "shop success rate",
            "≥ 90 %",
            *(["✅ PASS 100 % / 99.8 to 100 % / 1 500 requests, taken as independent"] * 2),
        ],
        [
            *("shop p95", "≤ 100 ms", "✅ PASS 5 ms / 5 to 5 ms / 1 500 requests, 1 500 effective, client clock"),
            "❌ FAIL 500 ms / 500 to 500 ms / 1 500 requests, 1 500 effective, client clock",
        ],
    ]
    assert "150.0 successful requests/s" in page.texts
    assert " at 10 users." in page.texts
    assert "runs/x/report.html" in page.texts


def test_how_it_was_measured_is_one_line(hostile_sweep: Sweep) -> None:
    last = to_summary(build(hostile_sweep)).splitlines()[-1]
    assert last.startswith(f"<sub>sweep {hostile_sweep.id}, complete; perflab 0.1.0 with Locust 2.47.0; 10 s of steady")
    assert "latency by the client clock" in last


def test_a_missing_report_is_not_named(hostile_sweep: Sweep) -> None:
    assert "Report:" not in to_summary(build(hostile_sweep))


def test_without_objectives_the_levels_stand_alone(written: Written) -> None:
    for users in (10, 1200):
        written.run([(second, "/a", "ok", 5.0, 150) for second in range(10)], users=users)
    page = render(build(written.open()))
    assert page.texts[0] == "✅ PASS: load sweep hand"
    assert any("No objectives are set" in text for text in page.texts)
    assert page.rows[0] == ["10 users / ✅ PASS", "1200 users / ✅ PASS"]
    assert not any("sustainable" in text for text in page.texts)


def test_what_was_never_answered_or_measured_is_told(written: Written) -> None:
    written.limit("p95_ms", 100)
    written.limit("p95_ms", 100, group="none", patterns=("/none",))
    evidence: Any = {"unanswered": 20, "requests_finished": 80, "locust_finished": 80}
    rows = [row for at in range(10) for row in ((at, "/a", "ok", 5.0, 8), (at, "/a", "unanswered", 900.0, 2))]
    written.run(rows, **evidence)
    cells = [row[2].split(" / ") for row in render(build(written.open())).rows]
    assert cells[1] == ["❌ FAIL never answered", "no bounds", "100 requests, 100 effective, client clock"]
    assert cells[2] == [f"❔ {Verdict.INCONCLUSIVE} nothing measured", "no bounds", "0 requests"]


def test_an_objective_that_is_not_judged_at_a_level_keeps_its_place(written: Written) -> None:
    written.limit("throughput_rps", 5)
    written.limit("p95_ms", 100)
    written.limit("p95_ms", 100, group="other", patterns=("/none",))
    throughput, *others = written.objectives.limits
    narrowed = throughput.model_copy(update={"from_users": 20, "endpoints": ("/a",)})
    written.objectives = written.objectives.model_copy(update={"limits": (narrowed, *others)})
    for users in (10, 20):
        written.run([(second, "/a", "ok", 5.0, 100) for second in range(10)], users=users)
    rows = render(build(written.open())).rows
    assert [row[0] for row in rows[1:]] == ["shop p95", "shop throughput of /a", "other p95"]
    assert rows[2][2] == "not judged"
    assert rows[2][3].startswith("✅ PASS 100 requests/s / ")


def test_many_reasons_and_failures_are_cut(written: Written) -> None:
    written.run([(second, "/a", "ok", 5.0, 150) for second in range(10)])
    metrics = build(written.open())
    failures = [
        FailureOfRuns(
            method="GET",
            name=f"/{at}",
            outcome="check",
            status="200",
            message="no",
            count=100 - at,
            whole_runs=100,
            levels=[Level.of_users(10)],
        )
        for at in range(8)
    ]
    page = render(metrics.model_copy(update={"reasons": [f"reason {at}" for at in range(13)], "failures": failures}))
    assert "reason 9" in page.texts
    assert "and 3 more" in page.texts
    assert page.rows[-5:] == [[f"GET /{at}", "check", "no", str(100 - at)] for at in range(5)]
    assert any("3 rarer kinds not shown" in text for text in page.texts)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_a_text(written: Written, text: str) -> None:
    written.limit("p95_ms", 1, group=text, patterns=("/a",))
    written.run([(second, "/a", "ok", 5.0, 150) for second in range(10)])
    metrics = build(written.open())
    failure = FailureOfRuns(
        method="GET",
        name=text,
        outcome="check",
        status="200",
        message=text,
        count=1,
        whole_runs=1,
        levels=[Level.of_users(10)],
    )
    page = render(metrics.model_copy(update={"reasons": [text], "failures": [failure]}), text)
    assert page.tags <= OURS
    assert text in page.texts
    assert [len(row) for row in page.rows] == [3, 3, 4, 4]
    assert page.rows[1][0] == f"{text} p95"
    assert page.rows[3] == [f"GET {text}", "check", text, "1"]


@pytest.mark.parametrize("name", ["a\n\n## b", "a\x1b[31m", "\u202e"])
def test_a_groups_name_brings_no_line_ends_and_no_control_characters(written: Written, name: str) -> None:
    with pytest.raises(ValidationError):
        written.limit("p95_ms", 1, group=name)
