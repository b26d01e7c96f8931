"""compose.yaml: a compose client takes it, every service is a command line of ours, and they fit together."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from stream_engine import scenario as scenarios
from stream_engine.cli.main import liqstorm

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "compose.yaml"
BROKER = "kafka"
DEFAULT = re.compile(r"\$\{(\w+):-([^}]*)\}")

Service = dict[str, Any]


def interpolated(text: str) -> str:
    """The file as it is where nothing is set in the environment."""
    return DEFAULT.sub(lambda match: match[2], text)


COMPOSE = yaml.safe_load(interpolated(FILE.read_text(encoding="utf-8")))
SERVICES: dict[str, Service] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != BROKER}


def parsed(words: list[str]) -> dict[str, Any]:
    """What a command line of ours says, once click has taken all of it; nothing is run."""
    context = liqstorm.make_context("liqstorm", list(words))
    found: dict[str, Any] = {"verb": []}
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None and command is not None, words
        found["verb"].append(name)
        context = command.make_context(name, rest, parent=context)
    return found | context.params


def client() -> list[str]:
    """A compose client that needs no daemon to check a file; a skip with the reason where there is none."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True).returncode:
            return command
    pytest.skip("there is no compose client: neither docker compose nor docker-compose")


def test_a_compose_client_takes_the_file() -> None:
    command = [*client(), "--file", str(FILE), "--profile", "*", "config", "--quiet"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", OURS)
def test_every_service_but_the_broker_is_the_same_image_with_another_verb(name: str) -> None:
    service = OURS[name]
    assert service["image"] == "liqstorm"
    assert service["build"] == "."
    found = parsed(service["command"])
    assert found["bootstrap"] == "kafka:19092"
    assert found["prefix"] == "oct10."


def test_the_verbs_are_those_of_a_run_on_kafka() -> None:
    verbs = {name: parsed(service["command"])["verb"] for name, service in OURS.items()}
    assert verbs == {
        "topics": ["topics", "create"],
        "engine": ["engine"],
        "producers": ["produce"],
        "monitors": ["consume"],
        "recorder": ["record"],
    }


@pytest.mark.parametrize("name", [name for name in OURS if name != "topics"])
def test_what_runs_for_a_while_begins_once_the_topics_are_there_and_asks_the_doctor_how_it_goes(name: str) -> None:
    service = OURS[name]
    assert service["depends_on"] == {"topics": {"condition": "service_completed_successfully"}}
    kind, command, *words = service["healthcheck"]["test"]
    assert (kind, command) == ("CMD", "liqstorm")
    assert parsed(words)["verb"] == ["doctor"]
    assert parsed(words)["bootstrap"] == "kafka:19092"


def test_the_topics_are_made_once_the_broker_answers_and_by_nobody_else() -> None:
    assert OURS["topics"]["depends_on"] == {BROKER: {"condition": "service_healthy"}}
    assert SERVICES[BROKER]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert SERVICES[BROKER]["image"].startswith("apache/kafka:4.")


def test_the_broker_is_reached_from_this_machine_alone() -> None:
    assert SERVICES[BROKER]["ports"] == ["127.0.0.1:9092:9092"]


def test_every_volume_is_declared_and_only_the_broker_and_the_recorder_keep_anything() -> None:
    used = {name: [volume.partition(":")[0] for volume in each.get("volumes", [])] for name, each in SERVICES.items()}
    assert {name: volumes for name, volumes in used.items() if volumes} == {"kafka": ["broker"], "recorder": ["runs"]}
    assert set(COMPOSE["volumes"]) == {"broker", "runs"}


def test_what_is_played_has_a_venue_for_each_of_four_engines_and_the_topics_a_partition_for_each_venue() -> None:
    played = parsed(OURS["producers"]["command"])
    partitions = scenarios.venues(scenarios.load(played["scenario"], played["settings"], played["overlays"])).values()
    assert sorted(partitions) == [0, 1, 2, 3]
    assert parsed(OURS["topics"]["command"])["partitions"] >= 4


def test_nothing_keeps_an_engine_from_being_started_four_times() -> None:
    assert not {"container_name", "ports", "hostname"} & set(OURS["engine"])


def test_the_image_is_built_from_what_is_let_into_it() -> None:
    said = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    assert {"stream_engine", "producers", "consumers", "pyproject.toml", "README.md", "constraints.txt"} == let_in
    assert all((ROOT / name).exists() for name in let_in)
    assert 'ENTRYPOINT ["liqstorm"]' in said


@pytest.mark.parametrize("variable", sorted({match[1] for match in DEFAULT.finditer(FILE.read_text(encoding="utf-8"))}))
def test_every_variable_is_explained_at_the_head_of_the_file(variable: str) -> None:
    head = "".join(line for line in FILE.read_text(encoding="utf-8").splitlines(True) if line.startswith("#"))
    assert variable in head
