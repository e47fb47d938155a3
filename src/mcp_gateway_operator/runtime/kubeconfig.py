"""Finds the cluster to talk to: which kubeconfig files are read, and what they say, as client-go reads them.

The order is controller-runtime's: an explicit file, the KUBECONFIG variable, the pod's ServiceAccount, the
file in the home directory. Every field that client-go knows is honoured, or refused with a sentence: one that
was passed over could mean acting with more rights than its author gave, or talking to another server.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOME_FILE: Final = Path("~/.kube/config")

T = TypeVar("T", bound=msgspec.Struct)


class ClusterConfigError(Exception):
    """There is no usable cluster configuration; the message is a sentence for the user."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a kubeconfig, with all fields that client-go knows."""


class Extension(_Strict, frozen=True):
    """Something that another program keeps in a kubeconfig."""

    name: str
    extension: Any = None


class Cluster(_Strict, frozen=True):
    """How a server is reached and proven."""

    server: str = ""
    tls_server_name: str = msgspec.field(name="tls-server-name", default="")
    insecure_skip_tls_verify: bool = msgspec.field(name="insecure-skip-tls-verify", default=False)
    certificate_authority: str = msgspec.field(name="certificate-authority", default="")
    certificate_authority_data: str = msgspec.field(name="certificate-authority-data", default="")
    proxy_url: str = msgspec.field(name="proxy-url", default="")
    disable_compression: bool = msgspec.field(name="disable-compression", default=False)
    extensions: list[Extension] = []


class ExecVariable(_Strict, frozen=True):
    """A variable for a credential plugin."""

    name: str
    value: str = ""


class ExecPlugin(_Strict, frozen=True):
    """A program that prints credentials."""

    command: str = ""
    args: list[str] = []
    env: list[ExecVariable] = []
    api_version: str = msgspec.field(name="apiVersion", default="")
    install_hint: str = msgspec.field(name="installHint", default="")
    provide_cluster_info: bool = msgspec.field(name="provideClusterInfo", default=False)
    interactive_mode: str = msgspec.field(name="interactiveMode", default="")


class User(_Strict, frozen=True):
    """How this program proves who it is, and whom it acts as."""

    client_certificate: str = msgspec.field(name="client-certificate", default="")
    client_certificate_data: str = msgspec.field(name="client-certificate-data", default="")
    client_key: str = msgspec.field(name="client-key", default="")
    client_key_data: str = msgspec.field(name="client-key-data", default="")
    token: str = ""
    token_file: str = msgspec.field(name="tokenFile", default="")
    username: str = ""
    password: str = ""
    impersonate: str = msgspec.field(name="as", default="")
    impersonate_uid: str = msgspec.field(name="as-uid", default="")
    impersonate_groups: list[str] = msgspec.field(name="as-groups", default=[])
    impersonate_extra: dict[str, list[str]] = msgspec.field(name="as-user-extra", default={})
    exec: ExecPlugin | None = None
    auth_provider: Any = msgspec.field(name="auth-provider", default=None)
    extensions: list[Extension] = []


class Context(_Strict, frozen=True):
    """Which user talks to which cluster."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""
    extensions: list[Extension] = []


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """The cluster to talk to. Paths in it are absolute.

    Attributes:
        context: the context's name, for messages.
        namespace: of the context; empty when it names none.
        cluster: the server.
        user: the credentials.
    """

    context: str
    namespace: str
    cluster: Cluster
    user: User


def find(*, kubeconfig: str | None, context: str | None) -> ClusterConfig:
    """Return the configuration to use.

    Raises:
        ClusterConfigError: none was found, or it names things that it does not hold, or says something that
            is not done here.
    """
    if kubeconfig:
        return _choose([Path(kubeconfig).expanduser()], context)
    if listed := [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]:
        files = [path for part in dict.fromkeys(listed) if (path := Path(part).expanduser()).exists()]
        if not files:
            raise ClusterConfigError(
                f"KUBECONFIG names {os.pathsep.join(listed)!r}, which does not exist: name a file that does."
            )
        return _choose(files, context)
    if "KUBERNETES_SERVICE_HOST" in os.environ and (SERVICE_ACCOUNT / "token").exists() and context is None:
        return _in_pod(os.environ)
    if HOME_FILE.expanduser().is_file():
        return _choose([HOME_FILE.expanduser()], context)
    raise ClusterConfigError(
        "No Kubernetes cluster is configured: pass --kubeconfig, set KUBECONFIG, "
        "or run in a pod that has a ServiceAccount."
    )


def _in_pod(environ: Mapping[str, str]) -> ClusterConfig:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    namespace = SERVICE_ACCOUNT / "namespace"
    return ClusterConfig(
        context="the pod's ServiceAccount",
        namespace=namespace.read_text(encoding="utf-8").strip() if namespace.is_file() else "",
        cluster=Cluster(
            server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
            certificate_authority=str(SERVICE_ACCOUNT / "ca.crt"),
        ),
        user=User(token_file=str(SERVICE_ACCOUNT / "token")),
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """One named part of a file, not yet read: only the parts that are used need to be right."""

    path: Path
    content: Any


class _Merged:
    """Several files as one: of entries with the same name the first one counts, whole, as in kubectl."""

    def __init__(self) -> None:
        self.current = ""
        self.clusters: dict[str, _Entry] = {}
        self.users: dict[str, _Entry] = {}
        self.contexts: dict[str, _Entry] = {}

    def add(self, path: Path) -> None:
        """Take a file in.

        Raises:
            ClusterConfigError: it is not a kubeconfig.
        """
        try:
            content = yaml.safe_load(path.read_bytes())
            content = {} if content is None else content
            self.current = self.current or content.get("current-context") or ""
            for kind, table in (("cluster", self.clusters), ("user", self.users), ("context", self.contexts)):
                for each in content.get(f"{kind}s") or ():
                    table.setdefault(each["name"], _Entry(path, each.get(kind)))
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise _unusable(path, str(error)) from error
        except (TypeError, AttributeError, KeyError, RecursionError) as error:
            raise _unusable(path, "it does not have the structure of a kubeconfig") from error


def _choose(files: Iterable[Path], context: str | None) -> ClusterConfig:
    merged = _Merged()
    for path in files:
        if not path.is_file():
            raise _unusable(path, "there is no such file")
        merged.add(path)
    first = next(iter(files))
    name = context or merged.current
    if not name:
        raise _unusable(first, "it has no current-context: pass --context")
    chosen, path = _read(merged.contexts, name, Context, "context", first)
    cluster, where = _read(merged.clusters, chosen.cluster, Cluster, "cluster", path)
    user, of = _read(merged.users, chosen.user, User, "user", path) if chosen.user else (User(), path)
    return ClusterConfig(
        name,
        chosen.namespace,
        msgspec.structs.replace(
            cluster, certificate_authority=_absolute(cluster.certificate_authority, where)
        ),
        _with_absolute_paths(user, of),
    )


def _read(table: Mapping[str, _Entry], name: str, kind: type[T], what: str, path: Path) -> tuple[T, Path]:
    entry = table.get(name)
    if entry is None:
        there = ", ".join(sorted(table)) or "none"
        raise _unusable(path, f"there is no {what} {name!r} in it, but {there}")
    try:
        return msgspec.convert(_without_nulls(entry.content or {}), kind), entry.path
    except msgspec.ValidationError as error:
        # A field that nobody knows yet may be one that takes rights away.
        raise _unusable(entry.path, f"{what} {name!r}: {error}") from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return value


def _with_absolute_paths(user: User, file: Path) -> User:
    plugin = user.exec
    if plugin is not None and "/" in plugin.command:
        plugin = msgspec.structs.replace(plugin, command=_absolute(plugin.command, file))
    return msgspec.structs.replace(
        user,
        client_certificate=_absolute(user.client_certificate, file),
        client_key=_absolute(user.client_key, file),
        token_file=_absolute(user.token_file, file),
        exec=plugin,
    )


def _absolute(path: str, file: Path) -> str:
    """Return a path of a kubeconfig: a relative one starts in the folder of its file."""
    return str(file.parent.absolute() / path) if path else ""


def _unusable(path: Path, why: str) -> ClusterConfigError:
    return ClusterConfigError(f"The kubeconfig '{path}' cannot be used: {why.rstrip('.')}.")
