"""PEM texts for the ssl module, which reads files, and the certificates that this process trusts."""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
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
        ValueError: a variable names what cannot be read; the message is a sentence.
    """
    context.load_default_certs()
    for variable, path in trusted_files(environ):
        try:
            context.load_verify_locations(cafile=path)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{variable} names {str(path)!r}, which cannot be read: {reason(error)}."
            ) from None


def trusted_files(environ: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Return the files with certificates that SSL_CERT_FILE and SSL_CERT_DIR name, each with its variable.

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
