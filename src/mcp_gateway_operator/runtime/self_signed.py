"""A certificate for servers to which nobody gave one. `python -m` this module prints key and certificate.

It runs as a process of its own because `cryptography` would stay in memory: 10 MB, in a container of 128 MiB,
for a tenth of a second's work.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = timedelta(days=3650)
"""Longer than any process lives. Callers cannot verify such a certificate anyway."""
CLOCK_SKEW: Final = timedelta(hours=1)


def make_pem(names: Sequence[str], *, now: datetime) -> bytes:
    """Return a new private key and its self-signed certificate, PEM, for host names and for loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name is limited to 64 characters; what counts is the list of alternative names.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self-signed")])
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in ("localhost", *names)]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


if __name__ == "__main__":
    sys.stdout.buffer.write(make_pem(sys.argv[1:], now=datetime.now(UTC)))
