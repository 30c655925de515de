"""Runs a notebook with parameters, using papermill, and exports it as one HTML page, using nbconvert."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from traitlets import Unicode
from traitlets.config import Config

from perflab.drive.isolated import isolated as isolated_command
from perflab.errors import PerflabError, UsageError
from perflab.files import write_whole
from perflab.report.parameters import refuse_unknown
from perflab.store.scratch import scratch_folder

# Keeps papermill's messages off stderr: what it logs about a dead kernel is also in the exception.
logging.getLogger("papermill").addHandler(logging.NullHandler())

_TEMPLATES = Path(__file__).with_name("templates")
_KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


class NotebookError(PerflabError):
    """A notebook could not be run to its end; if a cell failed, the output so far is kept as notebook and HTML."""


def run_notebook(
    notebook: Path, output: Path, parameters: Mapping[str, Any] | None = None, *, isolated: bool = False
) -> None:
    """Run `notebook` with `parameters` in a new kernel and write it with its results to `output`.

    An `isolated` notebook can't import modules from the working directory. Raises UsageError for an unknown parameter
    before anything runs. If a cell fails, the output so far is written to `output` and next to it as HTML, and
    NotebookError names the cell's error; NotebookError is also raised if the kernel dies.
    """
    parameter_values = dict(parameters or {})
    node = _read(notebook)
    refuse_unknown(parameter_values, papermill.inspect_notebook(node))
    try:
        with scratch_folder("kernel") as scratch:
            kernel_class = _make_kernel_class(isolated=isolated, scratch=scratch)
            _run_in_thread(
                kernel_class,
                lambda: papermill.execute_notebook(
                    node,
                    # papermill would format the path with the parameters, so braces are escaped.
                    str(output).replace("{", "{{").replace("}", "}}"),
                    parameter_values,
                    kernel_name=_KERNEL["name"],
                    language=_KERNEL["language"],
                    progress_bar=False,
                    request_save_on_cell_execute=False,
                    kernel_manager_class=kernel_class,
                    extra_arguments=["--log-level=CRITICAL"],
                ),
            )
    except PapermillExecutionError as error:
        _remove_paths(notebook, output)
        page = output.with_suffix(".html")
        export_html(output, page)
        raise NotebookError(
            f"{notebook.name} failed with {error.ename}: {_first_line(error.evalue)}; see {page}"
        ) from None
    except RuntimeError as error:
        # nbclient's DeadKernelError is a RuntimeError too.
        raise NotebookError(f"{notebook.name} could not be run: {_first_line(str(error))}") from None
    _remove_paths(notebook, output)


def export_html(notebook: Path, html: Path, title: str | None = None) -> None:
    """Write the executed `notebook` atomically as one HTML file, without its code.

    The page's `title` is by default the notebook's own title, or else its file name.
    """
    node = nbformat.read(notebook, as_version=4)
    node.metadata["title"] = title or node.metadata.get("title") or notebook.stem
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = {"howto"}
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        config=config,
        template_name="page",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
        language_code="en",
    )
    page, _ = exporter.from_notebook_node(node)
    write_whole(html, page)


def _run_in_thread(kernel_class: type[_OwnKernel], run: Callable[[], object]) -> None:
    """Run a notebook in another thread, and kill its kernel if this thread is interrupted.

    In the main thread nbclient would replace the handlers of SIGINT and SIGTERM, and then reset both to the default.
    """
    with concurrent.futures.ThreadPoolExecutor(1, "notebook") as executor:
        done = executor.submit(_run_and_close_event_loop, run)
        try:
            done.result()
        finally:
            # Repeated, because a kernel that is still starting has no process to kill yet.
            while not done.done():
                _kill_kernels(kernel_class)
                concurrent.futures.wait([done], timeout=0.1)


def _run_and_close_event_loop(run: Callable[[], object]) -> None:
    try:
        run()
    finally:
        # jupyter_core creates an event loop for this thread and never closes it.
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


def _remove_paths(notebook: Path, output: Path) -> None:
    node = nbformat.read(output, as_version=4)
    node.metadata.papermill |= {"input_path": notebook.name, "output_path": output.name}
    nbformat.write(node, output)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")


class _OwnKernel(AsyncKernelManager):
    """Starts this Python interpreter as a kernel in the working directory, from which a notebook may import modules."""

    command: tuple[str, ...] = (sys.executable, "-m", "ipykernel_launcher")
    environment: ClassVar[dict[str, str]] = {}
    instances: ClassVar[list[_OwnKernel]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instances.append(self)

    @property
    def kernel_spec(self) -> KernelSpec:
        """What to start. Installed kernel specs are ignored, because the one that Jupyter finds may be broken."""
        command = [*self.command, "-f", "{connection_file}"]
        return KernelSpec(argv=command, env=self.environment, display_name="perflab", language="python")


def _make_kernel_class(*, isolated: bool, scratch: Path) -> type[_OwnKernel]:
    """Return the kernel class for one run, whose connection file (its ports and key) is in the folder `scratch`.

    For an isolated one, files in the working directory can't shadow modules, and the user's own IPython configuration
    has no effect, such as scripts that run whenever a kernel starts.
    """
    traits: dict[str, Any] = {"connection_file": Unicode(str(scratch / "kernel.json")), "instances": []}
    if isolated:
        command = tuple(isolated_command("ipykernel_launcher"))
        traits |= {"command": command, "environment": {"IPYTHONDIR": str(scratch / "ipython")}}
    return type("Kernel", (_OwnKernel,), traits)


def _kill_kernels(kernel_class: type[_OwnKernel]) -> None:
    """Kill the processes of all kernels of this class; may be called from any thread."""
    for kernel in kernel_class.instances:
        process = getattr(kernel.provisioner, "process", None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
