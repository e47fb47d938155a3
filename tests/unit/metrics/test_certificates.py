from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mcp_gateway_operator.runtime import certificates
from mcp_gateway_operator.runtime.certificates import Certificate, Pair, PairFiles, self_signed_pair
from mcp_gateway_operator.runtime.http import ServerError
from tests.unit.metrics.pairs import MountedSecret, handshake, make_pair, served, trusting

OLD, NEW = make_pair("old"), make_pair("new")


def write(directory: Path, pair: Pair) -> PairFiles:
    files = PairFiles(directory / "tls.crt", directory / "tls.key")
    files.chain.write_bytes(pair.chain)
    files.key.write_bytes(pair.key)
    return files


def test_the_files_certificate_is_served(tmp_path: Path) -> None:
    assert served(Certificate.from_files(write(tmp_path, OLD)).context) == "old"


def test_new_files_are_served_to_new_clients_on_the_same_context(tmp_path: Path) -> None:
    certificate = Certificate.from_files(write(tmp_path, OLD))
    write(tmp_path, NEW)
    certificate.refresh()
    assert served(certificate.context) == "new"
    assert (certificate.reads, certificate.failures) == (2, 0)


def test_a_client_that_names_no_server_gets_the_new_one_too(tmp_path: Path) -> None:
    certificate = Certificate.from_files(write(tmp_path, OLD))
    write(tmp_path, NEW)
    certificate.refresh()
    assert served(certificate.context, name=None) == "new"


@pytest.mark.parametrize(("before", "after"), [("rsa", "ec"), ("ec", "rsa")])
def test_a_pair_of_another_kind_replaces_the_old_one_altogether(
    tmp_path: Path, before: str, after: str
) -> None:
    certificate = Certificate.from_files(write(tmp_path, make_pair("old", kind=before)))
    write(tmp_path, make_pair("new", kind=after))
    certificate.refresh()
    assert served(certificate.context) == "new"
    only_old_kind = trusting()
    only_old_kind.maximum_version = ssl.TLSVersion.TLSv1_2
    only_old_kind.set_ciphers({"rsa": "ECDHE+aRSA", "ec": "ECDHE+aECDSA"}[before])
    with pytest.raises(ssl.SSLError):
        handshake(certificate.context, client=only_old_kind)


def test_a_mounted_secret_that_is_switched_is_noticed(tmp_path: Path) -> None:
    secret = MountedSecret(tmp_path, OLD)
    certificate = Certificate.from_files(PairFiles(tmp_path / "tls.crt", tmp_path / "tls.key"))
    secret.replace(NEW)
    certificate.refresh()
    assert served(certificate.context) == "new"


def test_a_switch_between_the_two_reads_gives_no_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = MountedSecret(tmp_path, OLD)
    read = Path.read_bytes
    switched: list[bool] = []

    def switching(path: Path) -> bytes:
        content = read(path)
        if path.name == "tls.crt" and not switched:
            switched.append(True)
            secret.replace(NEW)
        return content

    monkeypatch.setattr(Path, "read_bytes", switching)
    assert PairFiles(tmp_path / "tls.crt", tmp_path / "tls.key").read() == NEW


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (Pair(NEW.chain, OLD.key), "the key does not belong to the certificate"),
        (Pair(b"", b""), "not PEM"),
        (Pair(NEW.chain, b""), "not PEM"),
        (Pair(b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", NEW.key), "not PEM"),
        (make_pair("locked", password=b"secret"), "has a password"),
    ],
    ids=["mismatch", "empty", "no-key", "garbage", "encrypted"],
)
def test_a_broken_pair_keeps_the_old_one_and_is_told_of_once(
    tmp_path: Path, logs: list[MutableMapping[str, Any]], broken: Pair, reason: str
) -> None:
    certificate = Certificate.from_files(write(tmp_path, OLD))
    write(tmp_path, broken)
    for _ in range(5):
        certificate.refresh()
    assert served(certificate.context) == "old"
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert "the old one is kept" in logs[0]["event"]
    assert reason in logs[0]["reason"]
    assert certificate.failures == 1
    write(tmp_path, NEW)
    certificate.refresh()
    assert served(certificate.context) == "new"


def test_files_that_vanish_keep_the_old_pair(tmp_path: Path, logs: list[MutableMapping[str, Any]]) -> None:
    files = write(tmp_path, OLD)
    certificate = Certificate.from_files(files)
    files.key.unlink()
    for _ in range(3):
        certificate.refresh()
    assert served(certificate.context) == "old"
    assert len(logs) == 1
    assert str(files.key) in logs[0]["reason"]


def test_a_key_is_in_no_log_and_no_representation(
    tmp_path: Path, logs: list[MutableMapping[str, Any]]
) -> None:
    certificate = Certificate.from_files(write(tmp_path, OLD))
    write(tmp_path, Pair(OLD.chain, NEW.key))
    certificate.refresh()
    assert "PRIVATE" not in repr([logs, NEW, vars(certificate)])


@pytest.mark.parametrize("pair", [Pair(NEW.chain, OLD.key), Pair(b"x", b"y")])
def test_a_start_with_a_broken_pair_is_one_sentence(tmp_path: Path, pair: Pair) -> None:
    with pytest.raises(ServerError, match=r"^The certificate cannot be used: .*\.$"):
        Certificate.from_files(write(tmp_path, pair))


def test_a_start_without_files_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"tls\.crt: No such file or directory\.$"):
        Certificate.from_files(PairFiles(tmp_path / "tls.crt", tmp_path / "tls.key"))


async def test_the_files_are_looked_at_every_ten_seconds(tmp_path: Path) -> None:
    files = await asyncio.to_thread(write, tmp_path, OLD)
    certificate = await asyncio.to_thread(Certificate.from_files, files)
    await asyncio.to_thread(write, tmp_path, NEW)
    refreshed = asyncio.Event()
    loop = asyncio.get_running_loop()
    refresh = certificate.refresh

    def and_tell() -> None:
        refresh()
        loop.call_soon_threadsafe(refreshed.set)

    certificate.refresh = and_tell  # type: ignore[method-assign]  # tells when the look is over
    watch = asyncio.create_task(certificate.watch())
    await refreshed.wait()
    assert loop.time() == pytest.approx(certificates.CHECK_SECONDS)
    assert served(certificate.context) == "new"
    watch.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watch


def test_old_tls_is_refused() -> None:
    old = trusting()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        handshake(Certificate(OLD).context, client=old)


def test_http1_is_agreed_on_with_a_client_that_offers_more() -> None:
    client = trusting()
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert handshake(Certificate(OLD).context, client=client).selected_alpn_protocol() == "http/1.1"


def test_a_self_signed_pair_works_and_names_the_host_and_loopback() -> None:
    pair = self_signed_pair(["metrics.example"])
    connection = handshake(Certificate(pair).context)
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "metrics.example"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert connection.version() == "TLSv1.3"


def test_two_self_signed_pairs_differ() -> None:
    assert self_signed_pair([]) != self_signed_pair([])


def test_a_self_signed_pair_that_cannot_be_made_is_one_sentence() -> None:
    with pytest.raises(ServerError, match=r"^A self-signed certificate could not be made: .*\.$"):
        self_signed_pair(["not a host nämé"])


def test_without_memory_files_a_private_temporary_file_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert served(Certificate(OLD).context) == "old"
