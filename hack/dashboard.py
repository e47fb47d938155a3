"""The Grafana dashboard, as a table of panels: `hack/chart.py` writes it as JSON for chart and kustomize."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

N = 'namespace=~"$namespace"'
RATE = "[$__rate_interval]"
WIDTH, HEIGHT, COLUMNS = 8, 8, 24


class Panel(NamedTuple):
    """One panel: its title, Grafana's unit, its queries with their legends, and its kind."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


ROWS: dict[str, tuple[Panel, ...]] = {
    "Fleet": (
        Panel("MCPServers", "short", ((f"sum by (ready) (mcps_objects{{{N}}})", "Ready={{ready}}"),)),
        Panel(
            "Not Ready, by reason",
            "short",
            ((f'sum by (reason) (mcps_objects{{{N},ready!="True"}}) or vector(0)', "{{reason}}"),),
        ),
        Panel(
            "Oldest that is not Ready, by reason",
            "s",
            ((f"max by (reason) (mcps_oldest_not_ready_seconds{{{N}}}) or vector(0)", "{{reason}}"),),
        ),
        Panel(
            "Turns of Ready an hour",
            "short",
            ((f"sum by (to) (rate(mcps_ready_transitions_total{{{N}}}{RATE})) * 3600", "to {{to}}"),),
        ),
        Panel(
            "Drift repaired an hour",
            "short",
            ((f"sum by (kind) (rate(mcps_drift_repairs_total{{{N}}}{RATE})) * 3600", "{{kind}}"),),
        ),
        Panel("Fought over", "short", ((f"max(mcps_fought_over_objects{{{N}}})", "objects"),), "stat"),
    ),
    "Gateways": (
        Panel("Targets", "short", ((f"max by (gateway) (mcps_gateway_targets{{{N}}})", "{{gateway}}"),)),
        Panel(
            "Share of the targets that AWS allows",
            "percentunit",
            (
                (
                    (
                        f"max by (gateway) (mcps_gateway_targets{{{N}}}) "
                        f"/ scalar(max(mcps_gateway_targets_limit{{{N}}}))"
                    ),
                    "{{gateway}}",
                ),
            ),
        ),
        Panel("MCPServers", "short", ((f"max by (gateway) (mcps_gateway_objects{{{N}}})", "{{gateway}}"),)),
        Panel(
            "Not listed since",
            "s",
            (
                (
                    f"time() - max by (gateway) (mcps_gateway_last_list_timestamp_seconds{{{N}}})",
                    "{{gateway}}",
                ),
            ),
        ),
        Panel(
            "Latest List succeeded",
            "short",
            ((f"min by (gateway) (mcps_gateway_healthy{{{N}}})", "{{gateway}}"),),
        ),
        Panel(
            "Orphaned and retained targets",
            "short",
            ((f"sum by (gateway) (mcps_orphaned_targets{{{N}}})", "{{gateway}}"),),
        ),
    ),
    "MCPGateways": (
        Panel(
            "MCPGateways, by state",
            "short",
            ((f"sum by (reason) (mcps_classes{{{N}}})", "{{reason}}"),),
        ),
        Panel(
            "MCPServers that they decide about",
            "short",
            ((f"sum by (state) (mcps_class_objects{{{N}}})", "{{state}}"),),
        ),
        Panel("As known here", "short", ((f"min(mcps_classes_known{{{N}}})", "known"),), "stat"),
    ),
    "AWS calls and quotas": (
        Panel(
            "Calls a second",
            "reqps",
            ((f"sum by (operation) (rate(mcps_aws_requests_total{{{N}}}{RATE}))", "{{operation}}"),),
        ),
        Panel(
            "Failed calls a second, by code",
            "reqps",
            (
                (
                    f'sum by (code) (rate(mcps_aws_requests_total{{{N},code!="OK"}}{RATE})) or vector(0)',
                    "{{code}}",
                ),
            ),
        ),
        Panel(
            "Writes an hour, by cause",
            "short",
            ((f"sum by (cause) (rate(mcps_aws_writes_total{{{N}}}{RATE})) * 3600", "{{cause}}"),),
        ),
        Panel(
            "95 of 100 calls take at most",
            "s",
            (
                (
                    (
                        "histogram_quantile(0.95, sum by (le, operation) "
                        f"(rate(mcps_aws_request_duration_seconds_bucket{{{N}}}{RATE})))"
                    ),
                    "{{operation}}",
                ),
            ),
        ),
        Panel(
            "Longest wait for a turn",
            "s",
            ((f"max by (lane) (mcps_aws_queue_age_seconds{{{N}}})", "{{lane}}"),),
        ),
        Panel(
            "Calls a second allowed at present",
            "reqps",
            ((f"max by (operation) (mcps_aws_rate_limit{{{N}}}) or vector(0)", "{{operation}}"),),
        ),
    ),
    "The operator": (
        Panel(
            "State",
            "short",
            (
                (f'max(leader_election_master_status{{{N},name="b89ac0a6.bedrock.aws"}})', "leads"),
                (f"min(mcps_aws_credentials_valid{{{N}}})", "credentials"),
                (f"max(mcps_fence_shut_seconds{{{N}}}) > bool 0", "fence shut"),
                (f'max(mcps_guard_leases{{{N},state="other"}})', "another works"),
                (f"max(mcps_unserved_fields{{{N}}})", "fields the CRD lacks"),
            ),
            "stat",
        ),
        Panel(
            "Passes a second, by result",
            "ops",
            (
                (
                    (
                        "sum by (result) "
                        f'(rate(controller_runtime_reconcile_total{{{N},controller="mcpserver"}}{RATE}))'
                    ),
                    "{{result}}",
                ),
            ),
        ),
        Panel("Objects due", "short", ((f'max(workqueue_depth{{{N},controller="mcpserver"}})', "due"),)),
        Panel(
            "Requests to the API server a second, by code",
            "reqps",
            (
                (
                    f"sum by (code) (rate(rest_client_requests_total{{{N}}}{RATE})) or vector(0)",
                    "{{code}}",
                ),
            ),
        ),
        Panel(
            "Memory",
            "bytes",
            (
                (
                    f"process_resident_memory_bytes{{{N}}} and on (namespace, pod) mcps_build_info{{{N}}}",
                    "{{pod}}",
                ),
            ),
        ),
        Panel(
            "CPU",
            "percentunit",
            (
                (
                    (
                        f"rate(process_cpu_seconds_total{{{N}}}{RATE}) "
                        f"and on (namespace, pod) mcps_build_info{{{N}}}"
                    ),
                    "{{pod}}",
                ),
            ),
        ),
    ),
}


def dashboard() -> str:
    """Return the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for name, row in ROWS.items():
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": name, "gridPos": place, "panels": []})
        top += 1
        for number, panel in enumerate(row):
            line, column = divmod(number * WIDTH, COLUMNS)
            place = {"x": column, "y": top + line * HEIGHT, "w": WIDTH, "h": HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, place))
        top += -(-len(row) * WIDTH // COLUMNS) * HEIGHT
    body = {
        "uid": "mcp-gateway-operator",
        "title": "MCP Gateway Operator",
        "tags": ["mcp-gateway-operator"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": panels,
    }
    return json.dumps(body, indent=1) + "\n"


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "gridPos": place,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": source, "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }


def _variables() -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
        {
            "name": "namespace",
            "type": "query",
            "label": "Namespace of the operator",
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "query": "label_values(mcps_build_info, namespace)",
            "refresh": 2,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        },
    ]
