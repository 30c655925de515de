"""Scratch files and folders that exist only while something is being made, and their removal after a kill.

A process that makes something in a folder of results holds that folder. Scratch in a folder that nobody holds was left
behind by a process that was killed, and the next command removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from perflab.files import OWN_PREFIX
from perflab.store.layout import RUN_NAME, SIDES, SWEEP_ID
from perflab.store.recorder_protocol import remove_state

Purpose = Literal["run", "report", "kernel", "results", "checkout", "calibration"]

MAX_EMPTY_S = 60.0
_FOLDER = re.compile(rf"{re.escape(OWN_PREFIX)}(?:{'|'.join(get_args(Purpose))})-\w+")
_BESIDE = re.compile(rf"{re.escape(OWN_PREFIX)}[\w-]+\.\w+\.(\d+)")


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold `folder`, in which something is being made, until the end of the block or of this process."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # On a file system without locks, leftovers are not removed.
        with contextlib.suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_SH)
        yield
    finally:
        os.close(held)


@contextlib.contextmanager
def scratch_folder(purpose: Purpose, within: Path | None = None) -> Iterator[Path]:
    """Yield a new folder in `within`, by default the system's temporary folder; it is removed at the block's end."""
    place = _own_place() if within is None else within
    with hold(place), tempfile.TemporaryDirectory(prefix=f"{OWN_PREFIX}{purpose}-", dir=place) as folder:
        yield Path(folder)


def clear_leftovers(runs_dir: Path) -> None:
    """Remove what killed commands have left under `runs_dir` and in the system's temporary folder.

    Leftovers that can't be removed stay; they do no harm.
    """
    with contextlib.suppress(OSError):
        _clear(_own_place())
    _clear(runs_dir)


def _clear(folder: str | Path) -> None:
    """Clear a folder and known folders in it, unless a process holds it."""
    with contextlib.suppress(OSError), _locked(folder):
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                if _FOLDER.fullmatch(entry.name):
                    shutil.rmtree(entry.path, ignore_errors=True)
                elif SWEEP_ID.fullmatch(entry.name) or entry.name in SIDES or entry.name.startswith("against-"):
                    _clear(entry.path)
                    # A kill before the first file leaves it empty. One that was made just now will be held soon.
                    with contextlib.suppress(OSError):
                        if time.time() - entry.stat().st_mtime > MAX_EMPTY_S:
                            Path(entry.path).rmdir()
                elif RUN_NAME.fullmatch(entry.name):
                    _clear(entry.path)
                    with contextlib.suppress(OSError):
                        remove_state(Path(entry.path))
            elif (beside := _BESIDE.fullmatch(entry.name)) and not _is_alive(int(beside[1])):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


@contextlib.contextmanager
def _locked(folder: str | Path) -> Iterator[None]:
    """Keep other processes from holding `folder`; raises OSError if one does."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _own_place() -> Path:
    """Return this user's folder in the system's temporary folder; raises OSError if it belongs to somebody else."""
    place = Path(tempfile.gettempdir(), f"perflab-{os.getuid()}")
    place.mkdir(mode=0o700, exist_ok=True)
    about = place.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise PermissionError(f"{str(place)!r} is not this user's own folder: remove it, or set TMPDIR")
    return place
