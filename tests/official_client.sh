#!/bin/sh
# Runs tests/official_client.py against a practice server of its own, on a free loopback port.
#
#   PYTHON         an interpreter that has `redivis`; without it a virtual environment is made
#   REDIVIS_DROP   the binary; without it target/debug/redivis-drop is built
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
server=
end() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap end EXIT
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

"$REDIVIS_DROP" sandbox --listen 127.0.0.1:0 --dir "$work/sandbox" --token practice \
    >"$work/out" 2>"$work/err" &
server=$!
endpoint=
for _ in $(seq 100); do
    endpoint=$(sed -n 's/^listening on //p' "$work/out")
    [ -z "$endpoint" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if [ -z "$endpoint" ]; then
    echo "the practice server did not start:" >&2
    cat "$work/err" >&2
    exit 1
fi

"$PYTHON" tests/official_client.py --endpoint "$endpoint" --token practice --daemon "$REDIVIS_DROP"
