"""The recorder inside Locust: wire clock, counts, generator health, delivery, exporter. Never imports pandas.

For a locustfile whose workers join a perflab run, or that Prometheus watches:

    from perflab.record import observe

    observe()
"""

from __future__ import annotations

import os


def observe(port: int | None = None, host: str | None = None) -> None:
    """Make this locustfile's workers ready for perflab, and export metrics to Prometheus if a port is set.

    With a port, here or in ``LOAD_TEST_PROMETHEUS_PORT``, a plain ``locust -f locustfile.py``, standalone or as a
    master, serves its metrics there (on `host`, ``LOAD_TEST_PROMETHEUS_HOST`` or 127.0.0.1). A worker delivers what it
    records to any master that accepts it: one started by perflab, or one with such a port. Otherwise this does nothing.
    """
    # Not at the top: this package is also imported where Locust must not be.
    from perflab.record import recorder

    for variable, value in ((recorder.PORT_VARIABLE, port), (recorder.HOST_VARIABLE, host)):
        if value:
            os.environ.setdefault(variable, str(value))
    if recorder.is_worker() or os.environ.get(recorder.PORT_VARIABLE):
        recorder.install()
