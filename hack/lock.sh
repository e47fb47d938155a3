#!/bin/sh
# Writes requirements*.txt: every package of every supported Python and platform, pinned and hashed.
# uv resolves for all of them at once; it is installed beside the project's own environment, not into it.
set -eu
cd "$(dirname "$0")/.."

python=$(hack/python.sh)
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools"
"$tools/bin/pip" install --quiet 'uv>=0.9'

lock() {
    target=$1
    shift
    "$tools/bin/uv" pip compile "$@" ${UPGRADE:+--upgrade} --universal --python-version 3.11 --generate-hashes --quiet \
        --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock' \
        --output-file "$target"
}

lock requirements.txt pyproject.toml
# What builds the project itself: the back end of pyproject.toml, and what it asks for in editable installs.
printf 'hatchling>=1.27\neditables>=0.5\n' >"$tools/build.in"
lock requirements-build.txt "$tools/build.in"
lock requirements-dev.txt pyproject.toml "$tools/build.in" --group dev --all-extras -c requirements.txt -c requirements-build.txt
