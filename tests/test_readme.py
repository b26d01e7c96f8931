"""The README keeps its word: its figures are those of the result files, its names exist, its commands are ours."""

import importlib
import importlib.util
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from stream_engine import scenario as scenarios
from stream_engine.cli.main import VERBS, liqstorm
from stream_engine.layers import overlays
from stream_engine.messages.codec import decode_event
from stream_engine.messages.events import LiquidationStarted
from stream_engine.messages.topics import Topic
from tests import results
from tests.test_compose import parsed

README = results.README.read_text(encoding="utf-8")
SHOWN = {path: shown for _, path, shown, _ in results.BLOCK.findall(README)}
COMMANDS = re.findall(r"^    (?:.*\| )?liqstorm (.+)$", README, re.MULTILINE)
PLAYED = [
    words
    for words in (shlex.split(line, comments=True) for line in COMMANDS)
    if words[0] in ("run", "whatif", "sweep", "produce") and not words[1].endswith(".toml")
]
NAMES = sorted(set(re.findall(r"`((?:stream_engine|producers|consumers)\.[\w.]+)`", README)))


def test_the_readme_shows_every_result() -> None:
    assert SHOWN.keys() == {*results.COMMANDS, *results.TEXTS}


@pytest.mark.parametrize("path", results.LINKED)
def test_the_readme_names_what_is_too_long_for_it(path: str) -> None:
    assert f"]({path})" in README


@pytest.mark.parametrize("path", SHOWN)
def test_the_figures_of_the_readme_are_those_of_the_result_file(path: str) -> None:
    assert SHOWN[path] == results.printed(path), "run: python -m tests.results"


@pytest.mark.parametrize("path", results.COMMANDS)
def test_the_readme_names_the_command_that_gives_the_result(path: str) -> None:
    assert "liqstorm " + " ".join(word for word in results.COMMANDS[path] if word != "--json") in README


@pytest.mark.parametrize("name", NAMES)
def test_every_name_in_the_readme_exists(name: str) -> None:
    module, attributes = name, list[str]()
    while not _is_module(module):
        module, _, last = module.rpartition(".")
        attributes.insert(0, last)
    thing: object = importlib.import_module(module)
    for attribute in attributes:
        thing = getattr(thing, attribute)


def test_every_topic_is_told() -> None:
    assert {topic.value for topic in Topic} - {Topic.SNAPSHOTS.value} <= set(re.findall(r"`(\w+)`", README))


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_readme_is_one(line: str) -> None:
    words = shlex.split(line.partition(" > ")[0], comments=True)
    assert words == ["--help"] or parsed(words)["verb"]


def test_the_positions_that_the_readme_gives_are_liquidated(tmp_path: Path) -> None:
    for name, kind in (("mine.toml", "toml"), ("positions.csv", "csv")):
        (tmp_path / name).write_text(blocks(kind)[-1], encoding="utf-8")
    out = tmp_path / "run"
    run = CliRunner().invoke(liqstorm, ["run", str(tmp_path / "mine.toml"), "--quiet", "--out", str(out)])
    assert run.exit_code == 0, run.output
    events = [decode_event(line) for line in (out / "liquidations.jsonl").read_bytes().splitlines()]
    assert {event.account for event in events if isinstance(event, LiquidationStarted)} >= {1_000_004_711}


def test_the_venues_that_the_readme_lists_may_stand_in_a_scenario(tmp_path: Path) -> None:
    listed = scenarios.text("quiet-day").replace("[outside]\n", f"{blocks('toml')[0]}\n[outside]\n", 1)
    (tmp_path / "mine.toml").write_text(listed, encoding="utf-8")
    large, small = scenarios.load(str(tmp_path / "mine.toml")).venues
    assert [market.symbol for market in large.markets] == ["BTC", "TOKEN"]
    assert [market.depth_usdt for market in small.markets] == [9_000_000]


def test_every_verb_is_told_in_the_words_of_its_help_and_shown() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", README, re.MULTILINE))
    assert {name: rows.get(name) for name in VERBS} == {name: verb.short for name, verb in VERBS.items()}
    shown = {line.split()[0] for line in COMMANDS}
    assert VERBS.keys() - {"demo"} <= shown  # that one is `make demo` here


@pytest.mark.parametrize("name", VERBS)
def test_the_examples_of_a_verb_are_command_lines_of_it(name: str) -> None:
    for example in VERBS[name].examples:
        words = shlex.split(example.rpartition("liqstorm ")[2].partition(" > ")[0])
        assert parsed(words)["verb"][0] == name


def test_every_scenario_and_every_overlay_is_told_in_a_row() -> None:
    firsts = re.findall(r"^\| ((?:`[\w-]+` ?)+)\| ", README, re.MULTILINE)
    told = {name for first in firsts for name in re.findall(r"`([\w-]+)`", first)}
    assert {*scenarios.names(), *overlays()} - told == set()


@pytest.mark.parametrize("words", PLAYED, ids=" ".join)
def test_what_a_command_plays_comes_with_it_and_may_be_changed_so(words: list[str]) -> None:
    assert words[1] in scenarios.names()
    settings, laid = ([after for word, after in pairwise(words) if word == option] for option in ("--set", "--with"))
    assert scenarios.load(words[1], settings, laid).name == words[1]


def blocks(kind: str) -> list[str]:
    """What the README shows as files of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what stands before the last point is no package
        return False
