"""What runs here: the versions that a run is recorded with."""

import json
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def versions() -> dict[str, object]:
    """Ours, Python's, the git commit where this is a checkout, and each library's that we depend on."""
    return {
        "liqstorm": _version("liqstorm"),
        "git": git_commit(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: _version(name) for name in _libraries()},
    }


def keep_versions(directory: Path) -> None:
    """Write down what a run directory comes from."""
    (directory / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n", encoding="utf-8")


def git_commit() -> str | None:
    """The commit of the checkout that this code is run from, `-dirty` where it was changed; None elsewhere."""
    if not (ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() or None


def _libraries() -> list[str]:
    try:
        required = metadata.requires("liqstorm") or []
    except metadata.PackageNotFoundError:
        return []
    return sorted(re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in required if "extra ==" not in line)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
