#!/bin/sh
# Prints the Python that the virtual environment is made with: $PYTHON, else the first one on PATH that is
# new enough and can make virtual environments.
set -eu

wanted='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'

if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
else
    set -- python3 python3.13 python3.12 python3.11 python3.14
fi
for candidate; do
    # Not only found but run: a version manager's shim may stand for a version that is not there.
    if "$candidate" -c "$wanted" >/dev/null 2>&1; then
        command -v "$candidate"
        exit 0
    fi
done

echo "This needs Python 3.11 or later with venv; found: $("${PYTHON:-python3}" --version 2>&1 || echo none)." >&2
echo "Install one (on Debian and Ubuntu: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.12 ..." >&2
exit 1
