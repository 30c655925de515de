from __future__ import annotations

from typing import Any

import pytest

from perflab.analyse.partition import MAX_NAMES, SEVERAL, Listed


def named(names: list[str], seconds: int = 1) -> list[tuple[Any, ...]]:
    return [(second, name, "ok", 10.0, 1) for second in range(seconds) for name in names]


def test_as_many_names_as_are_listed_stay_as_they_are(written: Any) -> None:
    written.run(named([f"/{number}" for number in range(MAX_NAMES)]))
    sweep = written.open()
    assert len(sweep.listed_endpoints) == MAX_NAMES
    assert sweep.listed.fold(sweep.latency) is sweep.latency
    assert sweep.notes == []


def test_the_rarest_names_are_one_row_in_which_no_request_is_lost(written: Any) -> None:
    written.limit("p95_ms", 100, group="odd", patterns=("/*1", "/*3"))
    often = [f"/often/{number}" for number in range(MAX_NAMES)]
    rare = [(number % 10, f"/rare/{number}", "ok", 10.0, 1) for number in range(1000)]
    written.run([*named(often, seconds=10), *rare])
    written.run([*named(often[:5], seconds=10), (1, "/rare/0", "x", 900.0, 7)], users=20)
    sweep = written.open()
    frame = sweep.listed_endpoints
    assert frame["requests"].sum() == sweep.totals["requests"].sum() == 6000 + 57
    rest = frame[frame["name"] == "1 000 more names"]
    assert rest["level"].tolist() == ["10 users", "20 users"]
    assert rest["requests"].tolist() == [1000, 7]
    assert rest["failed"].tolist() == [0, 7]
    assert set(rest["group"]) == {SEVERAL}
    assert set(frame["name"]) == {*often, "1 000 more names"}
    # Which group they are judged with is another matter.
    assert sweep.groups.groupby("level")["requests"].sum().tolist() == [6000, 57]
    # What is one row is one for failures and answers too.
    assert "/rare/0" not in set(sweep.listed.fold(sweep.latency)["name"])
    assert "/rare/0" in set(sweep.latency["name"])


def test_others_of_one_group_stay_in_it(written: Any) -> None:
    written.limit("p95_ms", 100, group="rare", patterns=("/rare/*",))
    written.run(named(["/a"] * 2 + [f"/rare/{number}" for number in range(1000)]))
    frame = written.open().listed_endpoints
    assert frame["group"].tolist() == ["rare"] * MAX_NAMES + ["other"]
    assert frame["name"].tolist()[MAX_NAMES - 1] == "501 more names"
    assert frame["group"].cat.categories.tolist() == ["rare", "other"]


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["/orders/{}", "/users"], "/orders/[id]"),
        (["/blog?id={}&lang=en"], "/blog?id=[id]&lang=en"),
        (["user {} logs in"], "user [id] logs in"),
        (["/item{}.html"], "/item[id].html"),
        (["/a/{}/b/{}", "/c/{}/d/{}"], "/a/[id]/b/[id]"),
        (["{}"], "/orders/[id]"),
        (["/{}a"], "/[id]a"),
    ],
)
def test_the_note_names_the_pattern_that_most_names_have(written: Any, names: list[str], pattern: str) -> None:
    written.run(named([name.replace("{}", str(10_000 + at)) for at in range(600) for name in names[:1]] + names[1:]))
    [note] = written.open().notes
    assert f'name="{pattern}"' in note


def test_names_that_have_nothing_in_common_are_no_pattern(written: Any) -> None:
    written.run(named([f"/{chr(97 + one)}/{chr(97 + two)}" for one in range(25) for two in range(25)]))
    sweep = written.open()
    assert 'name="/orders/[id]"' in sweep.notes[0]
    assert isinstance(sweep.listed, Listed)
