"""The tables below the charts: endpoints, failures, runs with their validity, and how it was measured."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from perflab.analyse.sweep import Sweep
from perflab.chart.levels import group_names
from perflab.chart.style import colours, number
from perflab.report.html import Html, join, row, section_row, table, tag
from perflab.vocabulary.verdict import Verdict

_MOST_FAILURES = 20


def endpoints(sweep: Sweep) -> Html:
    """Requests, failures and latency of each endpoint at each user count, in the steady window."""
    frame = sweep.listed_endpoints
    palette = colours(group_names(sweep))
    head = ["endpoint", "group", "requests", "requests/s", "failed", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "max ms"]
    numeric = range(2, len(head))
    # The wire clock is the rule; where there is another one, each row says its own.
    other_clocks = not set(frame.loc[frame.ok > 0, "clock"]) <= {"wire"}
    head += ["clock"] if other_clocks else []
    rows: list[Markup] = []
    level = None
    for item in frame.sort_values(["users", "group", "name", "method"]).to_dict("records"):
        if item["users"] != level:
            level = item["users"]
            rows.append(section_row(f"{number(level)} users", len(head)))
        dot = Markup('<span class="dot" style="background:{}"></span>{}').format(
            palette.get(str(item["group"]), "#7a7a7a"), item["group"]
        )
        latencies = [number(float(item[column])) for column in ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms")]
        cells = [_endpoint(item["method"], item["name"]), dot, number(int(item["requests"])), number(item["rps"])]
        clock = [str(item["clock"]) if item["ok"] else ""] if other_clocks else []
        rows.append(row([*cells, _percent(item["error_rate"]), *latencies, *clock], numeric=numeric))
    by = "the clock named in each row" if other_clocks else "the wire clock"
    note = f"Steady window, repeats pooled. Latency of successful requests by {by}, within 0.5 %."
    if frame.unanswered.any():
        note += " ∞: slower than every other, because it was never answered."
    return Html(table(head, rows, caption="Endpoints", numeric=numeric, note=note), _plain(frame))


def failures(sweep: Sweep) -> Html:
    """Failed requests by endpoint and message, most frequent first; whole runs, ramp-up included."""
    keys = ["method", "name", "outcome", "status", "message"]
    frame = sweep.listed.fold(sweep.failures)
    if frame.empty:
        told = "No request failed in any run."
        return Html(Markup('<p class="note">{}</p>').format(told), told)
    counts = frame.groupby(keys, observed=True, dropna=False)["count"].sum().reset_index()
    users = frame.groupby(keys, observed=True, dropna=False)["users"].agg(lambda levels: sorted(set(levels)))
    counts["at"] = [", ".join(map(str, levels)) for levels in users]
    ordered = counts.sort_values("count", ascending=False)
    rows = [
        row(
            [
                _endpoint(item["method"], item["name"]),
                item["outcome"],
                _status(item["status"]),
                item["message"],
                item["at"],
                number(int(item["count"])),
            ],
            numeric=(5,),
        )
        for item in ordered.head(_MOST_FAILURES).to_dict("records")
    ]
    hidden = ordered.iloc[_MOST_FAILURES:]
    note = "Whole runs, ramp-up included." + (f" {len(hidden)} rarer kinds are not shown." if len(hidden) else "")
    head = ["endpoint", "outcome", "status", "message", "at users", "requests"]
    return Html(table(head, rows, caption="Failures", numeric=(5,), note=note), _plain(ordered.head(_MOST_FAILURES)))


def runs(sweep: Sweep) -> Html:
    """Every run: its status, its steady window, what it did, and whether it can be trusted."""
    head = ["run", "start, UTC", "status", "steady window", "requests", "requests/s", "measurement"]
    rows = []
    for item in sweep.runs.to_dict("records"):
        window = "none"
        if math.isfinite(item["window_start"]):
            window = f"{item['window_start']:g} s to {item['window_end']:g} s"
        start = "" if pd.isna(item["start"]) else f"{item['start']:%H:%M:%S}"
        trusted = tag(Verdict.PASS if item["validity"] == "valid" else Verdict.INVALID)
        word = Markup("valid") if item["validity"] == "valid" else trusted
        evidence = Markup("{} {}").format(word, item["reasons"])
        requests = "" if pd.isna(item["requests"]) else number(int(item["requests"]))
        rows.append(
            row(
                [item["run"], start, item["status"], window, requests, number(float(item["rps"])), evidence],
                numeric=(4, 5),
            )
        )
    note = "The steady window counts from the run's start; requests and requests/s are those of the window."
    return Html(table(head, rows, caption="Runs", numeric=(4, 5), note=note), _plain(sweep.runs))


def generator(sweep: Sweep) -> Html:
    """How each source did in the steady window: what it offered of the intended load, and how far it lagged behind."""
    head = ["run", "source", "users", "load offered", "CPU", "loop lag ms", "worst ms", "client less wire ms", "p99 ms"]
    numeric = range(2, len(head))
    rows = [
        row(
            [
                item["run"],
                item["source"],
                number(round(item["running_users"])),
                f"{100 * item['offered']:.1f} %",
                f"{item['cpu_percent']:.0f} %",
                *(
                    number(float(item[c]))
                    for c in ("lag_p50_ms", "lag_ms", "client_overhead_p50_ms", "client_overhead_p99_ms")
                ),
            ],
            numeric=numeric,
        )
        for item in sweep.health.to_dict("records")
    ]
    note = (
        "Steady window; medians of the seconds, and the worst second. CPU: 100 % is one core. Client less wire is how "
        "much later the client saw an answer than it had arrived."
    )
    return Html(table(head, rows, caption="Generator", numeric=numeric, note=note), _plain(sweep.health))


def how_measured(sweep: Sweep) -> Html:
    """The plan, the target, the machine, versions, and notes on the data."""
    manifest, plan = sweep.manifest, sweep.manifest.plan
    first = next(iter(sweep.run_manifests), None)
    target = f"{plan.launch}  (started and stopped by perflab)" if manifest.target.managed else manifest.target.host
    facts: dict[str, object] = {
        "Sweep": f"{manifest.id}, {manifest.status}",
        "Target": target,
        # Its place on disk is nobody's business; its name says enough.
        "Locustfile": "/".join(Path(plan.locustfile).parts[-2:]),
        "Options for Locust": plan.locust_options,
        "Users": ", ".join(map(str, plan.users)),
        "Load": (
            f"{plan.spawn_rate:g} users/s spawned, {plan.settle_s:g} s to settle, then {plan.duration_s:g} s of steady "
            f"state; repeats: {plan.repeats}; Locust processes: {plan.processes}; seed: {plan.seed}"
        ),
        "Versions": ", ".join(f"{name} {version}" for name, version in first.versions.items()) if first else "",
        "Git commit": (first.git_commit or "") if first else "",
        "Machine": "; ".join(
            f"{name.replace('_', ' ')}: {value}"
            for name, value in manifest.environment.items()
            if name != "git_commit" and isinstance(value, str | int | float) and str(value)
        ),
        "Percentiles": (
            "the smallest recorded latency that at least this share of the successful requests did not exceed; "
            "recorded within 0.5 %, never interpolated, never averaged"
        ),
        "Latency": (
            "wire clock: from the moment the request's first byte was handed to the kernel (a new connection's opening "
            "included) to the kernel's receive time of the answer's last byte"
        ),
        "Intervals": "one-sided 95 %: order statistics for percentiles, Clopper-Pearson for rates",
    }
    listed = join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in facts.items() if value)
    notes = join(Markup("<li>{}</li>").format(note) for note in sweep.notes)
    body = Markup("<dl>{}</dl>").format(listed)
    if notes:
        body += Markup('<p class="note">Notes on the data:</p><ul class="notes">{}</ul>').format(notes)
    return Html(body, "\n".join(f"{name}: {value}" for name, value in facts.items() if value))


def _endpoint(method: object, name: object) -> Markup:
    return Markup('<span class="method">{}</span> <span class="name">{}</span>').format(method, name)


def _percent(rate: float) -> str:
    return "0" if rate == 0 else f"{100 * rate:.2f} %" if rate >= 0.0001 else "< 0.01 %"


def _status(status: object) -> str:
    try:
        code = int(float(str(status)))
    except ValueError:
        return ""
    return str(code) if code else ""


def _plain(frame: pd.DataFrame) -> str:
    return frame.to_string(index=False)
