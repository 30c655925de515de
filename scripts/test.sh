#!/usr/bin/env bash
# Checks and tests everything; arguments go to pytest: ./scripts/test.sh tests/analyse -k interval
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup-env.sh"
cd "$root"
# Most tests wait for real processes most of the time. Those of one file share servers, so they stay together.
if [ $# -eq 0 ]; then
    set -- -n "${PERFLAB_TEST_PROCESSES:-3}" --dist loadfile
    "$PYTHON" -m ruff check .
    "$PYTHON" -m ruff format --check .
    "$PYTHON" -m mypy
    "$environment/bin/lint-imports" --no-cache
fi
"$root/scripts/install-test-tools.sh"
exec "$PYTHON" -m pytest "$@"
