"""Pieces of HTML for notebooks. Every text goes through `Markup.format`, which escapes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from perflab.vocabulary.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of HTML that a notebook shows, and the words for it where no HTML can be shown."""

    body: Markup
    text: str

    def _repr_html_(self) -> str:
        return str(Markup('<style>{}</style><div class="perflab">{}</div>').format(_css(), self.body))

    def __repr__(self) -> str:
        return self.text


@cache
def _css() -> Markup:
    return Markup(files("perflab.report").joinpath("perflab.css").read_text(encoding="utf-8"))  # noqa: S704 (our own file)


def join(pieces: Iterable[Markup]) -> Markup:
    """Return the pieces one after the other."""
    return Markup().join(pieces)


def tag(verdict: Verdict) -> Markup:
    """Return a verdict as a coloured word with its symbol."""
    return Markup('<span class="tag {}">{} {}</span>').format(verdict.name, verdict.symbol, verdict)


def table(
    head: Sequence[object], rows: Iterable[Markup], *, caption: str, numeric: Iterable[int] = (), note: str = ""
) -> Markup:
    """Return a table with a caption; columns whose index is in `numeric` have their head at the right."""
    right = set(numeric)
    cells = join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="n"') if index in right else "", title)
        for index, title in enumerate(head)
    )
    below = Markup('<p class="note">{}</p>').format(note) if note else ""
    return Markup(
        '<div class="scroll"><table><caption>{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}'
    ).format(caption, cells, join(rows), below)


def row(cells: Iterable[object], *, numeric: Iterable[int] = ()) -> Markup:
    """Return a table row; columns whose index is in `numeric` are set at the right."""
    right = set(numeric)
    return Markup("<tr>{}</tr>").format(
        join(
            Markup("<td{}>{}</td>").format(Markup(' class="n"') if index in right else "", cell)
            for index, cell in enumerate(cells)
        )
    )


def section_row(title: object, columns: int) -> Markup:
    """Return a row that heads the rows below it."""
    return Markup('<tr class="section"><th colspan="{}" scope="rowgroup">{}</th></tr>').format(columns, title)
