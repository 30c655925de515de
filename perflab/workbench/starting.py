"""Beginning: a project of one's own, a report without any, and what this machine can offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.files import write_whole
from perflab.plan.parse import parse_positive
from perflab.plan.plan import UsersLike
from perflab.progress import Style
from perflab.starter import STARTER, find_notebooks
from perflab.store.calibration import Calibration
from perflab.vocabulary.text import say
from perflab.workbench.listing import runs_folder
from perflab.workbench.sweeps import sweep

_IGNORED = "runs/"
DEMO_TARGET = "python -m perflab.calibration.server --port {port}"
"""Its latencies are drawn from a lognormal distribution: p50 40 ms, p95 113.8 ms."""


class Written(NamedTuple):
    """A file of a new project, and what became of it: ``new``, ``replaced``, ``kept`` or ``unchanged``."""

    path: Path
    state: str


def init(folder: str | Path = ".", *, replace: Callable[[Path], bool] = lambda _: False) -> list[Written]:
    """Make a folder a perflab project: a starter locustfile, objectives, settings, the notebooks, and `.gitignore`.

    `folder` is made if need be. `replace` is asked before a file that differs is replaced; by default it is kept.
    Returns one entry per file. Raises UsageError if the folder can't be written to.

        perflab.init("load-tests")
    """
    place = Path(str(folder))
    try:
        return list(_write(place, replace))
    except OSError as error:
        raise UsageError(f"{str(place)!r} can't be made a project: {error.strerror or error}", value=place) from None


def demo(
    *,
    users: UsersLike = (100, 200, 300),
    duration: float | str = "15s",
    runs_dir: str | Path | None = None,
    progress: Style = "auto",
    save: bool = True,
    report: bool = True,
) -> Sweep:
    """Run a short sweep of a small server of known latency that comes with perflab, and return its result.

    The server's p50 is 40 ms and its p95 113.8 ms, whatever the load: the report should say the same. `users`,
    `duration`, `runs_dir`, `progress`, `save` and `report` are as in `sweep`. Raises UsageError.

        perflab.demo().groups
    """
    return sweep(
        launch=DEMO_TARGET,
        health="/health",
        locustfile=STARTER / "locustfile.py",
        objectives=STARTER / "objectives.toml",
        users=users,
        spawn_rate=100,
        duration=duration,
        repeats=1,
        processes=1,
        expect_workers=0,
        locust_options="",
        label="demo",
        runs_dir=runs_dir,
        progress=progress,
        save=save,
        report=report,
    )


def calibrate(
    processes: int | str | None = None, *, runs_dir: str | Path | None = None, progress: Style = "auto"
) -> Calibration:
    """Find how much load this machine can offer before its measurements stop being true: two to three minutes.

    It loads a server of known latency, with one Locust process and with `processes`, by default as many as there are
    cores. The result is kept in `runs_dir`, by default ``LOAD_TEST_RUNS_DIR``, or the project's ``runs/``: later sweeps
    beyond it warn before they start. `progress` "none" prints nothing. Returns a ceiling per client and number of
    processes, in users and requests per second. Raises StoreError when nothing can be written.

        perflab.calibrate().ceilings
    """
    from perflab.calibration.calibration import calibrate

    count = None if processes is None else parse_positive(processes, "--processes")
    return calibrate(runs_folder(runs_dir), count, say=say if progress != "none" else lambda _: None)


def _write(folder: Path, replace: Callable[[Path], bool]) -> Iterator[Written]:
    sources = {
        "locustfile.py": STARTER / "locustfile.py",
        "objectives.toml": STARTER / "objectives.toml",
        ".env.load-testing": STARTER / "env.load-testing",
        **{f"notebooks/{path.name}": path for path in sorted(find_notebooks().glob("*.ipynb"))},
    }
    for name, source in sources.items():
        yield _place(folder / name, source.read_bytes(), replace)
    yield _ignore(folder / ".gitignore")


def _place(path: Path, content: bytes, replace: Callable[[Path], bool]) -> Written:
    state = "new"
    if path.exists():
        if path.is_file() and path.read_bytes() == content:
            return Written(path, "unchanged")
        if not replace(path):
            return Written(path, "kept")
        state = "replaced"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return Written(path, state)


def _ignore(path: Path) -> Written:
    """Add the results to what git ignores."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if _IGNORED in lines:
        return Written(path, "unchanged")
    state = "replaced" if lines else "new"
    write_whole(path, "\n".join([*lines, _IGNORED, ""]))
    return Written(path, state)
