#!/bin/sh
# The environment in .venv/: the pinned requirements, checked by their hashes, and cordboard itself.
set -eu
cd "$(dirname "$0")/.."

python=
for name in python3 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null 2>&1 &&
        "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    echo "setup: Python 3.11 or later is missing: install it (Debian: apt-get install python3 python3-venv)" >&2
    exit 1
fi

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "setup: installing python3-venv"
        apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        echo "setup: Python's venv is missing; type: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi

echo "setup: Python packages into .venv (once)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check --no-input "$@"; }
pip install --require-hashes -r requirements/dev.txt
pip install --no-deps --no-build-isolation -e .
