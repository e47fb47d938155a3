"""PEM texts for the ssl module, which reads files, and the certificates that this process trusts."""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

STORES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, distroless; where people mount their own, too
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",  # macOS
)
"""Where systems keep what they trust in one file; the first that is there counts, as in Go."""


@contextlib.contextmanager
def as_file(content: bytes) -> Iterator[str]:
    """Give the ssl module, which reads files only, one that reaches no disk where that is possible."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("tls")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile() as file:  # readable by this user only, gone at the end
            file.write(content)
            file.flush()
            yield file.name


def trust_system(context: ssl.SSLContext, environ: Mapping[str, str]) -> None:
    """Let a context trust what the system trusts: its own store, SSL_CERT_FILE and SSL_CERT_DIR.

    OpenSSL itself passes over a file that is not there, and reads a directory only by names made from hashes;
    a mounted ConfigMap has neither fault nor such names.

    Raises:
        ValueError: a variable names what cannot be used; the message is a sentence.
    """
    context.load_default_certs()
    if store := system_store(environ):
        context.load_verify_locations(cafile=store)
    for variable, path in named_files(environ):
        check_bundle(variable, path, context)


def system_store(environ: Mapping[str, str]) -> Path | None:
    """Return the file with what the system trusts; None where there is none that can be used.

    As in Go, SSL_CERT_FILE and SSL_CERT_DIR together replace it; one of them alone adds to it.
    """
    if environ.get("SSL_CERT_FILE") and environ.get("SSL_CERT_DIR"):
        return None
    for store in map(Path, STORES):
        with contextlib.suppress(ValueError):
            check_bundle("The system", store)
            return store
    return None


def named_files(environ: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Return the files that SSL_CERT_FILE and SSL_CERT_DIR name, each with its variable.

    Raises:
        ValueError: a directory cannot be read or has no certificates; the message is a sentence.
    """
    found = [("SSL_CERT_FILE", Path(file))] if (file := environ.get("SSL_CERT_FILE")) else []
    for directory in filter(None, environ.get("SSL_CERT_DIR", "").split(os.pathsep)):
        try:
            files = [path for path in sorted(Path(directory).iterdir()) if _has_certificates(path)]
        except OSError as error:
            raise ValueError(
                f"SSL_CERT_DIR names {directory!r}, which cannot be read: {error.strerror}."
            ) from None
        if not files:
            raise ValueError(f"SSL_CERT_DIR names {directory!r}, where no file has a certificate in PEM.")
        found += [("SSL_CERT_DIR", path) for path in files]
    return found


def check_bundle(variable: str, path: Path, context: ssl.SSLContext | None = None) -> None:
    """Let a context, if there is one, trust the certificates in a file.

    Raises:
        ValueError: it cannot be read, or has none; the message is a sentence that names the variable.
    """
    try:
        (context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{variable} names {str(path)!r}, which cannot be used: {reason(error)}.") from None


def reason(error: OSError | ValueError) -> str:
    """Return why a file with a certificate or a key cannot be used."""
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key does not belong to the certificate"
        # OpenSSL says no more than "PEM lib" of an empty file, of garbage and of an encrypted key.
        return error.reason or "it is not PEM, or the key has a password"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def _has_certificates(path: Path) -> bool:
    return path.is_file() and b"-----BEGIN CERTIFICATE-----" in path.read_bytes()
