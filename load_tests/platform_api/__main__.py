"""python -m load_tests.platform_api: prints one line when ready, stops on SIGINT and SIGTERM."""

import contextlib
import signal
import socket
import sys
from collections.abc import Iterator

from load_tests.platform_api.errors import StartError
from load_tests.platform_api.postgres import OwnPostgres
from load_tests.platform_api.settings import Settings, read_settings

_BACKLOG = 2048


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartError(
            f"can't listen on {settings.host} port {settings.port}: {reason};"
            " choose another --host or --port (0 is a free one)"
        ) from error


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[OwnPostgres | str]:
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
    else:
        with OwnPostgres(settings.data_dir, settings.pool_size) as own:
            yield own


def main() -> int:
    """Run the service; the exit code is 0 after a stop by signal, 2 when it can't start."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Until the event loop takes over, a signal ends the start-up through its context managers.
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        settings = read_settings(sys.argv[1:])
        with _listen(settings) as listener, _database(settings) as source:
            # While PostgreSQL starts; these imports take about as long.
            from load_tests.platform_api.server import serve

            serve(settings, source if isinstance(source, str) else source.dsn(), listener)
    except StartError as error:
        print(f"platform api: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
