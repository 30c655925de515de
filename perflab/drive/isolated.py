"""Runs a module in a process of its own, isolated from the working folder: ``python -P isolated.py MODULE ...``.

``python -m`` puts the working folder at the front of ``sys.path``, where a project's ``token.py``, ``locust.py`` or
``perflab/`` would shadow the modules of those names. Run by path, because perflab's own folder need not be on
``sys.path`` then.
"""

from __future__ import annotations

import runpy
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def isolated(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `module` with this perflab, and without modules from the working folder."""
    return [sys.executable, "-P", __file__, module, *arguments]


def _import_perflab() -> None:
    """Import the perflab that this file belongs to, whatever else has its name."""
    home = Path(__file__).resolve().parents[1]
    spec = spec_from_file_location("perflab", home / "__init__.py", submodule_search_locations=[str(home)])
    assert spec is not None  # noqa: S101 - the file lies there
    assert spec.loader is not None  # noqa: S101
    sys.modules["perflab"] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


if __name__ == "__main__":
    _import_perflab()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
