#!/usr/bin/env bash
# Sweeps the reference Platform API at 100, 250, 500 and 1000 users, short enough for a first look, and writes a report.
# Arguments go to `perflab sweep`: ./scripts/sweep.sh --users 100,250 --duration 10s
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup-env.sh"
cd "$root"
# What is given by option or variable goes before these. What is loaded is said in .env.load-testing.
exec "$environment/bin/perflab" sweep \
    --spawn-rate "${LOAD_TEST_SPAWN_RATE:-100}" --duration "${LOAD_TEST_DURATION_SECONDS:-25}" "$@"
