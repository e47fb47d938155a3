"""The proxies and certificate authorities that the environment names, for the API server and AWS alike."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from botocore.httpsession import get_cert_path

from mcp_gateway_operator.runtime.pem import as_file, check_bundle, named_files, system_store
from mcp_gateway_operator.runtime.proxies import Proxies, Proxy


class Network:
    """What requests to AWS need to know of the network.

    Args:
        environ: the variables.
        bundle: the file that the SDK is told to trust alone, by AWS_CA_BUNDLE or the profile; empty for none.

    Raises:
        ValueError: a proxy or a bundle cannot be used; the message is a sentence that names the variable.
    """

    def __init__(self, environ: Mapping[str, str], *, bundle: str = "") -> None:
        self._proxies = Proxies(environ)
        alone = {"REQUESTS_CA_BUNDLE": environ.get("REQUESTS_CA_BUNDLE")}
        alone["AWS_CA_BUNDLE" if environ.get("AWS_CA_BUNDLE") else "ca_bundle of the AWS profile"] = bundle
        named = named_files(environ)
        # Directories of certificates are full of links to each other, and each file takes a millisecond.
        context, checked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), set[Path]()
        for variable, path in (*((name, Path(file)) for name, file in alone.items() if file), *named):
            if (real := path.resolve()) not in checked:
                check_bundle(variable, path, context)
                checked.add(real)
        self._files: list[Path] = []
        if not any(alone.values()):
            base = system_store(environ)
            self._files = [base or Path(get_cert_path(True))] if named or base else []
            self._files += [path for _, path in named]

    def proxy_for(self, url: str) -> Proxy | None:
        """Return the proxy for requests to a URL, None for a direct connection."""
        return self._proxies.for_url(url)

    @contextmanager
    def authorities(self) -> Iterator[str | None]:
        """Give a file with the authorities of AWS's certificates; None leaves them to botocore."""
        if len(self._files) > 1:
            with as_file(b"\n".join(path.read_bytes() for path in self._files)) as path:
                yield path
        else:
            yield next(map(str, self._files), None)
