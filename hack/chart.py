"""Writes what the Helm chart and kustomize take from elsewhere, so that it is said in one place.

    python hack/chart.py           writes it
    python hack/chart.py --check   exits 1 with the difference when a file is not what its source says

The chart's CRDs come from `config/crd`, its admission policy from `config/admission`, its alerts from
`config/prometheus`, the values in its README from `values.yaml` and the comments there, the versions of
chart and image from the package.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

import mcp_gateway_operator
from mcp_gateway_operator.controller.metrics.declared import DECLARED
from mcp_gateway_operator.runtime.controller_metrics import DECLARED as OF_CONTROLLERS

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "hack"))

from dashboard import dashboard  # noqa: E402  -- beside this script, also where that is loaded by its path

CHART = ROOT / "helm" / "mcp-gateway-operator"
BEGIN = "<!-- values: written by hack/chart.py -->"
END = "<!-- end of values -->"

NAMESPACE = "@namespace@"
"""Stands in the alerts for the release's namespace."""

_NAMES = "|".join(metric.name for metric in (*DECLARED, *OF_CONTROLLERS))
_METRIC = re.compile(rf"\b({_NAMES})\b(?:\{{([^}}]*)\}})?")
_CRDS = {
    "crd": "mcpgateway.bedrock.aws_mcpservers.yaml",
    "crd-mcpgateways": "mcpgateway.bedrock.aws_mcpgateways.yaml",
}


def expected() -> dict[Path, str]:
    """Return each written file with the text it should have."""
    version = mcp_gateway_operator.__version__
    chart = _substitute((CHART / "Chart.yaml").read_text(), r"^version: .*$", f"version: {version}")
    readme = (CHART / "README.md").read_text()
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    manager = ROOT / "config" / "manager" / "kustomization.yaml"
    return {
        CHART / "files" / "defaults.yaml": _defaults(),
        CHART / "files" / "alerts.yaml": _alerts(),
        CHART / "files" / "dashboard.json": dashboard(),
        ROOT / "config" / "prometheus" / "dashboard.json": dashboard(),
        **{
            CHART / "files" / f"{name}{end}.yaml": (ROOT / "config/crd" / folder / source).read_text()
            for name, source in _CRDS.items()
            for folder, end in (("bases", ""), ("legacy", "-legacy"))
        },
        **{
            CHART / "files" / f"admission-{name}.yaml": (ROOT / f"config/admission/{name}.yaml").read_text()
            for name in ("policy", "binding")
        },
        CHART / "Chart.yaml": _substitute(chart, r"^appVersion: .*$", f'appVersion: "{version}"'),
        CHART / "README.md": f"{before}{BEGIN}\n\n{_table()}\n{END}{after}",
        manager: _substitute(manager.read_text(), r"^    newTag: .*$", f"    newTag: {version}"),
    }


def _defaults() -> str:
    """Return the values for the templates, which cannot read `values.yaml` themselves."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return f"# Written by hack/chart.py from values.yaml.\n{yaml.safe_dump(values, sort_keys=False)}"


def _alerts() -> str:
    """Return the groups of alerts, with each metric looked for in the release's namespace alone."""
    groups = yaml.safe_load((ROOT / "config/prometheus/rules.yaml").read_text())["spec"]["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        rule["expr"] = _METRIC.sub(_in_namespace, rule["expr"])
    text = yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000)
    return f"# Written by hack/chart.py from config/prometheus/rules.yaml.\n{text}"


def _in_namespace(found: re.Match[str]) -> str:
    """Return a metric with one more matcher; the template knows the namespace."""
    matchers = [f'namespace="{NAMESPACE}"', *([found[2]] if found[2] else [])]
    return f"{found[1]}{{{','.join(matchers)}}}"


def documented_values(text: str) -> Iterator[tuple[str, str, object]]:
    """Yield (dotted name, comment, default) of each value that has a comment above it in `values.yaml`."""
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)  # values.yaml is a mapping
    yield from _walk(root, yaml.safe_load(text), text.splitlines(), prefix="")


def _walk(
    node: yaml.MappingNode, values: dict[str, object], lines: list[str], *, prefix: str
) -> Iterator[tuple[str, str, object]]:
    for key, child in node.value:
        name = f"{prefix}{key.value}"
        comment = _comment_above(lines, key.start_mark.line)
        value = values[key.value]
        if comment:
            yield name, comment, value
        elif isinstance(child, yaml.MappingNode) and isinstance(value, dict):
            yield from _walk(child, value, lines, prefix=f"{name}.")


def _comment_above(lines: list[str], number: int) -> str:
    found: list[str] = []
    for line in reversed(lines[:number]):
        if not line.lstrip().startswith("#"):
            break
        found.insert(0, line.strip().lstrip("# "))
    return " ".join(found)


def _table() -> str:
    rows = ["| Value | Default | Meaning |", "| --- | --- | --- |"]
    for name, comment, default in documented_values((CHART / "values.yaml").read_text()):
        meaning = comment.replace("|", r"\|")
        rows.append(f"| `{name}` | `{json.dumps(default)}` | {meaning} |")
    return "\n".join(rows) + "\n"


def _substitute(text: str, pattern: str, replacement: str) -> str:
    changed, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{pattern!r} should match one line and matches {count}")
    return changed


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` compare them."""
    status = 0
    for path, wanted in expected().items():
        found = path.read_text() if path.exists() else ""
        if found == wanted:
            continue
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted)
            continue
        name = str(path.relative_to(ROOT))
        sys.stdout.writelines(
            difflib.unified_diff(
                found.splitlines(keepends=True), wanted.splitlines(keepends=True), name, f"{name} (generated)"
            )
        )
        status = 1
    if status:
        print("Run `make manifests` and commit what it writes.", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
