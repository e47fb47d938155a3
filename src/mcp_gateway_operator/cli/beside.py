"""MCPServers of files, judged by the MCPGateways and Namespaces that stand beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import DecodeError, decode
from mcp_gateway_operator.api.manifests import Foreign, Manifest, Namespace
from mcp_gateway_operator.api.mcpgateway import Allow, LabelSelector, MCPGatewaySpec
from mcp_gateway_operator.api.mcpgateway_codec import decode_gateway
from mcp_gateway_operator.api.mcpgateway_rules import ANYTHING, NAMESPACE, GatewayArn
from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.api.types import AuthType, MCPServerSpec
from mcp_gateway_operator.targets.permit import Refusal, Use, refusal

_OWN_NAME: Final = "kubernetes.io/metadata.name"
"""The label that the API server gives every namespace, and that nobody can change."""
_NOT_WRITTEN: Final = "(not written)"
_PATHS: Final[Mapping[str, str]] = {
    "namespaces": "metadata.namespace",
    "authTypes": "spec.authType",
    "grantTypes": "spec.oauthGrantType",
    "endpoints": "spec.endpoint",
}
"""Where an MCPServer says what a rule is about; the others are named as the field is."""


class _Class(NamedTuple):
    name: str
    age: str
    spec: MCPGatewaySpec
    arn: GatewayArn

    @property
    def by_itself(self) -> bool:
        """Whether the operator works there under its own identity."""
        return self.spec.aws is None or not self.spec.aws.role_arn


class Findings(NamedTuple):
    """What is refused, and what is in doubt."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


class Beside:
    """What stands beside MCPServers. An MCPGateway with a mistake says so itself, and judges nobody."""

    def __init__(self, found: Iterable[Manifest | Foreign | Namespace]) -> None:
        self._labels: dict[str, dict[str, str]] = {}
        self._classes: dict[str, _Class | None] = {}
        for each in found:
            if isinstance(each, Namespace):
                self._labels[each.name] = each.labels
            elif isinstance(each, Manifest) and each.kind == names.CLASS_KIND:
                self._classes[each.name] = _understood(each)

    def judge(self, found: Manifest) -> Findings:
        """Return what an object's neighbours say of it."""
        if found.kind == names.CLASS_KIND:
            return self._of_class(found)
        plain = {"metadata": {"name": found.name}, "spec": found.content.get("spec") or {}}
        try:
            wanted = decode(json.dumps(plain).encode(), whole=True).spec
        except DecodeError:
            return Findings()  # its problems say so
        if wanted.gateway_ref is not None:
            return self._by_name(found, wanted)
        return self._by_gateway(found, wanted)

    def _of_class(self, found: Manifest) -> Findings:
        mine = self._classes.get(found.name)
        others = [
            each.name
            for each in self._classes.values()
            if mine is not None and each is not None and each.arn == mine.arn and each.name != mine.name
        ]
        if not others:
            return Findings()
        message = (
            f"MCPGateway {others[0]} names the same gateway: the one that was made first has it, and the"
            " other permits nothing"
        )
        return Findings(warnings=(Problem(path="spec.gatewayArn", message=message),))

    def _by_name(self, found: Manifest, wanted: MCPServerSpec) -> Findings:
        name = wanted.class_name
        if not self._classes or not name:
            return Findings()
        if name not in self._classes:
            message = f"not checked against MCPGateway {name}, which is not among the files"
            return Findings(warnings=(Problem(path="spec.gatewayRef.name", message=message),))
        class_ = self._classes[name]
        return self._permission(found, wanted, class_) if class_ is not None else Findings()

    def _by_gateway(self, found: Manifest, wanted: MCPServerSpec) -> Findings:
        known = [each for each in self._classes.values() if each is not None]
        same = sorted(
            (each for each in known if each.arn.gateway_id == wanted.gateway),
            key=lambda each: (each.age, each.name),
        )
        # An id leads to the operator's own account alone, and there alone no role is needed.
        own = {each.arn.account for each in known if each.by_itself}
        same = [each for each in same if not own or each.arn.account in own]
        if not same:
            return Findings()
        if len({each.arn for each in same}) > 1 or not own:
            several = " and ".join(each.name for each in same)
            message = (
                f"not checked: the gateway of this id that {several} names may be in another account or"
                " Region than the operator's own, where alone spec.gatewayId leads. Name the MCPGateway in"
                " spec.gatewayRef"
            )
            return Findings(warnings=(Problem(path="spec.gatewayId", message=message),))
        return self._permission(found, wanted, same[0])

    def _permission(self, found: Manifest, wanted: MCPServerSpec, by: _Class) -> Findings:
        known = self._known(found.namespace)
        use = Use(
            namespace=found.namespace or _NOT_WRITTEN,
            labels=known if known is not None else {_OWN_NAME: found.namespace},
            spec=wanted,
            gateway=by.arn,
        )
        unknown = known is None
        if (why := refusal(_imagined(by.spec, use, best=True) if unknown else by.spec, use)) is not None:
            path = _path(why, use)
            if any(each.path == path for each in found.problems):
                return Findings()  # said already
            return Findings(problems=(Problem(path=path, message=why.words(by.name).rstrip(".")),))
        if unknown and refusal(_imagined(by.spec, use, best=False), use) is not None:
            return Findings(warnings=(_unknown(found.namespace, by.name),))
        return Findings()

    def _known(self, namespace: str) -> dict[str, str] | None:
        """Return all labels of a namespace, None where there may be others."""
        labels = self._labels.get(namespace) if namespace else None
        return {**labels, _OWN_NAME: namespace} if labels is not None else None


def _understood(found: Manifest) -> _Class | None:
    if found.problems:
        return None
    decoded = decode_gateway(json.dumps(found.content).encode())
    arn = decoded.arn
    return _Class(found.name, decoded.metadata.creation_timestamp, decoded.spec, arn) if arn else None


def _path(why: Refusal, use: Use) -> str:
    if why.rule == "providers":
        return "spec.apiKey.providerArn" if use.auth_type == AuthType.API_KEY else "spec.oauthProviderArn"
    return _PATHS.get(why.rule) or f"spec.{why.rule}"


def _unknown(namespace: str, name: str) -> Problem:
    if not namespace:
        message = f"whether MCPGateway {name} permits this depends on the namespace: write it"
    else:
        message = (
            f"whether MCPGateway {name} permits this depends on the labels of namespace {namespace}: give the"
            " file with that Namespace, too"
        )
    return Problem(path="metadata.namespace", message=message)


# -- what is not known --------------------------------------------------------------------------------------


def _imagined(policy: MCPGatewaySpec, use: Use, *, best: bool) -> MCPGatewaySpec:
    """Return what a policy comes to where the labels that nobody knows are as they suit the object best.

    Or worst. Of a namespace that is not written nothing is known, of another one its own name.
    """
    known = frozenset() if use.namespace == _NOT_WRITTEN else frozenset({_OWN_NAME})
    entries = (_entry(each, known, best=best) for each in policy.allow)
    return msgspec.structs.replace(policy, allow=tuple(entries))


def _entry(entry: Allow, known: frozenset[str], *, best: bool) -> Allow:
    selector = entry.namespaces
    providers = entry.providers
    if not known and any(each.startswith(NAMESPACE) for each in providers):
        rest = tuple(each for each in providers if not each.startswith(NAMESPACE))
        providers = (ANYTHING,) if best else rest
    if selector is not None and not _asks_only(selector, known):
        selector = _about(selector, known) if best else None
    return msgspec.structs.replace(entry, namespaces=selector, providers=providers)


def _asks_only(selector: LabelSelector, known: frozenset[str]) -> bool:
    return known >= {*selector.match_labels, *(each.key for each in selector.match_expressions)}


def _about(selector: LabelSelector, known: frozenset[str]) -> LabelSelector:
    """Return what a selector asks of known labels."""
    return LabelSelector(
        match_labels={key: value for key, value in selector.match_labels.items() if key in known},
        match_expressions=tuple(each for each in selector.match_expressions if each.key in known),
    )
