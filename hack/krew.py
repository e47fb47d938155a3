"""Write kubectl's plugin `mcps` for krew: an archive, and the manifest with its digest.

    python hack/krew.py URL   writes dist/kubectl-mcps-VERSION.tar.gz and dist/mcps.yaml

URL is where the archive is to be found once it is released, without its name. The digest can be known only
when the archive is there, so the manifest is made with every release and is no file of this repository.

The archive is the same for all systems: the wheel of `make build`, the locked requirements, and a launcher
that makes a virtual environment of them at its first use, with the Python (3.11 or later) that is there.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
LAUNCHER: Final = """\
#!/bin/sh
# kubectl mcps: makes its virtual environment at its first use, and runs the command.
set -eu
self=$(readlink -f "$0")
here=$(dirname "$self")
home="${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-mcps/VERSION"
# Its Python may be gone, when the system's was upgraded.
if [ ! -x "$home/bin/kubectl-mcps" ] || [ ! -x "$home/bin/python" ]; then
  for python in ${KUBECTL_MCPS_PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
    python=
  done
  if [ -z "$python" ]; then
    echo "kubectl mcps needs Python 3.11 or later: install it, or name one in KUBECTL_MCPS_PYTHON." >&2
    exit 1
  fi
  echo "Setting up kubectl mcps VERSION in $home, once ..." >&2
  rm -rf "$home"
  "$python" -m venv "$home"
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \\
    -r "$here/requirements.txt" >&2
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$here"/*.whl >&2
fi
exec "$home/bin/kubectl-mcps" "$@"
"""


def archive(wheel: Path, requirements: Path, version: str, license_text: Path) -> bytes:
    """Return the archive; the same files make the same bytes."""
    files = {
        "LICENSE": (license_text.read_bytes(), 0o644),
        wheel.name: (wheel.read_bytes(), 0o644),
        "requirements.txt": (requirements.read_bytes(), 0o644),
        "kubectl-mcps": (LAUNCHER.replace("VERSION", version).encode(), 0o755),
    }
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, (body, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(body), mode
            tar.addfile(entry, io.BytesIO(body))
    return gzip.compress(plain.getvalue(), mtime=0)


def manifest(version: str, url: str, digest: str) -> dict[str, Any]:
    """Return the manifest, as https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/ has it."""
    systems = [{"os": system, "arch": arch} for system in ("linux", "darwin") for arch in ("amd64", "arm64")]
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "mcps"},
        "spec": {
            "version": f"v{version}",
            "homepage": url,
            "shortDescription": "Ask MCPServers why, what if, and whose",
            "description": "Status, plans and causes of MCPServers, the targets of AWS Bedrock AgentCore "
            "gateways on Kubernetes. Reads with your own credentials, and never writes to AWS.",
            "caveats": "Needs Python 3.11 or later; the first use sets up a virtual environment.",
            "platforms": [
                {
                    "selector": {"matchLabels": labels},
                    "uri": f"{url}/kubectl-mcps-{version}.tar.gz",
                    "sha256": digest,
                    "bin": "kubectl-mcps",
                }
                for labels in systems
            ],
        },
    }


def main() -> None:
    """Write both."""
    if len(sys.argv) != 2 or not sys.argv[1].startswith("https://"):  # noqa: PLR2004  -- itself and URL
        sys.exit("Say where the archive will be: make krew KREW_URL=https://HOST/PATH")
    from mcp_gateway_operator import __version__  # noqa: PLC0415  -- for `make` alone, after `make build`

    url, dist = sys.argv[1].rstrip("/"), ROOT / "dist"
    (wheel,) = dist.glob(f"mcp_gateway_operator-{__version__}-*.whl")
    body = archive(wheel, ROOT / "requirements.txt", __version__, ROOT / "LICENSE")
    packed, told = dist / f"kubectl-mcps-{__version__}.tar.gz", dist / "mcps.yaml"
    packed.write_bytes(body)
    document = manifest(__version__, url, hashlib.sha256(body).hexdigest())
    told.write_text(yaml.safe_dump(document, sort_keys=False, width=110), encoding="utf-8")
    print(f"Release {packed.relative_to(ROOT)} at {url}, then: kubectl krew install --manifest={told.name}")


if __name__ == "__main__":
    main()
