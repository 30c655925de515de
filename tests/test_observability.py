"""The Prometheus and Grafana files against what the exporter really offers."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from perflab.record.exporter import BUCKETS_S, LABELS, LoadTest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "observability"
PORT = 9646
NAMES = (
    "/health",
    "/api/v1/auth/register",
    "/api/v1/auth/login",
    "/api/v1/generation/create",
    "/api/v1/generation/list",
    "/api/v1/generation/{id}",
    "/api/v1/payments/create",
    "/api/v1/payments",
    "/api/v1/paymentsX",
    "/api/v2/payments",
)


def offered() -> dict[str, set[str]]:
    """Each metric's name with its labels."""
    found: dict[str, set[str]] = {}
    for metric in LoadTest(sweep_id="", run="").collect():
        if metric.type == "counter":
            found[f"{metric.name}_total"] = set(LABELS)
        elif metric.type == "histogram":
            found |= {f"{metric.name}_{part}": set(LABELS) for part in ("sum", "count")}
            found[f"{metric.name}_bucket"] = {*LABELS, "le"}
        else:
            found[metric.name] = {"sweep_id", "run"} if metric.name == "load_test_info" else {"source"}
    return found


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def panels(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By title and kind; a title may stand over a figure and over its course."""
    return {f"{panel['title']} ({panel['type']})": panel for panel in dashboard["panels"]}


def expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def test_every_expression_uses_metrics_and_labels_that_there_are(dashboard: dict[str, Any]) -> None:
    metrics = offered()
    used = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            selected = re.findall(r"(load_test_\w+)(?:\{([^}]*)\})?", target["expr"])
            assert selected, target
            labels_here: set[str] = set()
            for name, matchers in selected:
                assert name in metrics, target["expr"]
                used.add(name)
                assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", matchers)) <= metrics[name], target["expr"]
                labels_here |= metrics[name]
            grouped = re.findall(r"by \(([^)]*)\)", target["expr"])
            kept = set(re.findall(r"\w+", " ".join(grouped)))
            assert kept <= labels_here, target["expr"]
            # A label that the expression has summed over would leave the legend empty.
            remaining = kept if "sum" in target["expr"] else labels_here
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= remaining, target
    assert used >= {
        *("load_test_requests_total", "load_test_response_time_seconds_bucket", "load_test_users"),
        *("load_test_users_wanted", "load_test_generator_lag_seconds", "load_test_generator_cpu_ratio"),
    }


def test_bounds_of_the_histogram_are_bounds_that_there_are(dashboard: dict[str, Any]) -> None:
    bounds = {f"{bound:g}" for bound in BUCKETS_S}
    asked = [le for panel in dashboard["panels"] for e in expressions(panel) for le in re.findall(r'le="([^"]+)"', e)]
    assert len(asked) == 3
    assert set(asked) <= bounds


@pytest.mark.parametrize("group", ["auth", "generation", "payments"])
def test_groups_and_limits_are_the_objectives(panels: dict[str, dict[str, Any]], group: str) -> None:
    objectives = tomllib.loads((ROOT / "load_tests" / "objectives.toml").read_text())[group]
    of_group = {name for name in NAMES if any(fnmatch(name, pattern) for pattern in objectives["endpoints"])}

    errors = panels[f"Error ratio: {group} (timeseries)"]
    limit = errors["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]
    assert limit == pytest.approx(1 - objectives["success_rate"]["at_least"])
    within = next(
        e
        for e in expressions(panels["Share of requests within the objective's response time (timeseries)"])
        if f'le="{objectives["p95_ms"]["at_most"] / 1000:g}"' in e
    )
    selectors = [s for e in (*expressions(errors), within) for s in re.findall(r'name=~"([^"]*)"', e)]
    assert len(selectors) == 4
    for selector in selectors:
        # Prometheus matches the whole value.
        assert {name for name in NAMES if re.fullmatch(selector, name)} == of_group


def test_panels_stand_side_by_side_and_have_units(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["fieldConfig"]["defaults"]["unit"] in {"reqps", "s", "percentunit", "none"}
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_dashboard_can_be_imported_anywhere(dashboard: dict[str, Any]) -> None:
    (variable,) = dashboard["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert "id" not in dashboard, "an id is one Grafana's own"
    assert dashboard["uid"] == "perflab-load-test"
    assert f"/d/{dashboard['uid']}" in (FOLDER / "README.md").read_text()


def test_prometheus_scrapes_a_run_every_five_seconds() -> None:
    config = YAML(typ="safe").load(FOLDER / "prometheus.yml")
    assert config["global"]["scrape_interval"] == "5s"
    (job,) = config["scrape_configs"]
    (static,) = job["static_configs"]
    assert set(static["targets"]) == {f"localhost:{PORT}", f"load-master:{PORT}"}
    assert f"LOAD_TEST_PROMETHEUS_PORT={PORT}" in (FOLDER / "README.md").read_text()


def test_the_readme_names_every_metric() -> None:
    text = (FOLDER / "README.md").read_text()
    named = set(re.findall(r"`(load_test_\w+)`", text))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in offered()} == named
