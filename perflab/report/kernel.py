"""The kernel that a report's notebook runs in: perflab's own interpreter, whatever kernels are installed."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets import Unicode

from perflab.drive.isolated import isolated


class OwnKernel(AsyncKernelManager):
    """Starts perflab's interpreter as a kernel, in the working folder, from which a notebook may import modules."""

    command: tuple[str, ...] = (sys.executable, "-m", "ipykernel_launcher")
    environment: ClassVar[dict[str, str]] = {}
    made: ClassVar[list[OwnKernel]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made.append(self)

    @property
    def kernel_spec(self) -> KernelSpec:
        """What to start: installed kernels are not looked at, since the one that is found may be broken."""
        command = [*self.command, "-f", "{connection_file}"]
        return KernelSpec(argv=command, env=self.environment, display_name="perflab", language="python")


class IsolatedKernel(OwnKernel):
    """The same for a notebook that imports perflab alone: no file of the working folder is taken for a module.

    Nor does anything of a person's own IPython count, such as files that are run whenever a kernel starts.
    """

    command = tuple(isolated("ipykernel_launcher"))


def kernel_class(*, isolated: bool, place: Path) -> type[OwnKernel]:
    """Return the kernel of one run; the file with its ports and its key lies in `place`."""
    base = IsolatedKernel if isolated else OwnKernel
    own = {"IPYTHONDIR": str(place / "ipython")} if isolated else {}
    traits = {"connection_file": Unicode(str(place / "kernel.json")), "environment": own, "made": []}
    return type("Kernel", (base,), traits)


def kill(kernels: type[OwnKernel]) -> None:
    """Kill the process of each kernel of this class that runs; may be called from any thread."""
    for kernel in kernels.made:
        process = getattr(kernel.provisioner, "process", None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
