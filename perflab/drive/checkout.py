"""A git ref's files in a folder of their own, to start a target from."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perflab.errors import UsageError
from perflab.store.scratch import scratch_folder

# These would have git write into the repository beside the index.
_LEAVING_NOTHING = ("-c", "core.splitIndex=false", "-c", "core.fsmonitor=false")
_OF_A_HOOK = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"})


@dataclass(frozen=True, slots=True)
class Checkout:
    """The files of one commit; `folder` is where, in them, the project lies."""

    folder: Path
    commit: str


@contextlib.contextmanager
def open_checkout(ref: str, root: Path) -> Iterator[Checkout]:
    """Yield the files of `ref` in the repository of `root`; they are removed at the end.

    They are those of a new worktree of git's: what is committed, by the repository's attributes and filters, without
    submodules and without what was built. Raises UsageError for an unknown ref.
    """
    try:
        top, repository = (Path(_line(root, "rev-parse", word)) for word in ("--show-toplevel", "--absolute-git-dir"))
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"git ref {ref!r} can't be checked out in {str(root)!r}: {_why(error)}") from None
    try:
        commit = _line(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except subprocess.SubprocessError:
        raise UsageError(f"git ref {ref!r} is not known in {str(top)!r}: git branch -a and git log show some") from None
    with scratch_folder("checkout") as place:
        files = place / "files"
        files.mkdir()
        # With an index of its own, and not as a worktree: a kill leaves nothing behind in the repository.
        own = {"GIT_DIR": str(repository), "GIT_WORK_TREE": str(files), "GIT_INDEX_FILE": str(place / "index")}
        try:
            _git(files, *_LEAVING_NOTHING, "read-tree", "-u", "--reset", "--no-recurse-submodules", commit, **own)
        except subprocess.CalledProcessError as error:
            raise UsageError(f"git ref {ref!r} can't be checked out: {_why(error)}") from None
        folder = files / root.resolve().relative_to(top.resolve())
        if not folder.is_dir():
            inner = str(folder.relative_to(files))
            raise UsageError(f"git ref {ref!r} has no folder {inner!r}: run perflab where both refs have one")
        yield Checkout(folder, commit)


def _line(folder: Path, *words: str) -> str:
    # A folder's name may end with a blank.
    return os.fsdecode(_git(folder, *words)).removesuffix("\n")


def _why(error: OSError | subprocess.CalledProcessError) -> str:
    """Return what git says, or why it could not be asked."""
    said = error.stderr.decode("utf-8", "replace") if isinstance(error, subprocess.CalledProcessError) else str(error)
    return " ".join(said.split())


def _git(folder: Path, *words: str, **further: str) -> bytes:
    # In a hook git sets variables that would point it to another repository, or to its index.
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, check=True, env={**kept, **further}).stdout
