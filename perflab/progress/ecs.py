"""How a line of ``load_test.log`` is made: structlog's events as JSON with the fields of Elastic's Common Schema."""

from __future__ import annotations

import logging
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from perflab.vocabulary.redact import beginning, redact_values
from perflab.vocabulary.text import one_line, say

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

MAX_CHARACTERS = 500


class LogFile:
    """What structlog hands its lines to. Each is one write at the file's end, so a kill can tear only the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        except OSError as error:
            self._give_up(error)

    def info(self, line: str) -> None:
        """Append one line."""
        if self._fd < 0:
            return
        data = memoryview(line.encode() + b"\n")
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self._give_up(error)

    warning = error = info

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _give_up(self, error: OSError) -> None:
        self.close()
        say(f"warning: {str(self._path)!r} can't be written and ends here: {error.strerror}")


def open_logger(file: LogFile, sweep_id: str) -> FilteringBoundLogger:
    """Return a logger whose lines go to `file` and carry the sweep's id; bind further fields by their dotted names."""
    # Both are imported here because structlog brings rich. They are told everything here, because how structlog is
    # configured as a whole is the business of the program that uses perflab.
    import ecs_logging
    import structlog

    logger: FilteringBoundLogger = structlog.wrap_logger(
        file,
        processors=[_clean, cast("Processor", ecs_logging.StructlogFormatter())],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return logger.bind(**{"event.dataset": "perflab.load_test", "labels.sweep_id": sweep_id})


def _clean(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make every text of an event one line without secrets, wherever it came from."""
    return {name: _clean_value(value) for name, value in event.items()}


def _clean_value(value: object) -> object:
    if isinstance(value, str):
        return one_line(redact_values(beginning(value)), MAX_CHARACTERS)
    return [_clean_value(item) for item in value] if isinstance(value, list) else value
