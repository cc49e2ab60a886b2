#!/bin/sh
# Resolve anew and write the two lock files: hashed, for Python 3.11 to 3.13 on all systems, and
# without any address (whoever installs decides where from). Needs uv; `make lock` runs this.
#
# To move one package only:   sh tools/lock.sh --upgrade-package jupyterlab
# To move all of them:        sh tools/lock.sh --upgrade
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
lock() {
    "$uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-config --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet "$@"
}
# Everything but gpu and torch, which bring gigabytes and differ by machine.
lock --extra lab --extra test --extra book --extra classroom --extra voices --output-file requirements/all.lock "$@"
# The learner's smaller set, at the same versions.
lock --extra lab --constraint requirements/all.lock --output-file requirements/lab.lock "$@"
