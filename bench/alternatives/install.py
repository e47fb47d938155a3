"""Which client libraries can be installed beside the newest botocore? pip decides, and nothing is installed.

    python bench/alternatives/install.py

Prints one JSON object: for each set of requirements whether pip finds versions, and its words when not.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import venv
from pathlib import Path

BOTO3 = "boto3==1.44.5"
SETS = (
    ("aiobotocore==3.10.0", "botocore==1.44.5"),
    ("kubernetes==37.0.2", BOTO3),
    ("kubernetes==37.0.1", BOTO3),
    ("kubernetes", BOTO3),
    ("lightkube==1.0.1", BOTO3),
    ("kopf==1.45.2", BOTO3),
)


def resolve(python: Path, requirements: tuple[str, ...]) -> dict[str, object]:
    """Ask pip for versions that fit together."""
    done = subprocess.run(  # noqa: S603  -- fixed words
        [str(python), "-m", "pip", "install", "--dry-run", *requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    chosen = [line for line in done.stdout.splitlines() if line.startswith("Would install")]
    words = [line.strip() for line in done.stdout.splitlines() if " depends on " in line]
    return {
        "installable": done.returncode == 0,
        "chosen": [part for line in chosen for part in line.split() if part.startswith(WATCHED)],
        "because": list(dict.fromkeys(words)),
    }


WATCHED = ("aiobotocore-", "boto3-", "botocore-", "kubernetes-", "python-dateutil-", "kopf-", "lightkube-1")


def main() -> None:
    """Ask for each set."""
    with tempfile.TemporaryDirectory(prefix="mcps-alternatives-") as directory:
        venv.create(directory, with_pip=True)
        python = Path(directory) / "bin" / "python"
        subprocess.run([str(python), "-m", "pip", "install", "-qU", "pip"], check=True)  # noqa: S603  -- as above
        print(json.dumps({" + ".join(each): resolve(python, each) for each in SETS}, indent=2))


if __name__ == "__main__":
    main()
