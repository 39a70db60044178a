#!/bin/sh
# Runs tests/side_by_side.py: the same troubles for the official Python client and for redivis-drop.
#
#   PYTHON         an interpreter that has `redivis`; without it a virtual environment is made
#   REDIVIS_DROP   the binary; without it target/debug/redivis-drop is built
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if [ -z "${REDIVIS_DROP:-}" ]; then
    cargo build --quiet --bin redivis-drop
    REDIVIS_DROP=${CARGO_TARGET_DIR:-target}/debug/redivis-drop
fi
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet redivis==0.21.1
    PYTHON=$work/venv/bin/python
fi

python3 tests/side_by_side.py --redivis-drop "$REDIVIS_DROP" --python "$PYTHON" "$@"
