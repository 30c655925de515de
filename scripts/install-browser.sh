#!/usr/bin/env bash
# Makes sure that the browser tests find Chromium and its driver. Never fails: without them those tests are skipped.
set -uo pipefail
packages="chromium chromium-driver"
if command -v chromedriver >/dev/null 2>&1 && { command -v chromium || command -v google-chrome; } >/dev/null 2>&1; then
    exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi
if command -v apt-get >/dev/null 2>&1 && "${as_root[@]}" true 2>/dev/null; then
    echo "installing $packages for the browser tests (once)" >&2
    export DEBIAN_FRONTEND=noninteractive
    if "${as_root[@]}" apt-get update -qq >/dev/null 2>&1 &&
        "${as_root[@]}" apt-get install -qq -y --no-install-recommends $packages >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "no Chromium here, the browser tests will be skipped: install $packages (on Debian: apt-get install $packages)" >&2
exit 0
