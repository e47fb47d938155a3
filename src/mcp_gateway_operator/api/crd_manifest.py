"""The CustomResourceDefinition, rendered from the types.

Two variants have the same types. The strict one carries all rules and needs Kubernetes 1.30, which lets
objects that break a newer rule be updated and deleted all the same (CRDValidationRatcheting). The legacy one
is for Kubernetes 1.19 to 1.29 and asks no more of the Go operator's fields than its CRD did.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api import names, rules
from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.schema import Field, Node, Rule, describe
from mcp_gateway_operator.api.types import MCPServer

_CONDITION = '.status.conditions[?(@.type=="{}")].{}'
_UNSEEN: Final = {"observedGeneration": -1}
"""Status of an object that no operator has looked at yet.

kstatus takes an object without any status for current, and one whose generation was not observed for one in
progress; Flux's own resources have the same default.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomKind:
    """What the CRD of a kind is made of.

    Attributes:
        columns: name, type, path and priority of each printer column.
        rules: on the object as a whole.
        nullable: null is kept wherever a field may be absent, for templates that write it; what it means
            there is said by whoever reads the object.
    """

    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    scope: str
    structure: type[msgspec.Struct]
    description: str
    columns: tuple[tuple[str, str, str, int], ...]
    rules: tuple[Rule, ...] = ()
    nullable: bool = False

    @property
    def name(self) -> str:
        """The CRD's name."""
        return f"{self.plural}.{names.GROUP}"


MCPSERVER: Final = CustomKind(
    kind=names.KIND,
    plural=names.PLURAL,
    singular=names.SINGULAR,
    short_names=names.SHORT_NAMES,
    scope="Namespaced",
    structure=MCPServer,
    description="MCPServer registers one MCP server as a target of an AWS Bedrock AgentCore gateway and "
    "keeps the target in step with the spec until the object is deleted.",
    columns=(
        ("Endpoint", "string", ".spec.endpoint", 0),
        ("Status", "string", ".status.targetStatus", 0),
        ("Ready", "string", _CONDITION.format("Ready", "status"), 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Reason", "string", _CONDITION.format("Ready", "reason"), 1),
        ("Target ID", "string", ".status.targetId", 1),
        ("Gateway", "string", ".status.gatewayId", 1),
        ("Synced", "string", _CONDITION.format("Synced", "status"), 1),
        ("Message", "string", _CONDITION.format("Ready", "message"), 1),
    ),
    rules=rules.OBJECT,
    nullable=True,
)
MCPGATEWAY: Final = CustomKind(
    kind=names.CLASS_KIND,
    plural=names.CLASS_PLURAL,
    singular=names.CLASS_SINGULAR,
    short_names=names.CLASS_SHORT_NAMES,
    scope="Cluster",
    structure=MCPGateway,
    description="MCPGateway names one AWS Bedrock AgentCore gateway and says which namespaces may have "
    "targets there, and what for. It belongs to the platform team: whoever may write it decides for all.",
    columns=(
        ("Accepted", "string", _CONDITION.format("Accepted", "status"), 0),
        ("Ready", "string", _CONDITION.format("Ready", "status"), 0),
        ("Targets", "integer", ".status.targets.used", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Account", "string", ".status.account", 1),
        ("Region", "string", ".status.region", 1),
        ("URL", "string", ".status.gatewayUrl", 1),
        ("Message", "string", _CONDITION.format("Accepted", "message"), 1),
    ),
    # Else the API server would drop it: of a selector with an unset label everybody would be left.
    nullable=True,
)
KINDS: Final = (MCPSERVER, MCPGATEWAY)
NAME: Final = MCPSERVER.name


def custom_resource_definition(kind: CustomKind = MCPSERVER, *, legacy: bool = False) -> dict[str, Any]:
    """Return a kind's CRD as plain JSON: the strict variant, or the one for Kubernetes before 1.30."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.name},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
            },
            "scope": kind.scope,
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*each) for each in kind.columns],
                    "schema": {"openAPIV3Schema": _root(kind, legacy=legacy)},
                }
            ],
        },
    }


def _column(name: str, kind: str, path: str, priority: int) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    if priority:
        column["priority"] = priority
    return column


def _root(kind: CustomKind, *, legacy: bool) -> dict[str, Any]:
    tree = describe(kind.structure)
    spec = schema(tree.properties["spec"], legacy=legacy)
    root: dict[str, Any] = {
        "type": "object",
        "description": kind.description,
        "properties": {
            "apiVersion": {
                "type": "string",
                "description": f"Version of this schema: {names.GROUP}/{names.VERSION}.",
            },
            "kind": {"type": "string", "description": f"Always {kind.kind}."},
            "metadata": {"type": "object"},
            "spec": _nullable(spec, legacy=legacy) if kind.nullable else spec,
            "status": schema(tree.properties["status"], legacy=legacy) | {"default": dict(_UNSEEN)},
        },
    }
    if tree.properties["spec"].field.required:
        root["required"] = ["spec"]
    if kind.rules and not legacy:
        root["x-kubernetes-validations"] = [_validation(rule) for rule in kind.rules]
    return root


def schema(node: Node, *, legacy: bool) -> dict[str, Any]:
    """Return the structural schema of `node` and what is below it."""
    field = node.field
    rendered: dict[str, Any] = {"type": "object" if node.kind == "map" else node.kind}
    if field.doc:
        rendered["description"] = _text(field)
    rendered |= dict(field.old) if legacy and field.old is not None else _limits(field)
    if node.kind == "integer":
        rendered["format"] = "int64"
    if node.kind == "object":
        rendered["properties"] = {
            name: schema(child, legacy=legacy) for name, child in node.properties.items()
        }
        required = [name for name, child in node.properties.items() if child.field.required]
        rendered |= {"required": required} if required else {}
    elif node.kind == "map" and node.item is not None:
        rendered["additionalProperties"] = schema(node.item, legacy=legacy)
    elif node.kind == "array" and node.item is not None:
        loose = legacy and field.old is not None
        rendered["items"] = {"type": node.item.kind} if loose else schema(node.item, legacy=legacy)
        rendered["x-kubernetes-list-type"] = "map" if field.list_key else "atomic"
        rendered |= {"x-kubernetes-list-map-keys": [field.list_key]} if field.list_key else {}
    if field.rules and not legacy:
        rendered["x-kubernetes-validations"] = [_validation(rule) for rule in field.rules]
    return rendered


def _nullable(rendered: dict[str, Any], *, legacy: bool) -> dict[str, Any]:
    """Let null mean absent wherever a field may be absent, in a rendered schema and all below it.

    Else server-side apply (Helm 4, Flux) refuses the null that kubectl's client-side apply leaves out. Where
    there is a default, the API server puts that in the place of null, and takes it from everybody.
    """
    required = rendered.get("required", ())
    below = rendered.get("additionalProperties")
    optional = [each for name, each in rendered.get("properties", {}).items() if name not in required]
    for child in (*optional, *((below,) if below else ())):
        if "default" not in child:
            child["nullable"] = True
            _choices(child, legacy=legacy)
    for child in (*rendered.get("properties", {}).values(), below, rendered.get("items")):
        if child:
            _nullable(child, legacy=legacy)
    return rendered


def _choices(rendered: dict[str, Any], *, legacy: bool) -> None:
    """Say an enumeration in another way: the API server finds null in none, whatever it lists."""
    values = [each for each in rendered.pop("enum", ()) if each]
    if not values:
        return
    if legacy:
        rendered["pattern"] = f"^({'|'.join(values)})?$"
        return
    cel = f"self in [{', '.join(repr(each) for each in ('', *values))}]"
    rule = {"rule": cel, "message": f"unsupported value: write one of {', '.join(values)}"}
    # Without a length the API server takes the worst case for the rule's cost.
    rendered |= {"maxLength": 64, "x-kubernetes-validations": [rule]}


def _text(field: Field) -> str:
    return f"{field.doc} Example: {field.example}" if field.example else field.doc


def _limits(field: Field) -> dict[str, Any]:
    # "" means absent: templates write it into optional fields, so their enumerations and minimums admit it.
    enum = list(field.enum) if field.required or not field.enum else ["", *field.enum]
    limits = {
        "default": field.default,
        "enum": [str(each) for each in enum] or None,
        "format": field.format or None,
        "minLength": field.min_length,
        "maxLength": field.max_length,
        "minItems": field.min_items,
        "maxItems": field.max_items,
        "maxProperties": field.max_properties,
        "minimum": field.minimum,
        "maximum": field.maximum,
    }
    return {name: value for name, value in limits.items() if value is not None}


def _validation(rule: Rule) -> dict[str, Any]:
    cel = rule.cel
    validation: dict[str, Any] = {"rule": cel, "message": rule.message}
    if rule.ratchet:
        before = re.sub(r"\bself\b", "oldSelf.value()", cel)
        validation |= {"rule": f"({cel}) || (oldSelf.hasValue() && !({before}))", "optionalOldSelf": True}
    if rule.field:
        validation["fieldPath"] = f".{rule.field}"
    if rule.reason != "FieldValueInvalid":
        validation["reason"] = rule.reason
    return validation


def to_yaml(manifest: dict[str, Any]) -> str:
    """Return a manifest as YAML text, in the order of its keys."""
    import yaml  # noqa: PLC0415  -- only commands that print manifests pay for the import

    return yaml.safe_dump(msgspec.to_builtins(manifest), sort_keys=False, width=100, allow_unicode=True)
