"""The MCPServers of config/samples."""

from __future__ import annotations

from typing import NamedTuple

import yaml

from mcp_gateway_operator.api import names
from mcp_gateway_operator_demo.project_files import project_dir


class Sample(NamedTuple):
    """One manifest: its name, the gateway it asks for ("" for the default one) and its text."""

    name: str
    gateway_id: str
    text: str


def load_samples() -> list[Sample]:
    """Return every MCPServer manifest among the samples, in the order of the files."""
    samples = []
    for path in sorted(project_dir("config/samples").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if isinstance(document, dict) and document.get("kind") == names.KIND:
                spec = document.get("spec") or {}
                text = yaml.safe_dump(document)
                samples.append(Sample(document["metadata"]["name"], spec.get("gatewayId", "").strip(), text))
    return samples
