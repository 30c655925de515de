"""The notebooks as they are committed."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def notebook(request: pytest.FixtureRequest) -> dict[str, object]:
    content: dict[str, object] = json.loads(request.param.read_text(encoding="utf-8"))
    return content


def code_cells(notebook: dict[str, object]) -> list[dict[str, object]]:
    cells = notebook["cells"]
    assert isinstance(cells, list)
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_is_committed_stripped(notebook: dict[str, object]) -> None:
    for cell in code_cells(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def test_defines_nothing(notebook: dict[str, object]) -> None:
    for cell in code_cells(notebook):
        tree = ast.parse("".join(cell["source"]))  # type: ignore[arg-type]
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert not [node for node in ast.walk(tree) if isinstance(node, kinds)]


def test_papermill_itself_is_stopped_at_a_misspelt_parameter(tmp_path: Path) -> None:
    notebook = next(path for path in NOTEBOOKS if path.name == "sweep.ipynb")
    with pytest.raises(PapermillExecutionError) as failed:
        papermill.execute_notebook(
            notebook, tmp_path / "out.ipynb", {"user": 3, "sweep_id": "latest"}, progress_bar=False
        )
    assert failed.value.ename == "UsageError"
    assert failed.value.evalue.startswith("unknown notebook parameter 'user': known are target, users")


def test_sweep_parameters() -> None:
    found = papermill.inspect_notebook(next(path for path in NOTEBOOKS if path.name == "sweep.ipynb"))
    assert list(found) == [
        *(
            "target",
            "users",
            "spawn_rate",
            "duration",
            "repeats",
            "runs_dir",
            "health",
            "locust_options",
            "locustfile",
            "sweep_id",
        )
    ]
    assert all(parameter["help"] for parameter in found.values())
