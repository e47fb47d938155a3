"""What a kubeconfig says, and what is refused: nothing in it is passed over."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway_operator.runtime import kubeconfig as kubeconfigs
from mcp_gateway_operator.runtime.kubeconfig import ClusterConfig, ClusterConfigError, find
from mcp_gateway_operator.runtime.login import Login, log_in
from tests.unit.metrics.pairs import make_pair

PAIR = make_pair("localhost")
PEM = base64.b64encode(PAIR.chain).decode()
KEY = base64.b64encode(PAIR.key).decode()
EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "interactiveMode": "Never"}


def content(
    user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None, name: str = "a", **more: Any
) -> dict[str, Any]:
    """Return a kubeconfig with one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": name,
        "clusters": [
            {"name": name, "cluster": {"server": f"https://{name}.example.com:6443", **(cluster or {})}}
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": user or {}}],
        **more,
    }


def write(path: Path, config: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return str(path)


@pytest.fixture
def login_as(tmp_path: Path) -> Any:
    """Log in with a kubeconfig of this user and cluster."""

    def log(user: dict[str, Any] | None = None, **cluster: Any) -> Login:
        path = write(
            tmp_path / "config", content(user, {key.replace("_", "-"): cluster[key] for key in cluster})
        )
        return log_in(find(kubeconfig=path, context=None), {})

    return log


# Whom it acts as.


def test_impersonation_is_sent_in_full(login_as: Any) -> None:
    login = login_as(
        {
            "token": "t",
            "as": "system:serviceaccount:a:b",
            "as-uid": "123",
            "as-groups": ["one", "two"],
            "as-user-extra": {"scopes": ["view", "edit"], "example.com/Role %": ["x"]},
        }
    )
    assert login.headers == (
        ("Impersonate-User", "system:serviceaccount:a:b"),
        ("Impersonate-Uid", "123"),
        ("Impersonate-Group", "one"),
        ("Impersonate-Group", "two"),
        ("Impersonate-Extra-scopes", "view"),
        ("Impersonate-Extra-scopes", "edit"),
        ("Impersonate-Extra-example.com%2FRole%20%25", "x"),
    )


def test_nobody_is_impersonated_unasked(login_as: Any) -> None:
    assert login_as({"token": "t"}).headers == ()


# How the server is reached.


@pytest.mark.parametrize(
    ("cluster", "host", "port", "prefix", "tls", "name"),
    [
        ({"server": "https://a.example.com"}, "a.example.com", 443, "", True, "a.example.com"),
        ({"server": "https://10.0.0.1:6443/"}, "10.0.0.1", 6443, "", True, "10.0.0.1"),
        ({"server": "https://[fd00::1]:6443"}, "fd00::1", 6443, "", True, "fd00::1"),
        ({"server": "http://localhost:8080"}, "localhost", 8080, "", False, "localhost"),
        (
            {"server": "https://r.example.com/k8s/clusters/c-1/"},
            "r.example.com",
            443,
            "/k8s/clusters/c-1",
            True,
            "",
        ),
        (
            {"server": "https://10.0.0.1", "tls_server_name": "kubernetes"},
            "10.0.0.1",
            443,
            "",
            True,
            "kubernetes",
        ),
        ({"server": "10.0.0.1:6443", "certificate_authority_data": PEM}, "10.0.0.1", 6443, "", True, ""),
        ({"server": "localhost:8080"}, "localhost", 8080, "", False, ""),
    ],
)
def test_the_server(
    login_as: Any, cluster: dict[str, Any], host: str, port: int, prefix: str, *, tls: bool, name: str
) -> None:
    login = login_as(**cluster)
    assert (login.server.host, login.server.port, login.prefix) == (host, port, prefix)
    assert (login.server.tls is not None) is tls
    assert login.server.tls_name == (name or host)


def test_insecure_skip_tls_verify_is_what_it_says_and_nothing_else_is(login_as: Any) -> None:
    open_door = login_as(insecure_skip_tls_verify=True).server.tls
    assert (open_door.verify_mode, open_door.check_hostname) == (ssl.CERT_NONE, False)
    for cluster in ({}, {"insecure_skip_tls_verify": False}, {"certificate_authority_data": PEM}):
        checked = login_as(**cluster).server.tls
        assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_with_an_authority_of_its_own_no_other_is_trusted(login_as: Any) -> None:
    assert login_as(certificate_authority_data=PEM).server.tls.cert_store_stats()["x509"] == 1


def test_a_proxy_of_the_kubeconfig_comes_before_those_of_the_environment(tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "http://other:1", "NO_PROXY": "*"}
    path = write(tmp_path / "config", content(cluster={"proxy-url": "https://jane:secret@proxy"}))
    login = log_in(find(kubeconfig=path, context=None), environ)
    assert str(login.server.proxy) == "https://proxy:443"
    assert login.server.proxy_tls is not None
    path = write(tmp_path / "config", content(cluster={"proxy-url": ""}))
    assert log_in(find(kubeconfig=path, context=None), environ).server.proxy is None
    del environ["NO_PROXY"]
    assert str(log_in(find(kubeconfig=path, context=None), environ).server.proxy) == "http://other:1"


# Who it is.


@pytest.mark.parametrize(
    ("user", "sent"),
    [
        ({"token": "t"}, "Bearer t"),
        (
            {"username": "jane", "password": "pä:ss"},
            "Basic " + base64.b64encode("jane:pä:ss".encode()).decode(),
        ),
        ({"username": "jane"}, "Basic " + base64.b64encode(b"jane:").decode()),
        ({}, ""),
        ({"client-certificate-data": PEM, "client-key-data": KEY}, ""),
        ({"client-certificate-data": PEM, "client-key-data": KEY, "token": "t"}, "Bearer t"),
        ({"token": None, "username": None, "exec": None, "as-groups": None}, ""),
    ],
)
async def test_credentials(login_as: Any, user: dict[str, Any], sent: str) -> None:
    login = await asyncio.to_thread(login_as, user)
    assert await login.credentials.authorization() == sent


@pytest.mark.parametrize(("there", "sent"), [(True, "Bearer of the file"), (False, "Bearer t")])
async def test_a_token_file_comes_before_a_token_which_serves_while_there_is_no_file(
    tmp_path: Path, sent: str, *, there: bool
) -> None:
    def log() -> Login:
        if there:
            (tmp_path / "token").write_text("of the file\n")
        path = write(tmp_path / "config", content({"token": "t", "tokenFile": "token"}))
        return log_in(find(kubeconfig=path, context=None), {})

    login = await asyncio.to_thread(log)
    assert await login.credentials.authorization() == sent


# What is refused.


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"as-groups": ["system:masters"]}, {}, "need a user to act as"),
        ({"as-uid": "1"}, {}, "need a user to act as"),
        ({"as-user-extra": {"a": ["b"]}}, {}, "need a user to act as"),
        ({"as": ["jane"]}, {}, "as"),
        ({"as": 7}, {}, "as"),
        ({"as-groups": "one"}, {}, "as-groups"),
        ({"impersonate": "jane"}, {}, "impersonate"),
        ({"As": "jane"}, {}, "As"),
        ({"as_groups": ["one"]}, {}, "as_groups"),
        ({"token": "t", "username": "jane"}, {}, "more than one way to log in"),
        ({"token": "t", "exec": EXEC}, {}, "more than one way to log in"),
        ({"username": "jane", "password": "p", "exec": EXEC}, {}, "more than one way to log in"),
        ({"auth-provider": {"name": "gcp"}}, {}, "auth-provider was removed"),
        ({"token": "t", "auth-provider": {"name": "oidc"}}, {}, "auth-provider was removed"),
        ({"client-certificate-data": PEM}, {}, "belong together"),
        ({"client-key-data": KEY}, {}, "belong together"),
        (
            {"client-certificate": "x", "client-certificate-data": PEM, "client-key-data": KEY},
            {},
            "both given",
        ),
        ({"client-certificate-data": PEM, "client-key-data": "!"}, {}, "client-key-data is not base64"),
        ({"client-certificate-data": PEM, "client-key-data": PEM}, {}, "client-certificate cannot be used"),
        ({"client-certificate": "missing.pem", "client-key": "missing.key"}, {}, "missing.pem"),
        ({"exec": {**EXEC, "interactiveMode": "Always"}}, {}, "terminal"),
        ({"exec": {**EXEC, "apiVersion": "v2"}}, {}, "speaks 'v2'"),
        ({"exec": {**EXEC, "command": ""}}, {}, "no command"),
        ({"exec": {**EXEC, "pluginPolicy": "DenyAll"}}, {}, "pluginPolicy"),
        ({}, {"server": ""}, "no server"),
        ({}, {"server": "ftp://a"}, "not an http or https URL"),
        ({}, {"server": "https://"}, "not an http or https URL"),
        ({}, {"server": "https://jane:secret@a"}, "not an http or https URL"),
        ({}, {"server": "https://a:99999"}, "cannot be used"),
        ({}, {"insecure-skip-tls-verify": True, "certificate-authority-data": PEM}, "exclude each other"),
        ({}, {"insecure-skip-tls-verify": "true"}, "insecure-skip-tls-verify"),
        ({}, {"certificate-authority-data": "!"}, "certificate-authority-data is not base64"),
        ({}, {"certificate-authority-data": KEY}, "certificate-authority cannot be used"),
        ({}, {"certificate-authority": "missing.crt"}, "missing.crt"),
        ({}, {"certificate-authority": "x", "certificate-authority-data": PEM}, "both given"),
        ({}, {"proxy-url": "socks5://proxy:1080"}, "socks5"),
        ({}, {"proxy-url": "http://jane:secret@:3128"}, "proxy-url"),
        ({}, {"tls-servername": "x"}, "tls-servername"),
        ({}, {"api-version": "v1"}, "api-version"),
    ],
)
def test_what_is_not_done_here_is_refused_with_a_sentence(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    path = write(tmp_path / "config", content(user, cluster))
    with pytest.raises(
        ClusterConfigError, match=r"^The (kubeconfig|context) '.*' cannot be used: .*\.$"
    ) as error:
        log_in(find(kubeconfig=path, context=None), {})
    assert words in str(error.value)
    assert "secret" not in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "hello", "clusters: 7", "a: b: c", "{}", "[" * 1000])
def test_what_is_no_kubeconfig_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ClusterConfigError, match=r"(?s)^The kubeconfig '.*' cannot be used: .*\.$") as error:
        log_in(find(kubeconfig=str(path), context=None), {})
    assert str(path) in str(error.value)


def test_a_user_that_is_not_used_may_say_what_it_wants(tmp_path: Path) -> None:
    config = content({"token": "t"})
    config["users"].append({"name": "other", "user": {"auth-provider": {"name": "gcp"}, "new": 1}})
    config["clusters"].append({"name": "other", "cluster": 7})
    config["extensions"] = [{"name": "minikube", "extension": {"a": 1}}]
    assert log_in(find(kubeconfig=write(tmp_path / "config", config), context=None), {}).server.host


# Several files.


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set KUBECONFIG to these files and read it."""

    def read(*paths: str | Path, context: str | None = None) -> ClusterConfig:
        monkeypatch.setenv("KUBECONFIG", ":".join(map(str, paths)))
        return find(kubeconfig=None, context=context)

    return read


def test_several_files_are_one(tmp_path: Path, use: Any) -> None:
    """As kubectl merges them: the first to give a name or the current context wins, and wins whole."""
    one = content({"token": "one"}, name="a")
    del one["current-context"]
    two = content({"token": "two", "as": "jane"}, {"tls-server-name": "two"}, name="b")
    two["clusters"].append({"name": "a", "cluster": {"server": "https://never", "tls-server-name": "never"}})
    two["users"].append({"name": "a", "user": {"token": "never", "as": "never"}})
    three = content(name="c")
    three["contexts"].append({"name": "mixed", "context": {"cluster": "a", "user": "b", "namespace": "n"}})
    paths = [write(tmp_path / name / "config", each) for name, each in (("1", one), ("2", two), ("3", three))]

    chosen = use(*paths)
    assert (chosen.context, chosen.cluster.server, chosen.user.token) == (
        "b",
        "https://b.example.com:6443",
        "two",
    )
    chosen = use(*paths, context="a")
    assert (chosen.cluster.server, chosen.cluster.tls_server_name) == ("https://a.example.com:6443", "")
    assert (chosen.user.token, chosen.user.impersonate) == ("one", "")
    chosen = use(*paths, context="mixed")
    assert (chosen.cluster.server, chosen.user.token, chosen.namespace) == (
        "https://a.example.com:6443",
        "two",
        "n",
    )
    assert use(*reversed(paths)).context == "c"


def test_paths_begin_in_the_folder_of_their_own_file(tmp_path: Path, use: Any) -> None:
    user = {"client-certificate": "c.pem", "client-key": "keys/k.pem", "tokenFile": "/run/token"}
    user_file = write(tmp_path / "users" / "config", {"users": [{"name": "a", "user": user}]})
    cluster_file = content(cluster={"certificate-authority": "../ca.pem"})
    del cluster_file["users"]
    chosen = use(write(tmp_path / "clusters" / "config", cluster_file), user_file)
    assert chosen.cluster.certificate_authority == str(tmp_path / "clusters" / "../ca.pem")
    assert chosen.user.client_certificate == str(tmp_path / "users" / "c.pem")
    assert chosen.user.client_key == str(tmp_path / "users" / "keys/k.pem")
    assert chosen.user.token_file == "/run/token"


@pytest.mark.parametrize(
    ("command", "found"),
    [("aws", "aws"), ("./bin/aws", "{}/bin/aws"), ("bin/aws", "{}/bin/aws"), ("/a", "/a")],
)
def test_a_plugin_with_a_path_begins_there_too(tmp_path: Path, command: str, found: str) -> None:
    path = write(tmp_path / "config", content({"exec": {**EXEC, "command": command}}))
    plugin = find(kubeconfig=path, context=None).user.exec
    assert plugin is not None
    assert Path(plugin.command) == Path(found.format(tmp_path))


def test_files_that_are_not_there_are_passed_over_and_empty_ones_say_nothing(
    tmp_path: Path, use: Any
) -> None:
    path = write(tmp_path / "config", content({"token": "t"}))
    (tmp_path / "empty").write_text("")
    (tmp_path / "nothing").write_text("clusters: null\nusers: null\ncontexts: null\ncurrent-context: ''\n")
    assert (
        use(tmp_path / "missing", "", tmp_path / "empty", tmp_path / "nothing", path, path).user.token == "t"
    )
    with pytest.raises(ClusterConfigError, match="missing"):
        use(tmp_path / "missing")


@pytest.mark.parametrize(
    "text", ["[]", "{", "clusters: 5", "clusters: [5]", "clusters: [{}]", "a", "\x00", "users: [{name: [a]}]"]
)
def test_a_file_that_is_no_kubeconfig_is_named_among_several(tmp_path: Path, use: Any, text: str) -> None:
    (tmp_path / "broken").write_text(text)
    with pytest.raises(ClusterConfigError, match="broken"):
        use(write(tmp_path / "config", content()), tmp_path / "broken")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"current-context": ""}, "current-context"),
        ({"current-context": "b"}, "no context 'b'"),
        ({"clusters": []}, "no cluster 'a'"),
        ({"users": []}, "no user 'a'"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ClusterConfigError, match=words):
        find(kubeconfig=write(tmp_path / "config", content(**change)), context=None)


# In a pod.


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_pod_uses_its_service_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, server: str
) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_bytes(PAIR.chain)
    (tmp_path / "namespace").write_text("home\n")
    monkeypatch.setattr(kubeconfigs, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    config = find(kubeconfig=None, context=None)
    assert (config.cluster.server, config.namespace) == (server, "home")
    login = log_in(config, {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "10.0.0.0/8,fd00::/8"})
    assert login.server.proxy is None
    assert login.server.host == host
