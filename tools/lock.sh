#!/bin/sh
# Pins the requirements with hashes. Needs uv on the path (pip install uv).
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --no-header "$@" pyproject.toml -o "$out"
}
compile requirements/run.txt --group build
compile requirements/dev.txt --group build --group dev
