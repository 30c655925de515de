#!/usr/bin/env bash
# Checks and tests everything; arguments go to pytest: ./scripts/test.sh tests/analyse -k interval
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup-env.sh"
cd "$root"
if [ $# -eq 0 ]; then
    "$PYTHON" -m ruff check .
    "$PYTHON" -m ruff format --check .
    "$PYTHON" -m mypy
    "$environment/bin/lint-imports" --no-cache
fi
"$root/scripts/install-test-tools.sh"
exec "$PYTHON" -m pytest "$@"
