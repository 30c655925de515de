"""No text of others steers the terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.markup import escape
from rich.table import Table

from perflab.progress.console import PlainConsole
from perflab.vocabulary.text import say

STEERING = "\x1b]0;hacked\x07\x1b[2J\x9b31m\x08\r\u202e"


@given(st.text())
@example(STEERING)
def test_what_a_console_shows_is_printable_but_for_its_own_codes(text: str) -> None:
    stream = io.StringIO()
    console = PlainConsole(file=stream, width=80)
    table = Table("group", box=None)
    table.add_row(escape(text))
    console.print(table)
    console.print(escape(text), soft_wrap=True)
    console.print(text, markup=False)
    assert stream.getvalue().replace("\n", "").isprintable()


def test_a_console_keeps_its_own_colours() -> None:
    stream = io.StringIO()
    PlainConsole(file=stream, force_terminal=True, color_system="standard", highlight=False).print(
        f"[red]a[/]{STEERING}"
    )
    shown = stream.getvalue()
    assert shown.startswith("\x1b[31ma\x1b[0m")
    assert shown.count("\x1b") == 2


@given(st.text())
@example(STEERING)
def test_a_line_for_people_is_one_line_of_printable_characters(text: str) -> None:
    stream = io.StringIO()
    say(text, stream)
    assert stream.getvalue().endswith("\n")
    assert stream.getvalue()[:-1].isprintable()


def test_a_line_for_people_is_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    say("http://bob:hunter2@host can't be reached")
    assert capsys.readouterr().err == "http://…@host can't be reached\n"
