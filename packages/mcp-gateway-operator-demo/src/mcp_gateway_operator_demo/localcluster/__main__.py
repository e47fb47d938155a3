"""`python -m mcp_gateway_operator_demo.localcluster`: a Kubernetes API to play with until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
from pathlib import Path

import click

from mcp_gateway_operator_demo.localcluster import LocalCluster, LocalClusterError, ensure_binaries

_EXAMPLE = """
\b
Example:
  python -m mcp_gateway_operator_demo.localcluster --directory ./cluster
"""


@click.command(epilog=_EXAMPLE)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the cluster's objects here; the next run with the same directory has them again.",
)
def main(directory: Path | None) -> None:
    """Run a kube-apiserver with etcd on loopback until Ctrl-C.

    The first run downloads or builds them. Standard output is one line for the shell, progress is on standard
    error.
    """
    # kill and Ctrl-C end it alike, also while it downloads or builds.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def progress(line: str) -> None:
        click.echo(line, err=True)

    keep = directory is not None
    with contextlib.ExitStack() as stack:
        if directory is None:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="mcps-cluster-"))
            directory = Path(scratch) / "cluster"
        try:
            binaries = ensure_binaries(progress=progress)
            with LocalCluster.start(binaries, directory=directory, progress=progress, keep=keep) as cluster:
                _serve(cluster)
        except LocalClusterError as error:
            raise click.ClickException(str(error)) from error


def _serve(cluster: LocalCluster) -> None:
    """Say where the cluster is and wait for Ctrl-C; raise ClusterStartError when a server dies by itself."""
    forever = threading.Event()
    with contextlib.suppress(KeyboardInterrupt):
        click.echo(f"export KUBECONFIG={cluster.kubeconfig}")
        while not forever.wait(1):
            cluster.check()


if __name__ == "__main__":
    main()
