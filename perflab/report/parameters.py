"""Refusing a misspelt notebook parameter: papermill itself only warns and runs with the defaults."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Sequence

from perflab.errors import UsageError

_INJECTED = "# Parameters\n"


def check_parameters(history: Sequence[str]) -> None:
    """Refuse parameters that papermill injected and that no cell of the notebook itself knows; raises UsageError.

    `history` is IPython's ``In``, the sources of the cells run so far. The injected cell is told by the comment that
    papermill puts on top of it, so that a person's own variables never count, however often cells are run again.
    """
    injected: dict[str, None] = {}
    own: dict[str, None] = {}
    for source in history:
        (injected if source.startswith(_INJECTED) else own).update(dict.fromkeys(_assigned(source)))
    refuse_unknown(injected, own)


def refuse_unknown(given: Iterable[str], known: Collection[str]) -> None:
    """Raise UsageError, which names the known ones too, if any of the `given` parameters is unknown."""
    if unknown := [name for name in given if name not in known]:
        plural = "s" if len(unknown) > 1 else ""
        named = ", ".join(map(repr, unknown))
        raise UsageError(f"unknown notebook parameter{plural} {named}: known are {', '.join(known) or 'none'}")


def _assigned(source: str) -> list[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return []
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return [target.id for target in targets if isinstance(target, ast.Name)]
