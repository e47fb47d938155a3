"""Certificates for tests, and a TLS handshake without sockets."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from mcp_gateway_operator.runtime.certificates import Pair


def make_pair(name: str, *, kind: str = "ec", password: bytes = b"", host: str = "localhost") -> Pair:
    """Return a self-signed pair whose subject is `name`, for a server at `host`."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "ec"
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption),
    )


def name_of(certificate: bytes) -> str:
    """Return the common name in a certificate, DER."""
    subject = x509.load_der_x509_certificate(certificate).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def handshake(
    server: ssl.SSLContext, *, name: str | None = "localhost", client: ssl.SSLContext | None = None
) -> ssl.SSLObject:
    """Shake hands in memory and return the client's end.

    Raises:
        ssl.SSLError: the two do not agree.
    """
    client = client or trusting()
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [ours, theirs]
    while pending:
        for end in list(pending):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            pending.remove(end)
    return ours


def served(server: ssl.SSLContext, *, name: str | None = "localhost") -> str:
    """Return the name in the certificate that a new client sees."""
    certificate = handshake(server, name=name).getpeercert(binary_form=True)
    assert certificate is not None
    return name_of(certificate)


def trusting() -> ssl.SSLContext:
    """Return a client's context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class MountedSecret:
    """A directory as the kubelet mounts a Secret: `tls.crt` -> `..data/tls.crt`, `..data` -> a version."""

    def __init__(self, directory: Path, pair: Pair) -> None:
        self.directory = directory
        self._version = 0
        self.replace(pair)
        for name in ("tls.crt", "tls.key"):
            (directory / name).symlink_to(Path("..data", name))

    def replace(self, pair: Pair) -> None:
        """Switch to a new version in one step."""
        self._version += 1
        version = self.directory / f"..2026_{self._version}"
        version.mkdir()
        (version / "tls.crt").write_bytes(pair.chain)
        (version / "tls.key").write_bytes(pair.key)
        link = self.directory / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.directory / "..data")
        old = self.directory / f"..2026_{self._version - 1}"
        if old.exists():
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
