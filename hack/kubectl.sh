#!/bin/sh
# Runs your kubectl, or where there is none the one that the local cluster uses.
set -eu

if command -v kubectl >/dev/null 2>&1; then
    exec kubectl "$@"
fi
kubectl=$("$(dirname "$0")/../.venv/bin/python" -c '
import os, sys
from mcp_gateway_operator_demo.localcluster.program_cache import cache_root, platform_key
from mcp_gateway_operator_demo.localcluster.gomodule import wrapper_module
from mcp_gateway_operator_demo.localcluster.kubectl import ensure_kubectl

print(
    ensure_kubectl(
        wrapper_module().kubernetes,
        home=cache_root() / f"kubectl-{platform_key()}",
        progress=lambda line: print(line, file=sys.stderr),
        environ=os.environ,
    )
)
')
exec "$kubectl" "$@"
