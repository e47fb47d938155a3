"""Writing kubeconfig files for a local cluster."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from mcp_gateway_operator_demo.localcluster.pki import Identity, write_private

_NAME = "mcps-local"


def write_kubeconfig(
    path: Path, *, server: str, authority: bytes, user: Identity | Path, namespace: str = "default"
) -> Path:
    """Write a kubeconfig with one context and return its path. Only this user can read it.

    Args:
        path: the file to write.
        server: the API server's https address.
        authority: the certificate authority, PEM.
        user: a client certificate, or the file with a bearer token (clients read it again now and then, so it
            can be rotated).
        namespace: the context's namespace.
    """
    credentials: dict[str, Any]
    if isinstance(user, Identity):
        credentials = {
            "client-certificate-data": _encoded(user.certificate),
            "client-key-data": _encoded(user.key),
        }
    else:
        credentials = {"tokenFile": str(user.absolute())}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": _NAME,
        "clusters": [
            {
                "name": _NAME,
                "cluster": {"server": server, "certificate-authority-data": _encoded(authority)},
            }
        ],
        "users": [{"name": _NAME, "user": credentials}],
        "contexts": [
            {"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": namespace}},
        ],
    }
    return write_private(path, yaml.safe_dump(content, sort_keys=False))


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
