# Sourced by the other scripts: makes .venv hold what requirements.lock says, quickly when nothing has changed.
# Sets PYTHON to the environment's interpreter. Needs Python 3.11 or newer and a shell. An environment that holds it all
# already, in a container or another checkout, is named in PERFLAB_ENV and left alone.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
environment="${PERFLAB_ENV:-$root/.venv}"
PYTHON="$environment/bin/python"
stamp="$root/.venv/.perflab-installed"
if [ -n "${PERFLAB_ENV:-}" ] && [ ! -x "$PYTHON" ]; then
    echo "PERFLAB_ENV=$PERFLAB_ENV has no bin/python: unset it, or name an environment with perflab in it" >&2
    exit 2
fi

find_python() {
    local candidate
    for candidate in "${PERFLAB_PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "perflab needs Python 3.11 or newer: install it, or name it in PERFLAB_PYTHON" >&2
    return 2
}

install() {
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python "$PYTHON" "$@"
    else
        "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-compile "$@"
    fi
}

# What the environment was made from. A copied or moved checkout starts anew: scripts in .venv carry its path.
contents="$(cat "$root/requirements.lock" "$root/pyproject.toml" | cksum)"
if [ -z "${PERFLAB_ENV:-}" ] && { [ ! -x "$PYTHON" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$root"$'\n'"$contents" ]; }; then
    echo "setting up .venv" >&2
    if [ ! -x "$PYTHON" ] || [ "$(head -n 1 "$stamp" 2>/dev/null)" != "$root" ]; then
        base="$(find_python)" || exit 2
        if command -v uv >/dev/null 2>&1; then
            uv venv --quiet --clear --python "$base" "$root/.venv"
        else
            "$base" -m venv --clear "$root/.venv"
        fi
    fi
    install -r "$root/requirements.lock"
    install --no-deps --no-build-isolation -e "$root"
    # Bytecode now, on all cores, rather than in the first sweep, whose generator should not compete with a compiler.
    "$PYTHON" -m compileall -q -j 0 -x '/site-packages/.*/tests?/' "$root/.venv/lib" "$root/perflab" "$root/load_tests" >/dev/null 2>&1 || true
    printf '%s\n%s\n' "$root" "$contents" >"$stamp"
fi
