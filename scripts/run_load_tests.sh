#!/usr/bin/env bash
# Load-tests the Platform API: ./scripts/run_load_tests.sh --help says how. Sets up its environment by itself.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup-env.sh"
# Relative paths are the caller's: --output ./reports means here.
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m load_tests.run "$@"
