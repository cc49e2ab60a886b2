#!/bin/sh
# Make or refresh the environment in .venv from a lock file; plain python3 -m venv and pip.
#
#   sh tools/environment.sh requirements/lab.lock
#
# While packages are being written, .venv/unfinished exists. A run that finds it there was preceded
# by one that was interrupted, and starts again from nothing: half an environment never counts.
set -eu

lock=${1:?name the lock file, as in: sh tools/environment.sh requirements/lab.lock}
cd "$(dirname "$0")/.."

suits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if suits "$PYTHON"; then echo "$PYTHON"; return; fi
        echo "PYTHON=$PYTHON does not run Python 3.11, 3.12 or 3.13: name one that does." >&2
        return 1
    fi
    for candidate in python3 python3.12 python3.13 python3.11 python; do
        if suits "$candidate"; then echo "$candidate"; return; fi
    done
    echo "AIGC Lab needs Python 3.11, 3.12 or 3.13, and found none: install one, or name it, as in" \
         "'make lab PYTHON=/path/to/python3.12'." >&2
    return 1
}

if [ -e .venv/unfinished ] || { [ -d .venv ] && ! suits .venv/bin/python; }; then
    echo "The environment in .venv is unfinished or has another Python: making it anew."
    rm -rf .venv
fi

if [ ! -d .venv ]; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "This Python cannot make environments: install its venv package" \
             "(on Debian and Ubuntu: apt install python3-venv), then try again." >&2
        exit 1
    fi
    echo "Making the environment in .venv with $("$python" --version); this downloads about 1 GB once."
    mkdir .venv
    touch .venv/unfinished
    "$python" -m venv .venv
fi

touch .venv/unfinished
.venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r "$lock"
# setuptools is in the lock, so building the project itself downloads nothing more.
.venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
rm .venv/unfinished
