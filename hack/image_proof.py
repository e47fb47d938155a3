"""Runs what the Dockerfile's last stage holds, without a container engine: `make image-proof`.

Needs root on Debian or Ubuntu with the system's Python of the version that runs this. A root file system is
put together from the packages that a distroless Python image is made of, plus the output of
`hack/image.py`. In it, mounted read-only and with nothing else from this machine, `/manager` runs as user
65532 with a ServiceAccount's token, against a real API server and the simulated AWS, until an MCPServer is
Ready and the program has ended by SIGTERM with status 0.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import image

from mcp_gateway_operator_demo import environment
from mcp_gateway_operator_demo.localcluster.program_cache import platform_key

# What distroless' python3 image takes from Debian; names as in Debian 12 and 13, those that exist are taken.
PACKAGES = (
    "base-files ca-certificates media-types netbase tzdata "
    "libc6 libc-bin libgcc-s1 libgomp1 libstdc++6 "
    "libbz2-1.0 libcom-err2 libcrypt1 libdb5.3 libdb5.3t64 libexpat1 libffi8 libgssapi-krb5-2 libk5crypto3 "
    "libkeyutils1 libkrb5-3 libkrb5support0 liblzma5 libncursesw6 libnsl2 libreadline8 libreadline8t64 "
    "libsqlite3-0 libssl3 libssl3t64 libtinfo6 libtirpc3 libtirpc3t64 libuuid1 libzstd1 zlib1g "
    "libpython{python}-minimal libpython{python}-stdlib python{python}-minimal"
)
USER = 65532
READY_SECONDS = 60.0
MEMORY_LIMIT = 128 * 1024 * 1024
_SERVER = """
apiVersion: mcpgateway.bedrock.aws/v1alpha1
kind: MCPServer
metadata: {name: proof, namespace: default}
spec: {endpoint: "https://mcp.example.com/mcp", capabilities: [tools], authType: NoAuth}
"""
# In a mount namespace of its own, so that nothing of it is seen or left outside.
_ENTER = """
set -e
mount --bind "$ROOT" "$ROOT"
mount -t tmpfs -o size=16m tmpfs "$ROOT/tmp"
mount -t proc proc "$ROOT/proc"
mount --bind "$SECRETS" "$ROOT/run"
for device in null random urandom; do mount --bind "/dev/$device" "$ROOT/dev/$device"; done
mount -o remount,ro,bind "$ROOT"
exec chroot --userspec=65532:65532 "$ROOT" /manager "$@"
"""


def assemble(root: Path, python: str) -> None:
    """Copy the packages' files into `root` and add the image's own."""
    for directory in ("dev", "proc", "run", "tmp", "home/nonroot"):
        (root / directory).mkdir(parents=True)
    for link in ("bin", "lib", "lib64", "sbin"):  # since Debian 12 they are one with /usr
        (root / "usr" / link).mkdir(parents=True, exist_ok=True)
        (root / link).symlink_to(f"usr/{link}")
    for device in ("null", "random", "urandom"):
        (root / "dev" / device).touch()
    for package in PACKAGES.format(python=python).split():
        _copy(package, root)
    (root / "usr" / "bin" / "python3").symlink_to(f"python{python}")
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc" / "passwd").write_text(f"nonroot:x:{USER}:{USER}:nonroot:/home/nonroot:/sbin/nologin\n")
    image.install(root / "app", arch=platform_key().rpartition("-")[2])
    image.finish(root)


def _copy(package: str, root: Path) -> None:
    listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=False)  # noqa: S603, S607  -- names from above
    for name in listed.stdout.splitlines() if listed.returncode == 0 else []:
        source = Path(name)
        if re.match(r"/usr/share/(doc|man|locale|lintian)/", name) or source.is_dir() or not source.exists():
            continue
        parent = source.parent.resolve()  # /lib and its like are links here as well
        target = root / parent.relative_to("/") / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)


def _start(
    root: Path, secrets: Path, endpoint: str, log: Path, arguments: list[str]
) -> subprocess.Popen[bytes]:
    settings = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603  -- a fixed command line
            ["unshare", "--mount", "--", "sh", "-c", _ENTER, "manager", *arguments],  # noqa: S607  -- util-linux on PATH
            env={"PATH": os.environ["PATH"], "ROOT": str(root), "SECRETS": str(secrets), **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def prove(scratch: Path) -> dict[str, object]:
    """Run the whole proof below `scratch` and return its figures.

    Raises:
        SystemExit: something did not hold; the message says what.
    """
    root, secrets = scratch / "root", scratch / "secrets"
    assemble(root, f"{sys.version_info.major}.{sys.version_info.minor}")
    for tool in ("sh", "bash", "dash", "apt-get", "dpkg", "gcc", "pip"):
        if any((root / place / tool).exists() for place in ("usr/bin", "usr/sbin", "app/bin")):
            raise SystemExit(f"{tool} has no place in the image")
    with environment.Environment(scratch) as world:
        world.start_cluster(lambda line: print(line, file=sys.stderr))
        world.start_simulator()
        secrets.mkdir()
        kubeconfig = world.cluster.service_account_kubeconfig(
            environment.NAMESPACE, environment.SERVICE_ACCOUNT, path=secrets / "kubeconfig"
        )
        _show_inside(kubeconfig, secrets)
        flags = [
            "--kubeconfig=/run/kubeconfig",
            f"--gateway-id={environment.GATEWAY}",
            f"--aws-region={environment.REGION}",
            f"--leader-election-namespace={environment.NAMESPACE}",
            "--leader-elect",
            f"--health-probe-bind-address=127.0.0.1:{environment.free_port()}",
        ]
        began = time.monotonic()
        process = _start(root, secrets, world.simulator.url, scratch / "manager.log", flags)
        try:
            world.cluster.apply(_SERVER)
            done = world.cluster.kubectl(
                *("wait", "--for=condition=Ready", "mcps/proof", f"--timeout={READY_SECONDS:.0f}s"),
                check=False,
            )
            if done.returncode != 0:
                raise SystemExit(f"Not ready: {done.stderr}\n{(scratch / 'manager.log').read_text()}")
            ready = time.monotonic() - began
            memory, user = _status(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(30)
    if status != 0:
        raise SystemExit(f"SIGTERM ended it with status {status}:\n{(scratch / 'manager.log').read_text()}")
    if user != USER:
        raise SystemExit(f"It ran as user {user}")
    if memory > MEMORY_LIMIT:
        raise SystemExit(f"It used {memory} bytes, more than its limit in the manifests")
    return {
        "user": user,
        "seconds_until_ready": round(ready, 1),
        "peak_rss_mb": round(memory / 1e6, 1),
        "image_mb": round(_size(root) / 1e6, 1),
        "of_which_app_mb": round(_size(root / "app") / 1e6, 1),
        "service_models": sorted(
            path.name for path in (root / "app/botocore/data").iterdir() if path.is_dir()
        ),
    }


def _show_inside(kubeconfig: Path, secrets: Path) -> None:
    """Let the files be read by the image's user, under the path they have inside."""
    kubeconfig.write_text(kubeconfig.read_text().replace(str(secrets), "/run"))
    for path in secrets.iterdir():
        shutil.chown(path, USER, USER)
    secrets.chmod(0o755)


def _status(pid: int) -> tuple[int, int]:
    """Return the peak resident set in bytes and the user of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
    user = re.search(r"^Uid:\s+(\d+)", text, re.MULTILINE)
    assert peak is not None
    assert user is not None
    return int(peak[1]) * 1024, int(user[1])


def _size(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())


def main() -> None:
    """Prove it and print the figures as JSON."""
    if os.geteuid() != 0 or shutil.which("dpkg") is None:
        raise SystemExit("This takes root on Debian or Ubuntu: it makes a root file system and mounts it.")
    with tempfile.TemporaryDirectory(prefix="mcps-image-") as scratch:
        place = Path(scratch)
        place.chmod(0o755)
        print(json.dumps(prove(place), indent=2))


if __name__ == "__main__":
    main()
