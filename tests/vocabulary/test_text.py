from __future__ import annotations

import pytest

from perflab.vocabulary.text import one_line


@pytest.mark.parametrize("text", ["plain", "a\nb\rc", "\u2028\u0085", "\ud800", "tab\there", "\x1b[31m", "ünï → 名"])
def test_any_text_fits_on_one_line(text: str) -> None:
    clean = one_line(text)
    assert clean.isprintable()
    assert len(clean.splitlines()) == 1
    clean.encode("utf-8")


def test_long_texts_are_cut() -> None:
    assert len(one_line("x" * 1000, 200)) == 200
