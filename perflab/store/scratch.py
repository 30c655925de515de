"""What exists only while something is being made, and what a kill leaves of it.

Whoever makes something in a folder of results holds that folder. Scratch in a folder
that nobody holds was left behind by a process that was killed, and the next command removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from perflab.errors import naming
from perflab.store.handover import remove_answer
from perflab.store.layout import RUN_NAME, SIDES, SWEEP_ID

Purpose = Literal["run", "report", "kernel", "results", "checkout", "calibration"]

# Results may lie in a folder with other things in it, such as the project's: nobody else gives names like these.
_OURS = ".perflab-"
_FOLDER = re.compile(rf"{re.escape(_OURS)}(?:{'|'.join(get_args(Purpose))})-\w+")
_BESIDE = re.compile(rf"{re.escape(_OURS)}[\w-]+\.\w+\.(\d+)")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a kill at any moment leaves the old or the new one; raises OSError."""
    beside = path.with_name(f"{_OURS}{path.name}.{os.getpid()}")
    try:
        with naming(path):
            beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Say that something is being made in `folder` until the block's end, or this process's end, however that comes."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # A file system without locks has no left-overs removed.
        with contextlib.suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_SH)
        yield
    finally:
        os.close(held)


@contextlib.contextmanager
def scratch_folder(purpose: Purpose, within: Path | None = None) -> Iterator[Path]:
    """Yield a new folder in `within`, by default in the system's temporary one; it is removed at the block's end."""
    place = _own_place() if within is None else within
    with hold(place), tempfile.TemporaryDirectory(prefix=f"{_OURS}{purpose}-", dir=place) as folder:
        yield Path(folder)


def clear_leftovers(runs_dir: Path) -> None:
    """Remove what killed commands have left under `runs_dir` and in the system's temporary folder.

    What can't be removed stays: it does no harm.
    """
    with contextlib.suppress(OSError):
        _clear(_own_place())
    _clear(runs_dir)


def _clear(folder: Path) -> None:
    """Clear one folder and what is known to lie in it, unless somebody is at work there."""
    with contextlib.suppress(OSError), _alone(folder):
        for entry in list(os.scandir(folder)):
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if _FOLDER.fullmatch(entry.name):
                    shutil.rmtree(path, ignore_errors=True)
                elif SWEEP_ID.fullmatch(entry.name) or entry.name in SIDES or entry.name.startswith("against-"):
                    _clear(path)
                elif RUN_NAME.fullmatch(entry.name):
                    _clear(path)
                    with contextlib.suppress(OSError):
                        remove_answer(path)
            elif (beside := _BESIDE.fullmatch(entry.name)) and not _lives(int(beside[1])):
                with contextlib.suppress(OSError):
                    path.unlink()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from beginning something in `folder`; raises OSError if somebody has begun."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _own_place() -> Path:
    """Return this person's folder in the system's temporary one; raises OSError if it belongs to somebody else."""
    place = Path(tempfile.gettempdir(), f"perflab-{os.getuid()}")
    place.mkdir(mode=0o700, exist_ok=True)
    about = place.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise PermissionError(f"{str(place)!r} is not this user's own folder: remove it, or set TMPDIR")
    return place
