from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from mcp_gateway_operator_demo.localcluster.kubeconfig_file import write_kubeconfig
from mcp_gateway_operator_demo.localcluster.pki import Authority, write_private

NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
SERVER = "https://127.0.0.1:6443"


def test_certificates_are_good_for_loopback_and_a_year() -> None:
    """Verify as a strict client would, from the hour before the cluster's start."""
    authority = Authority(NOW)
    store = Store([x509.load_pem_x509_certificate(authority.certificate)])
    leaf = x509.load_pem_x509_certificate(authority.server().certificate)
    for moment in (NOW, NOW + dt.timedelta(days=364)):
        verifier = PolicyBuilder().store(store).time(moment).build_server_verifier(x509.DNSName("localhost"))
        assert verifier.verify(leaf, [])[0] == leaf
    client = x509.load_pem_x509_certificate(authority.client("admin", "system:masters").certificate)
    assert client.subject.rfc4514_string() == "CN=admin,O=system:masters"


def test_kubeconfig_carries_a_client_certificate(tmp_path: Path) -> None:
    """Keep the key inside the file, readable by its owner only."""
    authority = Authority(NOW)
    identity = authority.client("admin", "system:masters")
    path = write_kubeconfig(
        tmp_path / "config", server=SERVER, authority=authority.certificate, user=identity
    )
    assert path.stat().st_mode & 0o777 == 0o600
    content = yaml.safe_load(path.read_text())
    assert content["clusters"][0]["cluster"]["server"] == SERVER
    assert base64.b64decode(content["users"][0]["user"]["client-key-data"]) == identity.key


def test_kubeconfig_points_at_a_token_file(tmp_path: Path) -> None:
    """Let a rotated token be read without a new kubeconfig."""
    token = write_private(tmp_path / "token", "secret")
    path = write_kubeconfig(
        tmp_path / "config", server=SERVER, authority=b"ca", user=token, namespace="tools"
    )
    content = yaml.safe_load(path.read_text())
    assert content["users"][0]["user"] == {"tokenFile": str(token)}
    assert content["contexts"][0]["context"]["namespace"] == "tools"
    assert "secret" not in path.read_text()


def test_private_files_are_private_from_the_start(tmp_path: Path) -> None:
    """Replace a file that others could read rather than write into it."""
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == b"new"
