"""Pieces of HTML for notebooks, from the templates beside this file. Whatever text reaches a template is escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from perflab.chart.style import number
from perflab.vocabulary.level import levels_in_words
from perflab.vocabulary.number import share

MAX_REASONS = 6


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of HTML that a notebook shows, and the words for it where no HTML can be shown."""

    body: Markup
    text: str

    def _repr_html_(self) -> str:
        return str(Markup('<style>{}</style><div class="perflab">{}</div>').format(_css(), self.body))

    def __repr__(self) -> str:
        return self.text


def html(template: str, text: str, values: Mapping[str, Any]) -> Html:
    """Return a piece made by a template of a kind of result, such as ``sweep/runs``."""
    page = _templates().get_template(f"{template}.html.j2").render(values)
    return Html(Markup(page), text)  # noqa: S704 - the template has escaped it


def definitions(values: Mapping[str, object]) -> str:
    """Return names with what they stand for, a line each."""
    return "\n".join(f"{name}: {value}" for name, value in values.items())


def first_reasons(reasons: Sequence[str]) -> list[str]:
    """Return the first of a verdict's reasons for its banner, and how many more there are."""
    hidden = len(reasons) - MAX_REASONS
    return [*reasons[:MAX_REASONS], *([f"and {hidden} more, see the table"] if hidden > 0 else [])]


@cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("perflab.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    templates.filters |= {"number": _number, "share": share, "listed": levels_in_words}
    return templates


def _number(value: float | None) -> str:
    return number(math.nan if value is None else value)


@cache
def _css() -> Markup:
    return Markup(files("perflab.report").joinpath("templates", "perflab.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
