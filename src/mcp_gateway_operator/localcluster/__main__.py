"""`python -m mcp_gateway_operator.localcluster`: a Kubernetes API to play with until Ctrl-C."""

from __future__ import annotations

import signal
import tempfile
import threading
from pathlib import Path

import click

from mcp_gateway_operator.localcluster import LocalCluster, LocalClusterError, ensure_binaries


@click.command()
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the cluster's objects here; the next run with the same directory has them again.",
)
def main(directory: Path | None) -> None:
    """Run a kube-apiserver with etcd on loopback until Ctrl-C.

    The first run downloads or builds them. Standard output is one line that can be evaluated:

        python -m mcp_gateway_operator.localcluster --directory /tmp/mcps-cluster
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def progress(line: str) -> None:
        click.echo(line, err=True)

    with tempfile.TemporaryDirectory(prefix="mcps-cluster-") as scratch:
        place = Path(scratch) / "cluster" if directory is None else directory
        try:
            with LocalCluster.start(
                ensure_binaries(progress=progress),
                directory=place,
                progress=progress,
                keep=directory is not None,
            ) as cluster:
                click.echo(f"export KUBECONFIG={cluster.kubeconfig}")
                while not stop.wait(1):
                    cluster.check()
        except LocalClusterError as error:
            raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
