"""Building etcd and kube-apiserver from Go modules, with progress that is counted, not guessed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mcp_gateway_operator_demo.localcluster.errors import BinariesUnavailableError
from mcp_gateway_operator_demo.localcluster.gomodule import API_SERVER_PACKAGE, ETCD_PACKAGE, GoModule
from mcp_gateway_operator_demo.localcluster.gotool import GoTool

_REPORT_EVERY = 5.0  # seconds
# -trimpath: the same bytes wherever it is built. grpcnotrace: as in Kubernetes' own release builds, it lets
# the linker drop unreachable code.
_FLAGS = ("-trimpath", "-buildvcs=false")
_TAG = "grpcnotrace"
_CACHED = "not installed but available in build cache"
_LIST_STALE = f'{{{{if and .Stale (ne .StaleReason "{_CACHED}")}}}}{{{{.ImportPath}}}}{{{{end}}}}'


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be built: the file's name, its Go package, what is stamped in, more build tags."""

    name: str
    package: str
    stamps: Mapping[str, str]
    tags: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that decide which packages are compiled, and how."""
        return (*_FLAGS, "-tags", ",".join((_TAG, *self.tags)))


def programs(module: GoModule) -> tuple[Program, ...]:
    """Return what the wrapper module builds.

    Kubernetes reads its version from variables that its release scripts set at link time; without them the
    server calls itself v0.0.0-master and clients cannot tell what it can do.
    """
    version = module.kubernetes
    stamps = {
        f"{package}.{variable}": value
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for variable, value in {
            "gitVersion": f"v{version}",
            "gitMajor": str(version.major),
            "gitMinor": str(version.minor),
            "gitTreeState": "archive",
            "gitCommit": "unknown",
        }.items()
    }
    return (
        Program("etcd", ETCD_PACKAGE, {}),
        Program("kube-apiserver", API_SERVER_PACKAGE, stamps),
    )


class BuildProgress:
    """Turns the lines of `go list` and `go build -v` into a few lines for a person.

    Args:
        name: the program that is built.
        report: receives the lines, one at most every 5 seconds.
        clock: monotonic seconds.
    """

    def __init__(self, name: str, report: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._name = name
        self._report = report
        self._clock = clock
        self._started = self._reported = clock()
        self._modules = 0
        self._compiled = 0
        self._total = 0
        self.tail: deque[str] = deque(maxlen=12)
        """The last lines that were neither a package nor a download: the reason when the build fails."""

    def expect(self, packages: int) -> None:
        """Say how many packages the build has to compile."""
        self._total = packages

    def feed(self, line: str) -> None:
        """Take one line of the go command's standard error."""
        if line.startswith("go: downloading "):
            self._modules += 1
            self._say(f"fetched {self._modules} Go modules")
        elif line and " " not in line:
            self._compiled += 1
            # More than expected only when the build cache shrank in between.
            total = max(self._total, self._compiled)
            self._say(f"compiled {self._compiled} of {total} packages", force=self._compiled == self._total)
        elif line:
            self.tail.append(line)

    def _say(self, what: str, *, force: bool = False) -> None:
        now = self._clock()
        if force or now - self._reported >= _REPORT_EVERY:
            self._reported = now
            self._report(f"{self._name}: {what}, {elapsed(now - self._started)}")


def elapsed(seconds: float) -> str:
    """Say a duration as a person would: `48 s`, `5 min 02 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def build(
    program: Program,
    *,
    module: Path,
    go: GoTool,
    target: Path,
    progress: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Build `program` in the module directory `module` and put it into `target`, all or nothing.

    Raises:
        BinariesUnavailableError: the go command failed; the text has its last lines.
    """
    tracker = BuildProgress(program.name, progress, clock)
    started = clock()
    stale = _run(go, ["list", "-deps", *program.flags, "-f", _LIST_STALE, program.package], module, tracker)
    tracker.expect(sum(1 for line in stale.splitlines() if line))
    linker = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in program.stamps.items())])
    staging = target / f".{program.name}.build"
    argv = ["build", "-v", *program.flags, "-ldflags", linker, "-o", str(staging), program.package]
    _run(go, argv, module, tracker)
    staging.rename(target / program.name)
    progress(f"{program.name}: built in {elapsed(clock() - started)}")


@contextmanager
def module_copy(module: GoModule) -> Iterator[Path]:
    """Yield a scratch copy of the wrapper module: an installation may be read-only to this user."""
    with tempfile.TemporaryDirectory(prefix="mcps-kubernetes-") as scratch:
        copy = Path(scratch)
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(module.directory / name, copy / name)
        yield copy


def _run(go: GoTool, argv: list[str], directory: Path, tracker: BuildProgress) -> str:
    # Standard output goes to a file: only one pipe can be read at a time without a second thread.
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(  # noqa: S603  -- a fixed command line
            [go.command, *argv],
            cwd=directory,
            env=dict(go.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stderr is not None  # PIPE above
        try:
            for line in process.stderr:
                tracker.feed(line.rstrip())
        except BaseException:
            process.terminate()
            raise
        if process.wait() != 0:
            reason = "\n".join(tracker.tail) or f"exit status {process.returncode}"
            raise BinariesUnavailableError(f"go {argv[0]} {argv[-1]} failed:\n{reason}")
        output.seek(0)
        return output.read()
