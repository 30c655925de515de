"""What git knows of a project: its commit, and the files of a ref in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from perflab.errors import UsageError
from perflab.store.scratch import scratch_folder

# Without these git might write into the repository, beside the index.
_LEAVING_NOTHING = ("-c", "core.splitIndex=false", "-c", "core.fsmonitor=false")
_OF_A_HOOK = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"})


@dataclass(frozen=True, slots=True)
class Checkout:
    """The files of one commit; `folder` is the project's folder among them."""

    folder: Path
    commit: str


@contextlib.contextmanager
def open_checkout(ref: str, root: Path) -> Iterator[Checkout]:
    """Yield the files of `ref` in the repository of `root`; they are removed at the end.

    They are the same as in a new git worktree: committed files only, according to the repository's attributes and
    filters, without submodules. Raises UsageError for an unknown ref.
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
        # With a separate index instead of a worktree, so that a kill leaves nothing behind in the repository.
        own = {"GIT_DIR": str(repository), "GIT_WORK_TREE": str(files), "GIT_INDEX_FILE": str(place / "index")}
        try:
            _git(
                files, *_LEAVING_NOTHING, "read-tree", "-u", "--reset", "--no-recurse-submodules", commit, variables=own
            )
        except subprocess.CalledProcessError as error:
            raise UsageError(f"git ref {ref!r} can't be checked out: {_why(error)}") from None
        folder = files / root.resolve().relative_to(top.resolve())
        if not folder.is_dir():
            inner = str(folder.relative_to(files))
            raise UsageError(f"git ref {ref!r} has no folder {inner!r}: run perflab where both refs have one")
        yield Checkout(folder, commit)


def git_commit(folder: Path) -> str | None:
    """Return the commit of the checkout at `folder`, with ``+changes`` where files differ; None outside of one."""
    try:
        commit = _line(folder, "rev-parse", "HEAD", timeout_s=5)
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", timeout_s=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changed else commit


def _line(folder: Path, *words: str, timeout_s: float | None = None) -> str:
    # A folder's name may end with a space.
    return os.fsdecode(_git(folder, *words, timeout_s=timeout_s)).removesuffix("\n")


def _why(error: OSError | subprocess.CalledProcessError) -> str:
    """Return git's own message, or why it could not be run."""
    text = error.stderr.decode("utf-8", "replace") if isinstance(error, subprocess.CalledProcessError) else str(error)
    return " ".join(text.split())


def _git(folder: Path, *words: str, timeout_s: float | None = None, variables: Mapping[str, str] = {}) -> bytes:
    # In a hook, git sets variables that point to another repository or index.
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, check=True, env={**kept, **variables}, timeout=timeout_s).stdout
