"""The public API: whole, documented, and nothing else."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from typing import Any, get_args, get_type_hints

import pytest

import perflab

FUNCTIONS = [name for name in perflab.__all__ if inspect.isfunction(getattr(perflab, name))]


def test_a_tab_offers_what_is_public_and_no_more() -> None:
    code = "import perflab.workbench.sweeps, perflab.readiness; print(dir(perflab) == sorted(perflab.__all__))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        _ = perflab.nope


@pytest.mark.parametrize("name", perflab.__all__)
def test_a_public_name_is_what_it_says_whatever_was_imported_before(name: str) -> None:
    value = getattr(perflab, name)
    shown = getattr(value, "__name__", value).rpartition(".")[2]
    assert name in ("__version__", shown)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_public_function_returns_is_public(name: str) -> None:
    returned = get_type_hints(getattr(perflab, name), localns=_lazily_imported())["return"]
    for kind in (returned, *get_args(returned)):
        if getattr(kind, "__module__", "").startswith("perflab."):
            assert getattr(perflab, kind.__name__) is kind


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if "analyse" not in getattr(perflab, name).__module__])
def test_a_docstring_names_every_parameter_and_has_an_example(name: str) -> None:
    function = getattr(perflab, name)
    doc = str(inspect.getdoc(function))
    for parameter in inspect.signature(function).parameters:
        assert re.search(rf"`{parameter}`|^{parameter}\b", doc, re.MULTILINE), parameter
    assert re.search(rf"perflab\.{name}\(", doc)


def _lazily_imported() -> dict[str, Any]:
    import pandas

    return {"pd": pandas}
