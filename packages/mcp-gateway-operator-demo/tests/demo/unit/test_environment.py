"""What a local operator is started with."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mcp_gateway_operator_demo.environment import OperatorProcess
from mcp_gateway_operator_demo.localcluster.server_process import ServerProcess

_GIVEN: dict[str, str] = {}


class _Noted(OperatorProcess):
    """Notes its variables, and is a program that ends at once."""

    @staticmethod
    def _made(_arguments: Sequence[str], *, log: Path, environ: Mapping[str, str]) -> ServerProcess:
        _GIVEN.update(environ)
        return ServerProcess("operator", [sys.executable, "-c", ""], log=log)


@pytest.mark.parametrize(
    "variable",
    ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "KUBECONFIG", "MCPS_OWNER_ID"],
)
def test_what_the_caller_has_set_for_its_own_clusters_is_not_passed_on(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bundle that cannot be used would end the start."""
    monkeypatch.setenv(variable, str(tmp_path / "nothing"))
    monkeypatch.setenv("LANG_OF_MINE", "kept")
    _GIVEN.clear()
    process = _Noted(tmp_path, kubeconfig=tmp_path / "local", endpoint_url="http://127.0.0.1:1")
    process.stop()
    assert variable not in _GIVEN
    assert _GIVEN["LANG_OF_MINE"] == "kept"
