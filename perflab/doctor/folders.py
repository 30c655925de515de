"""The folders that results go to."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from perflab.doctor.finding import Finding

# A sweep of half a million requests takes some 50 MB; this is for a few of them.
LOW_MB = 500
_PROBE = bytes(64 * 1024)


def check_folder(check: str, folder: Path, option: str) -> Finding:
    """Say whether files can be written in `folder`, which `option` chooses, and how much room there is.

    A folder that does not exist yet is not made: what counts is the one that it would be made in.
    """
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    choose = f"choose another with {option}"
    try:
        if not there.is_dir():
            return Finding(check, "problem", f"{str(there)!r} is not a folder", choose)
        # A file without a name where the system has such: nothing is left of it.
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(_PROBE)
            probe.flush()
        free_mb = shutil.disk_usage(there).free / 1e6
    except OSError as error:
        return Finding(check, "problem", f"can't write in {str(there)!r}: {error.strerror}", choose)
    made = "" if there == folder else ", made when it is needed"
    found = f"{str(folder)!r}{made}: {free_mb / 1000:.1f} GB free"
    if free_mb < LOW_MB:
        return Finding(check, "warning", found, f"make room, or {choose}")
    return Finding(check, "ok", found)
