"""The code that lives inside Locust: wire clock, counts, health of the generator, delivery, exporter. Never imports
pandas.

For a locustfile whose workers perflab is to take in, or that Prometheus is to watch:

    from perflab.record import observe

    observe()
"""

from __future__ import annotations


def observe(port: int | None = None, host: str | None = None) -> None:
    """Make this locustfile's workers ready for perflab, and let Prometheus watch it where a port is set.

    With a port, here or in ``LOAD_TEST_PROMETHEUS_PORT``, a plain ``locust -f locustfile.py``, alone or as a master,
    serves its figures there (at `host`, ``LOAD_TEST_PROMETHEUS_HOST`` or 127.0.0.1). A worker hands what it records to
    whichever master takes it: one that perflab has started, or one with such a port. Otherwise this does nothing.
    """
    # Here and not above: this package is also imported where Locust must not be.
    from perflab.record.recorder import attach_where_wanted

    attach_where_wanted(port, host)
