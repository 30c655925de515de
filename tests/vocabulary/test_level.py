from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perflab.store.layout import SweepDir
from perflab.vocabulary.level import Level, LevelKind, levels_in_words

levels = st.builds(Level, st.sampled_from(list(LevelKind)), st.integers(1, 10**9))


@given(levels, levels)
def test_levels_are_told_apart_and_ordered_by_their_values(one: Level, other: Level) -> None:
    assert (one == other) == (str(one) == str(other)) == (one.name == other.name)
    if one.kind == other.kind:
        assert (one < other, one > other) == (one.value < other.value, one.value > other.value)


@given(levels)
def test_a_level_equals_its_text(level: Level) -> None:
    assert level == str(level)
    assert str(level) in {level}
    assert {str(level): 1}[level] == 1  # type: ignore[index]
    assert level != f"{level}s"


def test_rows_are_chosen_by_a_level_or_its_text() -> None:
    frame = pd.DataFrame({"level": [Level.of_users(count) for count in (1000, 100, 250)], "value": [1, 2, 3]})
    ordered = frame.sort_values("level")
    assert ordered["value"].tolist() == [2, 3, 1]
    assert frame.query("level == '100 users'")["value"].tolist() == [2]
    assert frame[frame["level"] == Level.of_users(100)]["value"].tolist() == [2]
    # As events are: 1000 users come after 250.
    coded = frame.assign(level=pd.Categorical(frame["level"], categories=ordered["level"], ordered=True))
    assert coded.query("level == '100 users'")["value"].tolist() == [2]
    assert coded.groupby("level", observed=True)["value"].sum().tolist() == [2, 3, 1]
    assert coded.merge(frame, on="level")["value_x"].tolist() == [1, 2, 3]


def test_several_are_said_in_few_words() -> None:
    assert levels_in_words([Level.of_users(100), Level.of_users(250)]) == "100, 250 users"
    assert levels_in_words([Level.of_users(1)]) == "1 user"
    assert levels_in_words([]) == ""


@given(st.sets(levels, max_size=5))
def test_a_levels_run_is_found_by_its_folder(chosen: set[Level]) -> None:
    names = {SweepDir(Path("x")).run(level, 1).name for level in chosen}
    assert len(names) == len(chosen)


def test_a_kind_may_be_a_text_and_an_unknown_one_is_refused() -> None:
    assert Level("users", 100) == Level.of_users(100) == "100 users"  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="visits"):
        Level("visits", 100)  # type: ignore[arg-type]


def test_a_level_is_no_more_and_no_less_than_a_text() -> None:
    with pytest.raises(TypeError):
        assert Level.of_users(100) < "20 users"
