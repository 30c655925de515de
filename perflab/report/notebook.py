"""Running a notebook with parameters, by papermill, and showing it as one page, by nbconvert."""

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
from perflab.report.parameters import unknown_parameters
from perflab.store.scratch import scratch_folder

# What it says of a kernel that dies is in the error too.
logging.getLogger("papermill").addHandler(logging.NullHandler())

_TEMPLATES = Path(__file__).with_name("templates")
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
            kernels = _kernel_class(alone=isolated, place=place)
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


def export_html(notebook: Path, html: Path, title: str | None = None) -> None:
    """Write the executed `notebook` as one HTML file without its code; the file appears whole or not at all.

    `title` is the page's title, by default the notebook's own or its file name.
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


def _run_beside(kernels: type[_OwnKernel], run: Callable[[], object]) -> None:
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
                _kill(kernels)
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
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise UsageError(unknown_parameters(unknown, dict.fromkeys(known)))


def _forget_places(notebook: Path, output: Path) -> None:
    node = nbformat.read(output, as_version=4)
    node.metadata.papermill |= {"input_path": notebook.name, "output_path": output.name}
    nbformat.write(node, output)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")


class _OwnKernel(AsyncKernelManager):
    """Starts perflab's interpreter as a kernel, in the working folder, from which a notebook may import modules."""

    command: tuple[str, ...] = (sys.executable, "-m", "ipykernel_launcher")
    environment: ClassVar[dict[str, str]] = {}
    made: ClassVar[list[_OwnKernel]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made.append(self)

    @property
    def kernel_spec(self) -> KernelSpec:
        """What to start: installed kernels are not looked at, since the one that is found may be broken."""
        command = [*self.command, "-f", "{connection_file}"]
        return KernelSpec(argv=command, env=self.environment, display_name="perflab", language="python")


class _IsolatedKernel(_OwnKernel):
    """The same for a notebook that imports perflab alone: no file of the working folder is taken for a module.

    Nor does anything of a person's own IPython count, such as files that are run whenever a kernel starts.
    """

    command = tuple(isolated_command("ipykernel_launcher"))


def _kernel_class(*, alone: bool, place: Path) -> type[_OwnKernel]:
    """Return the kernel of one run; the file with its ports and its key lies in `place`."""
    base = _IsolatedKernel if alone else _OwnKernel
    own = {"IPYTHONDIR": str(place / "ipython")} if alone else {}
    traits = {"connection_file": Unicode(str(place / "kernel.json")), "environment": own, "made": []}
    return type("Kernel", (base,), traits)


def _kill(kernels: type[_OwnKernel]) -> None:
    """Kill the process of each kernel of this class that runs; may be called from any thread."""
    for kernel in kernels.made:
        process = getattr(kernel.provisioner, "process", None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
