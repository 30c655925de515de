"""Pieces of GitHub-flavoured Markdown. Whatever a text holds, nothing in it is markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from perflab.vocabulary.text import one_line
from perflab.vocabulary.verdict import Verdict

MAX_ITEMS = 10
MAX_TEXT = 500

# Written as entities, which Markdown takes for text wherever they stand: what is markup anywhere, underscores at the
# edge of a word, what makes a link of an address, and what makes a list at the beginning of a line.
_MARKUP = re.compile(
    r"[&<>|`*~\[\]\\#$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|^[-+=]|^\d(?=\d*[.)](?:\s|$))", re.IGNORECASE
)


def text(content: str) -> str:
    """Return `content` on one line so that nothing in it is markup."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", one_line(content, MAX_TEXT).strip())


def code(content: str) -> str:
    """Return `content` as code."""
    return f"<code>{text(content)}</code>"


def marked(verdict: Verdict) -> str:
    """Return a verdict with its symbol."""
    return f"{verdict.emoji} {verdict}"


def items(lines: Sequence[str]) -> str:
    """Return a list of texts, the first ten of them."""
    hidden = len(lines) - MAX_ITEMS
    more = [f"- and {hidden} more"] if hidden > 0 else []
    return "\n".join([*(f"- {text(line)}" for line in lines[:MAX_ITEMS]), *more])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [head, ["---" for _ in head], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
