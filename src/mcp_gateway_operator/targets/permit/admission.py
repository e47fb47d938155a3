"""The same permission as a ValidatingAdmissionPolicy, so that a mistake is told when it is written.

Each rule is the one of `decision` in CEL, from the same patterns, tables and words. The policy is no lock:
the reconciler decides, and a policy that is broken lets everything pass (failurePolicy Ignore), for it would
else keep finalizers from being set and removed.

An API server evaluates it once for each MCPGateway and goes on only with the one that the object names.
Costs in CEL's units: https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.mcpgateway_rules import ANYTHING, NAMESPACE, PROVIDER_NAME
from mcp_gateway_operator.api.types import AuthType
from mcp_gateway_operator.targets.permit import allowed_endpoints as endpoints
from mcp_gateway_operator.targets.permit import decision
from mcp_gateway_operator.targets.permit.fields import AS_ABSENT, SPEC_FIELDS, Treatment

POLICY_NAME: Final = "mcpgateway-permission"
_KIND: Final = "admissionregistration.k8s.io/v1"
_REF: Final = "gatewayRef.name"
_PROVIDER_FIELDS: Final = ("oauthProviderArn", "apiKey.providerArn")


def _field(path: str, of: str = "object") -> str:
    """Return a field of a spec as an optional: absent where anything on its path is."""
    return f"{of}.spec.?{path.replace('.', '.?')}"


def _text(path: str) -> str:
    return f"{_field(path)}.orValue('')"


# -- what the rules read ------------------------------------------------------------------------------------

_KINDS: Final = ", ".join(f"'{auth}': '{kind}'" for auth, kind in decision.PROVIDER_KINDS.items())
_VARIABLES: Final[Mapping[str, str]] = {
    "anew": f"request.operation == 'CREATE' || {_field(_REF)} != {_field(_REF, 'oldObject')}",
    "labels": "namespaceObject.metadata.?labels.orValue({})",
    "gateway": "params.spec.gatewayArn.split(':')",
    "authType": f"{_text('authType')} == '' ? '{AuthType.OAUTH2}' : {_text('authType')}",
    "grantType": f"{_text('oauthGrantType')} == '' ? '{decision.DEFAULT_GRANT}' : {_text('oauthGrantType')}",
    "kind": f"{{{_KINDS}}}[?variables.authType].orValue('')",
    "arn": (
        f"variables.authType == '{AuthType.OAUTH2}' ? {_text('oauthProviderArn')} :"
        f" variables.authType == '{AuthType.API_KEY}' ? {_text('apiKey.providerArn')} : ''"
    ),
    "provider": "variables.arn.split('/')[size(variables.arn.split('/')) - 1]",
    "endpoint": _text("endpoint"),
    "plainAddress": f"variables.endpoint.matches(r'^(?:{endpoints.ADDRESS})$')",
    # Of https://HOST:PORT/PATH?QUERY: what is between the slashes, and what follows.
    "parts": "variables.endpoint.split('/', 4)",
    "host": "variables.parts[2].split(':')[0]",
    "port": (
        f"variables.parts[2].contains(':') ? variables.parts[2].split(':')[1] : '{endpoints.DEFAULT_PORT}'"
    ),
    "path": "size(variables.parts) > 3 ? '/' + variables.parts[3].split('?')[0] : '/'",
    "numeric": f"variables.host.matches('{endpoints.NUMERIC}')",
    "named": f"variables.plainAddress && size(variables.host) <= {endpoints.LONGEST_HOST}",
    # As an entry may write host and port.
    "authorities": (
        f"[variables.host + ':' + variables.port] + (variables.port == '{endpoints.DEFAULT_PORT}' ?"
        " [variables.host] : [])"
    ),
    "plainPath": (
        f"!variables.path.matches('{endpoints.ESCAPES}') && !variables.path.matches('{endpoints.SEGMENTS}')"
    ),
}

# -- what no entry can permit -------------------------------------------------------------------------------

_PLACE: Final = (
    "variables.kind == '' || (['bedrock-agentcore', 'acps'].exists(s, variables.arn == 'arn:'"
    " + variables.gateway[1] + ':' + s + ':' + variables.gateway[3] + ':' + variables.gateway[4]"
    f" + ':token-vault/{decision.VAULT}/' + variables.kind + '/' + variables.provider)"
    f" && variables.provider.matches('^{PROVIDER_NAME}$'))"
)


def _denied() -> str:
    """Return the list of the fields that are written anew and never permitted."""
    denied = (path for path, treatment in SPEC_FIELDS.items() if treatment is Treatment.DENIED)
    return " + ".join(f"(({_new(path)}) && {_says(path)} ? ['spec.{path}'] : [])" for path in denied)


def _says(path: str) -> str:
    """Return when a field says more than its absence does."""
    field = _field(path)
    if path in AS_ABSENT:
        return f"!({field}.orValue('') in ['', '{AS_ABSENT[path]}'])"
    return f"{field}.hasValue() && size(dyn({field}.value())) > 0"


# -- what an entry permits ----------------------------------------------------------------------------------

_SELECTED: Final = (
    "has(a.namespaces)"
    " && a.namespaces.?matchLabels.orValue({}).all(k,"
    " k in variables.labels && variables.labels[k] == a.namespaces.matchLabels[k])"
    " && a.namespaces.?matchExpressions.orValue([]).all(e,"
    " e.operator == 'In' ? e.key in variables.labels && variables.labels[e.key] in e.?values.orValue([])"
    " : e.operator == 'NotIn' ? size(e.?values.orValue([])) > 0"
    " && !(e.key in variables.labels && variables.labels[e.key] in e.values)"
    " : e.operator == 'Exists' ? e.key in variables.labels && size(e.?values.orValue([])) == 0"
    " : e.operator == 'DoesNotExist' && !(e.key in variables.labels) && size(e.?values.orValue([])) == 0)"
)
_TAIL: Final = "variables.path.substring(size(p) - (p.endsWith('/') ? 1 : 0))"
_COVERED: Final = (
    "variables.named && a.?endpoints.orValue([]).exists(e, "
    f"e == '{ANYTHING}' ? !variables.numeric && variables.plainPath : [e.split('/', 4)].exists(t,"
    " (t[2].startsWith('*.')"
    " ? !variables.numeric && variables.authorities.exists(h, h.endsWith(t[2].substring(1)))"
    " : t[2] in variables.authorities)"
    " && [size(t) > 3 ? '/' + t[3] : '/'].exists(p, variables.path.startsWith(p)"
    f" && ({_TAIL} == '' || ({_TAIL}.startsWith('/') && (variables.plainPath"
    f" || !({_TAIL}.matches('{endpoints.ESCAPES}') || {_TAIL}.matches('{endpoints.SEGMENTS}'))))))))"
)
_NAMED: Final = (
    "variables.kind == '' || a.?providers.orValue([]).exists(e,"
    f" [e.startsWith('{NAMESPACE}') ? request.namespace + e.substring({len(NAMESPACE)}) : e].exists(n,"
    f" n.endsWith('{ANYTHING}') ? variables.provider.startsWith(n.substring(0, size(n) - 1))"
    " : n == variables.provider))"
)


def _among(field: str, variable: str) -> str:
    return f"a.?{field}.orValue([]).exists(v, v == '{ANYTHING}' || v == variables.{variable})"


_ENTRIES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "namespaces": (_SELECTED, ()),
    "authTypes": (_among("authTypes", "authType"), ("authType",)),
    "grantTypes": (
        f"variables.authType != '{AuthType.OAUTH2}' || {_among('grantTypes', 'grantType')}",
        ("oauthGrantType",),
    ),
    "endpoints": (_COVERED, ("endpoint",)),
    "providers": (_NAMED, _PROVIDER_FIELDS),
}
"""What holds for an entry `a`, and which fields of the spec it reads."""

# -- put together -------------------------------------------------------------------------------------------


_ASKS_ANEW: Final = (
    f"{_text(_REF)} == params.metadata.name && !has(object.metadata.deletionTimestamp)"
    " && (request.operation == 'CREATE' || object.spec != oldObject.spec)"
)
"""One expression: each is evaluated for every MCPGateway there is, whatever the others say."""


def admission_policy() -> dict[str, Any]:
    """Return the policy. Its variables are lazy, so a rule that is not asked costs next to nothing."""
    return {
        "apiVersion": _KIND,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": POLICY_NAME},
        "spec": {
            "failurePolicy": "Ignore",
            "paramKind": {"apiVersion": f"{names.GROUP}/{names.VERSION}", "kind": names.CLASS_KIND},
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [names.GROUP],
                        "apiVersions": [names.VERSION],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": [names.PLURAL],
                    }
                ]
            },
            "matchConditions": [{"name": "asks-anew-of-the-mcpgateway", "expression": _ASKS_ANEW}],
            "variables": [
                {"name": name, "expression": text}
                for name, text in [*_VARIABLES.items(), ("denied", _denied()), *_filters()]
            ],
            "validations": list(_validations()),
        },
    }


def admission_binding() -> dict[str, Any]:
    """Return the binding: every MCPGateway is a parameter, and where there is none all is admitted."""
    return {
        "apiVersion": _KIND,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY_NAME},
        "spec": {
            "policyName": POLICY_NAME,
            "paramRef": {"selector": {}, "parameterNotFoundAction": "Allow"},
            "validationActions": ["Deny"],
        },
    }


def _filters() -> Iterator[tuple[str, str]]:
    """Yield the entries that the rules leave, one after the other; the first that leaves none speaks."""
    left = "params.spec.?allow.orValue([])"
    for name, (holds, _) in _ENTRIES.items():
        yield f"{name}Entries", f"{left}.filter(a, {holds})"
        left = f"variables.{name}Entries"


def _validations() -> Iterator[dict[str, str]]:
    yield _validation("size(variables.denied) == 0", _said(decision.DENIED_WORDS))
    region = f"{_text('iam.region')} in ['', variables.gateway[3]]"
    yield _validation(_asked(region, "iam.region"), _said(decision.REGION_WORDS))
    yield _validation(_asked(_PLACE, "authType", *_PROVIDER_FIELDS), _said(decision.PLACE_WORDS))
    reads = [field for _, fields in _ENTRIES.values() for field in fields]
    *before, last = [(name, _said(words)) for name, _, words in decision.ENTRY_RULES]
    why = "".join(f"size(variables.{name}Entries) == 0 ? {words} : " for name, words in before) + last[1]
    permitted = f"size(variables.{last[0]}Entries) > 0"
    yield _validation(_asked(permitted, *reads), f"({why})", remedy=f" {decision.REMEDY}")


def _asked(holds: str, *reads: str) -> str:
    """Return a rule that is asked only where a field that it reads is new."""
    return f"!({_new(*reads)}) || ({holds})"


def _new(*reads: str) -> str:
    return " || ".join(
        ("variables.anew", *(f"{_field(path)} != {_field(path, 'oldObject')}" for path in reads))
    )


def _validation(expression: str, why: str, *, remedy: str = "") -> dict[str, str]:
    """Return a validation; all messages are made of each write, so there are few."""
    before, behind = decision.REFUSED_WORDS.split("{why}")
    return {
        "expression": expression,
        "reason": "Forbidden",
        "message": decision.REFUSED_WORDS.format(name="of spec.gatewayRef", why="see its spec.allow"),
        "messageExpression": " + ".join((_said(before), why, f'"{behind}{remedy}"')),
    }


_SPOKEN: Final[Mapping[str, str]] = {
    "name": "params.metadata.name",
    "namespace": "request.namespace",
    "region": "variables.gateway[3]",
    "kind": "variables.kind.replace('credentialprovider', '')",
    "fields": "variables.denied.join(', ')",
}


def _said(sentence: str) -> str:
    """Return a sentence as CEL: what stands in braces is the object's."""
    pieces = re.split(r"\{(\w+)\}", sentence)
    said = (
        _SPOKEN.get(piece, f"variables.{piece}") if odd else f'"{piece}"'
        for index, piece in enumerate(pieces)
        for odd in [index % 2]
        if piece
    )
    return " + ".join(said)
