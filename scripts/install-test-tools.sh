#!/usr/bin/env bash
# Makes sure that the tests find Chromium with its driver, and Redis. Never fails: without them some tests are skipped.
set -uo pipefail

have() {
    command -v "$1" >/dev/null 2>&1
}

missing_packages() {
    have chromium || have google-chrome || echo chromium
    have chromedriver || echo chromium-driver
    have redis-server || echo redis-server
}

missing="$(missing_packages)"
if [ -z "$missing" ]; then
    exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi
if have apt-get && "${as_root[@]}" true 2>/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -qq >/dev/null 2>&1
    # One by one, so that a package that can't be had keeps no other from being installed.
    for package in $missing; do
        echo "installing $package for the tests (once)" >&2
        "${as_root[@]}" apt-get install -qq -y --no-install-recommends "$package" >/dev/null 2>&1
    done
    missing="$(missing_packages)"
fi
for package in $missing; do
    echo "the tests that need $package will be skipped (on Debian: apt-get install $package)" >&2
done
exit 0
