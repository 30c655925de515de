"""Load test of the Platform API: `locust -f load_tests/locustfile.py -H http://localhost:8000`."""

import sys
from pathlib import Path

# Locust puts this file's folder on the path, not its parent; and an installed copy, or another project's
# package of the same name, must not win over the files beside this one. Second place, because Locust takes
# the first away again.
sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from load_tests.config import load_settings
from perflab.errors import UsageError

try:
    settings = load_settings()
except UsageError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(2)

from load_tests.users import AuthUser, GenerationUser, PaymentUser
from perflab.record import observe

# As a worker for perflab on another machine; and for Prometheus, where LOAD_TEST_PROMETHEUS_PORT is set.
observe(settings.prometheus_port, settings.prometheus_host)

__all__ = ["AuthUser", "GenerationUser", "PaymentUser"]
