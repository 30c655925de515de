"""A git ref's files in a folder of their own, to start a target from."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perflab.errors import UsageError
from perflab.store.scratch import scratch_folder


@dataclass(frozen=True, slots=True)
class Checkout:
    """The files of one commit; `folder` is where, in them, the project lies."""

    folder: Path
    commit: str


@contextlib.contextmanager
def open_checkout(ref: str, root: Path) -> Iterator[Checkout]:
    """Yield the files of `ref` in the repository of `root`; they are removed at the end.

    Only what is committed is there: no submodules, nothing that was built. Raises UsageError for an unknown ref.
    """
    try:
        top = Path(_git(root, "rev-parse", "--show-toplevel").decode().strip())
    except (OSError, subprocess.SubprocessError):
        raise UsageError(f"{str(root)!r} is not in a git repository, so {ref!r} can't be checked out there") from None
    try:
        found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except subprocess.SubprocessError:
        raise UsageError(f"git ref {ref!r} is not known in {str(top)!r}: git branch -a and git log show some") from None
    commit = found.decode().strip()
    with scratch_folder("checkout") as place:
        # An archive and not a worktree: a kill leaves nothing behind in the repository.
        with tarfile.open(fileobj=io.BytesIO(_git(top, "archive", commit))) as archive:
            archive.extractall(place, filter="data")
        folder = place / root.resolve().relative_to(top.resolve())
        if not folder.is_dir():
            inner = str(folder.relative_to(place))
            raise UsageError(f"git ref {ref!r} has no folder {inner!r}: run perflab where both refs have one")
        yield Checkout(folder, commit)


def _git(folder: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=True).stdout
