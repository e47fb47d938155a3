"""The API server's CEL engine, the one that kro is built on, asked for the value of an expression.

A ValidatingAdmissionPolicy holds the expressions, and objects of a throw-away kind ask for them: such an
object carries the resources that the expression reads, the number of the expression and the expected value.
The API server admits it when both are equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mcp_gateway_operator_demo.localcluster import ClusterRequestError, LocalCluster
from tests.support.polling import until

_EXPRESSION = re.compile(r"\$\{(.*?)\}")
_CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: questions.cel.example.com}
spec:
  group: cel.example.com
  names: {kind: Question, plural: questions}
  scope: Cluster
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
_PROBE = -1
"""The question that every policy in force refuses."""


def expressions(tree: Any) -> list[str]:
    """Return every expression between `${` and `}` in a tree, each once."""
    return list(dict.fromkeys(_EXPRESSION.findall(json.dumps(tree).replace('\\"', '"'))))


class Engine:
    """Evaluates the given expressions; `names` are the variables that they may read."""

    def __init__(self, cluster: LocalCluster, known: list[str], names: list[str]) -> None:
        self._cluster, self._known, self._names = cluster, known, names
        validations = [{"expression": f"object.ask != {_PROBE}", "message": "in force"}]
        for number, expression in enumerate(known):
            bound = expression
            for name in names:
                bound = f"[object.values.{name}].map({name}, {bound})"
            value = f"{bound}{'[0]' * len(names)}"
            validations.append(
                {
                    "expression": f"object.ask != {number} || {value} == object.expected",
                    "message": f"not equal: {expression}",
                }
            )
        cluster.apply(_CRD)
        # A policy with an expression that does not compile is refused here.
        cluster.apply(json.dumps(_policy(validations)))
        cluster.apply(json.dumps(_BINDING))
        until(lambda: "in force" in self._ask(_PROBE, {}, None), "the policy is in force")

    def differs(self, expression: str, values: Mapping[str, Any], expected: Any) -> str:
        """Return "" when the expression has the expected value, else the API server's words."""
        return self._ask(self._known.index(expression), values, expected)

    def _ask(self, number: int, values: Mapping[str, Any], expected: Any) -> str:
        question = {
            "apiVersion": "cel.example.com/v1",
            "kind": "Question",
            "metadata": {"name": "question"},
            "ask": number,
            "values": {name: values.get(name, {}) for name in self._names},
            "expected": expected,
        }
        try:
            self._cluster.post("/apis/cel.example.com/v1/questions?dryRun=All", question)
        except ClusterRequestError as error:
            return str(error)
        return ""


def _policy(validations: list[dict[str, str]]) -> dict[str, Any]:
    rule = {
        "apiGroups": ["cel.example.com"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["questions"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "questions"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": validations,
        },
    }


_BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "questions"},
    "spec": {"policyName": "questions", "validationActions": ["Deny"]},
}
