"""The kinds of the kro pair: a stand-in for kro's own, and the graph's, made from its schema section."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import yaml

from mcp_gateway_operator_demo.localcluster import LocalCluster
from mcp_gateway_operator_demo.project_files import project_dir

Json = dict[str, Any]

SAMPLES = project_dir("config/samples")
GRAPH = SAMPLES / "kro_mcpserver_rgd.yaml"
INSTANCE = SAMPLES / "kro_mcpserver_instance.yaml"


def load(path: Path) -> Json:
    """Return the one object of a file."""
    found: Json = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def install_kinds(cluster: LocalCluster) -> None:
    """Install both kinds and the graph itself."""
    cluster.apply(Path(__file__).with_name("rgd-crd.yaml"))
    cluster.kubectl("apply", "--server-side", "--validate=strict", "--filename", str(GRAPH))
    cluster.apply(yaml.safe_dump(instance_crd(load(GRAPH))))


def instance_crd(graph: Json) -> Json:
    """Return the CRD of a graph's kind, as kro makes it from the "simple schema" in `spec.schema`."""
    schema = graph["spec"]["schema"]
    kind = schema["kind"]
    plural = f"{kind.lower()}s"
    fields = {name: _field(text) for name, text in schema["spec"].items()}
    spec: Json = {
        "type": "object",
        "required": [name for name, (required, _) in fields.items() if required],
        "properties": {name: property_ for name, (_, property_) in fields.items()},
    }
    status: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.kro.run"},
        "spec": {
            "group": "kro.run",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": schema["apiVersion"],
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "required": ["spec"],
                            "properties": {"spec": spec, "status": status},
                        }
                    },
                }
            ],
        },
    }


def _field(text: str) -> tuple[bool, Json]:
    """Read `TYPE | marker=value ...`: whether it is required, and its OpenAPI schema."""
    kind, _, markers = (part.strip() for part in text.partition("|"))
    found: Json = {"type": kind}
    if kind.startswith("[]"):
        found = {"type": "array", "items": {"type": kind.removeprefix("[]")}}
    required = False
    for marker in shlex.split(markers):
        name, _, value = marker.partition("=")
        match name:
            case "required":
                required = value == "true"
            case "description":
                found["description"] = value
            case "default":
                found["default"] = value if kind == "string" else json.loads(value)
            case "minimum" | "maximum":
                found[name] = int(value)
            case _:
                raise ValueError(
                    f"{name!r} in {text!r} is no marker that the graph used when this was written."
                )
    return required, found
