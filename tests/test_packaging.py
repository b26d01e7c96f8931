"""Packaging: the wheel, in a fresh environment and away from the checkout, runs a scenario."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def call(command: Sequence[str | Path], cwd: Path) -> str:
    """What a command says on stdout; its whole output is in the failure if it fails."""
    # PYTHONPATH would let the checkout in again.
    surroundings = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    run = subprocess.run([*map(str, command)], cwd=cwd, env=surroundings, capture_output=True, text=True)
    assert run.returncode == 0, f"{command}\n{run.stdout}\n{run.stderr}"
    return run.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder], ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `liqstorm` command of a fresh environment that has the wheel and what it depends on, as constrained."""
    folder = tmp_path_factory.mktemp("environment")
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    install: list[str | Path]
    if shutil.which("uv"):
        call(["uv", "venv", "--python", sys.executable, folder / "venv"], folder)
        install = ["uv", "pip", "install", "--python", scripts / "python"]
    else:
        call([sys.executable, "-m", "venv", folder / "venv"], folder)
        install = [scripts / "python", "-m", "pip", "install", "--disable-pip-version-check"]
    call([*install, "--constraint", ROOT / "constraints.txt", wheel], folder)
    return scripts / "liqstorm"


def test_the_wheel_carries_the_three_packages_every_scenario_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    version = PROJECT["project"]["version"]
    packages = ("stream_engine", "producers", "consumers")
    assert {name.partition("/")[0] for name in names} == {*packages, f"liqstorm-{version}.dist-info"}
    modules = {path.relative_to(ROOT).as_posix() for package in packages for path in (ROOT / package).rglob("*.py")}
    scenarios = {path.relative_to(ROOT).as_posix() for path in (ROOT / "stream_engine/scenarios").glob("*.toml")}
    assert scenarios
    assert modules | scenarios <= names


def test_the_installed_command_says_its_version_and_that_of_every_library(installed: Path, tmp_path: Path) -> None:
    said = json.loads(call([installed, "--version", "--json"], tmp_path))
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert said["liqstorm"] == PROJECT["project"]["version"]
    assert said["git"] is None
    assert said["libraries"]
    assert said["libraries"] == {name: pinned[name] for name in said["libraries"]}


def test_the_installed_command_runs_a_scenario_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    said = call([installed, "run", "quiet-day", "--speed", "max", "--json", "--out", "quiet"], tmp_path)
    assert json.loads(said) == json.loads((tmp_path / "quiet" / "summary.json").read_text(encoding="utf-8"))


def test_every_dependency_is_pinned_and_nothing_names_where_it_came_from() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(len(line.split("==")) == 2 and "/" not in line and " " not in line for line in lines), lines
    pinned = {line.split("==")[0].lower() for line in lines}
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    assert {line.split(";")[0].rstrip("0123456789.~>=< ") for line in wanted} <= pinned
