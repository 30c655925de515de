"""Running a notebook with parameters, by papermill."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from perflab.errors import PerflabError, UsageError
from perflab.report.export import export_html
from perflab.report.kernel import OwnKernel, kernel_class, kill
from perflab.report.parameters import unknown_parameters
from perflab.store.scratch import scratch_folder

# What it says of a kernel that dies is in the error too.
logging.getLogger("papermill").addHandler(logging.NullHandler())

_KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


class NotebookError(PerflabError):
    """A cell of the notebook failed; its output so far is kept as notebook and HTML."""


def run_notebook(
    notebook: Path, output: Path, parameters: Mapping[str, Any] | None = None, *, isolated: bool = False
) -> None:
    """Run `notebook` with `parameters` in a fresh kernel and write it with its results to `output`.

    `isolated` notebooks can't import modules of the working folder. Raises UsageError for an unknown parameter before
    anything runs. When a cell fails, what there is is written to `output` and beside it as HTML, and NotebookError
    names the cell's error; it is also raised when the kernel dies.
    """
    given = dict(parameters or {})
    node = _read(notebook)
    _check_known(node, given)
    try:
        with scratch_folder("kernel") as place:
            kernels = kernel_class(isolated=isolated, place=place)
            _run_beside(
                kernels,
                lambda: papermill.execute_notebook(
                    node,
                    # papermill fills braces in a path with parameters; here a brace is a brace.
                    str(output).replace("{", "{{").replace("}", "}}"),
                    given,
                    kernel_name=_KERNEL["name"],
                    language=_KERNEL["language"],
                    progress_bar=False,
                    request_save_on_cell_execute=False,
                    kernel_manager_class=kernels,
                    extra_arguments=["--log-level=CRITICAL"],
                ),
            )
    except PapermillExecutionError as error:
        _forget_places(notebook, output)
        page = output.with_suffix(".html")
        export_html(output, page)
        raise NotebookError(
            f"{notebook.name} failed with {error.ename}: {_first_line(error.evalue)}; see {page}"
        ) from None
    except RuntimeError as error:
        # Also nbclient's DeadKernelError, which is one.
        raise NotebookError(f"{notebook.name} could not be run: {_first_line(str(error))}") from None
    _forget_places(notebook, output)


def _run_beside(kernels: type[OwnKernel], run: Callable[[], object]) -> None:
    """Run a notebook in another thread; if this one is interrupted, the kernel is killed.

    In the main thread nbclient would take SIGINT and SIGTERM from whoever handles them, and leave neither handled.
    """
    with concurrent.futures.ThreadPoolExecutor(1, "notebook") as thread:
        done = thread.submit(_with_its_loop_closed, run)
        try:
            done.result()
        finally:
            # The kernel may only be starting: a kill is then too early.
            while not done.done():
                kill(kernels)
                concurrent.futures.wait([done], timeout=0.1)


def _with_its_loop_closed(run: Callable[[], object]) -> None:
    try:
        run()
    finally:
        # The one that jupyter_core has made for this thread and leaves open.
        asyncio.get_event_loop_policy().get_event_loop().close()


def _read(notebook: Path) -> Any:
    try:
        node = nbformat.read(notebook, as_version=4)
    except FileNotFoundError:
        raise UsageError(f"notebook {str(notebook)!r} does not exist") from None
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        raise UsageError(f"notebook {str(notebook)!r} can't be read: {_first_line(str(error))}") from None
    node.metadata.setdefault("kernelspec", dict(_KERNEL))
    return node


def _check_known(node: Any, parameters: Mapping[str, Any]) -> None:
    known = papermill.inspect_notebook(node)
    strays = [name for name in parameters if name not in known]
    if strays:
        raise UsageError(unknown_parameters(strays, dict.fromkeys(known)))


def _forget_places(notebook: Path, output: Path) -> None:
    node = nbformat.read(output, as_version=4)
    node.metadata.papermill |= {"input_path": notebook.name, "output_path": output.name}
    nbformat.write(node, output)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")
