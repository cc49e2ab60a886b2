#!/bin/sh
# Make or refresh the environment in .venv from requirements/NAME.lock, by plain venv and pip.
#
#   sh tools/environment.sh lab     what the notebooks need
#   sh tools/environment.sh all     that, and what the tests and the book need
#
# .venv/complete-NAME says which lock file, project file and folder the environment belongs to; where
# it agrees, nothing is done. While packages are being written, .venv/unfinished exists: a run that
# finds it was preceded by one that was interrupted, and starts from nothing, so that half an
# environment never counts as a whole one.
set -eu

name=${1:?say which: lab or all}
cd "$(dirname "$0")/.."
lock=requirements/$name.lock

suits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if suits "$PYTHON"; then echo "$PYTHON"; return; fi
        echo "PYTHON=$PYTHON is not Python 3.11, 3.12 or 3.13: name one that is." >&2
        return 1
    fi
    for candidate in python3 python3.12 python3.13 python3.11 python; do
        if suits "$candidate"; then echo "$candidate"; return; fi
    done
    echo "AIGC Lab needs Python 3.11, 3.12 or 3.13 and found none: install one, or name it, as in" \
         "'make lab PYTHON=/path/to/python3.12'." >&2
    return 1
}

fingerprint() {
    cksum "requirements/$1.lock" pyproject.toml
    pwd
}

complete() {
    [ -e ".venv/complete-$1" ] && [ ! -e .venv/unfinished ] && suits .venv/bin/python &&
        [ "$(cat ".venv/complete-$1")" = "$(fingerprint "$1")" ]
}

if complete "$name"; then exit 0; fi

if [ -e .venv/unfinished ] || { [ -e .venv ] && ! suits .venv/bin/python; }; then
    echo "The environment in .venv is unfinished or its Python is gone: making it anew."
    rm -rf .venv
fi

if [ ! -e .venv ]; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "This Python cannot make environments: install its venv package (on Debian and Ubuntu:" \
             "apt install python3-venv), then try again." >&2
        exit 1
    fi
    echo "Making the environment in .venv; this takes a few minutes and about 4 GB of disk, once."
    mkdir .venv
    touch .venv/unfinished
    "$python" -m venv .venv
fi

touch .venv/unfinished
echo "Installing the packages of $lock ..."
.venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r "$lock"
# setuptools is in the lock, so installing the project itself downloads nothing more.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
fingerprint "$name" > ".venv/complete-$name"
# Whatever is in lab.lock is in all.lock, at the same version.
if [ "$name" = all ]; then fingerprint lab > .venv/complete-lab; fi
rm .venv/unfinished
echo "The environment is ready."
