"""The README keeps its word: its figures are those of the result files, its names exist, its commands are ours."""

import importlib
import json
import re
import shlex
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from consumers.summary import Summary
from consumers.summary_table import table
from stream_engine.cli.main import VERBS
from stream_engine.messages.topics import Topic

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- from (\S+): begin -->\n(.*?)<!-- from \1: end -->", re.DOTALL)
WIDTH = 110


def printed(result: str) -> str:
    """What the README has to say of a result file: the summary as a terminal prints it, and the hash."""
    said = json.loads((ROOT / result).read_text(encoding="utf-8"))
    console = Console(file=StringIO(), width=WIDTH, no_color=True, highlight=False)
    console.print(table(msgspec.convert(said, Summary)))
    console.print(f"\nEvent log sha256 {said['run']['event_log_sha256']}", soft_wrap=True)
    assert isinstance(console.file, StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    return "```\n" + "\n".join(lines) + "\n```\n"


def test_the_readme_shows_a_run() -> None:
    assert [result for result, _ in BLOCK.findall(README)] == ["tests/results/oct10-7.json"]


@pytest.mark.parametrize(("result", "shown"), BLOCK.findall(README), ids=lambda value: str(value)[:40])
def test_the_figures_of_the_readme_are_those_of_the_result_file(result: str, shown: str) -> None:
    assert shown == printed(result)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:stream_engine|producers|consumers)\.[\w.]+)`", README))))
def test_every_name_in_the_readme_exists(name: str) -> None:
    module, rest = name, []
    while importlib.util.find_spec(module) is None:
        module, _, last = module.rpartition(".")
        rest.insert(0, last)
    thing: object = importlib.import_module(module)
    for part in rest:
        thing = getattr(thing, part)


def test_every_topic_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", README))
    assert {topic.value for topic in Topic} - {"snapshots"} <= told


def test_every_command_of_the_readme_is_one() -> None:
    lines = re.findall(r"^    (?:.*\| )?liqstorm (.+)$", README, re.MULTILINE)
    verbs = {shlex.split(line, comments=True)[0] for line in lines}
    assert verbs <= {*VERBS, "--help"}
    assert {"run", "scenario", "apply"} <= verbs
