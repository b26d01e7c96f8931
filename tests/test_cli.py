"""The command line as a user meets it: what a verb prints where, what it says when something is wrong, how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream_engine.cli.main import VERBS

ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, "-m", "stream_engine")
SURROUNDINGS = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "120"}


def liqstorm(*words: str | Path, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        input=stdin,
        cwd=cwd,
        env=SURROUNDINGS,
        capture_output=True,
        text=True,
        timeout=300,
    )


def complaint(run: subprocess.CompletedProcess[str], status: int) -> str:
    """What was said on stderr by a command that could do nothing: no result, no traceback, one or two sentences."""
    assert run.returncode == status, run
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    return run.stderr


# help, versions, words that are none -----------------------------------------------------------------------


def test_help_shows_every_verb_with_two_examples() -> None:
    said = liqstorm("--help").stdout
    for name, verb in VERBS.items():
        assert f"{name}: " in said
        assert len(verb.examples) == 2
        assert all(example in said for example in verb.examples)


@pytest.mark.parametrize("name", VERBS)
def test_the_help_of_a_verb_ends_with_its_two_examples(name: str) -> None:
    said = liqstorm(name, "--help").stdout
    assert all(example in said.partition("Examples:")[2] for example in VERBS[name].examples)


def test_help_and_version_load_neither_the_exchange_nor_the_terminal_view() -> None:
    program = (
        "import sys\nfrom stream_engine.cli.main import liqstorm\n"
        "liqstorm.main(['--help'], standalone_mode=False)\n"
        "print(*sorted({'rich', 'asyncio', 'msgspec', 'stream_engine.core'} & set(sys.modules)), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", program], env=SURROUNDINGS, capture_output=True, text=True, check=True)
    assert run.stderr.split() == []


def test_the_version_is_one_line_and_for_machines_everything_that_a_run_depends_on() -> None:
    assert liqstorm("--version").stdout.split()[0] == "liqstorm"
    said = json.loads(liqstorm("--version", "--json").stdout)
    assert said["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"liqstorm", "git", "libraries"} <= set(said)


def test_a_verb_that_does_not_exist_is_answered_with_the_nearest() -> None:
    assert "Did you mean 'apply'?" in complaint(liqstorm("aply"), 2)


def test_an_option_that_does_not_exist_is_answered_with_the_nearest() -> None:
    assert "--seed" in complaint(liqstorm("run", "quiet-day", "--sed", "7"), 2)


def test_assertions_that_guard_the_books_cannot_be_switched_off() -> None:
    run = subprocess.run(
        [sys.executable, "-O", "-m", "stream_engine", "--version"], env=SURROUNDINGS, capture_output=True, text=True
    )
    assert "Start it without" in complaint(run, 1)


# apply -----------------------------------------------------------------------------------------------------

TICK = '{"type":"ClockTick","venue":"X","ts_us":1000000}\n'


def test_apply_turns_input_lines_into_event_lines_and_prints_nothing_else() -> None:
    run = liqstorm("apply", "--check", stdin=TICK)
    assert run.returncode == 0
    assert run.stderr == ""
    assert [json.loads(line)["type"] for line in run.stdout.splitlines()] == ["ClockTicked"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "not json",
        "[]",
        '{"type":"Unheard","venue":"X","ts_us":1}',
        '{"type":"ClockTick","venue":"X"}',
        '{"type":"ClockTick","venue":"X","ts_us":"soon"}',
        '{"type":"ClockTick","venue":"X","ts_us":' + "9" * 300 + "}",
        '{"type":"ClockTick","venue":"X","ts_us":9007199254740992}',
        '{"type":"ClockTick","venue":"' + "x" * 300_000 + '","ts_us":1}',
        "[" * 100_000,
    ],
    ids=[
        "empty",
        "no-json",
        "no-object",
        "unknown-type",
        "no-time",
        "wrong-type",
        "300-digits",
        "2^53",
        "long",
        "deep",
    ],
)
def test_a_line_that_is_no_input_is_reported_with_its_number_and_the_rest_goes_on(line: str) -> None:
    run = liqstorm("apply", stdin=TICK + line + "\n" + TICK)
    assert run.returncode == 1
    assert len(run.stdout.splitlines()) == 2
    first, last = run.stderr.splitlines()
    assert first.startswith("line 2: ") and len(first) > len("line 2: ")
    assert last == "1 of 3 lines were no input"


@pytest.mark.parametrize(("lines", "status"), [(99, 99), (100, 100), (101, 100)])
def test_the_status_of_apply_counts_the_lines_that_were_no_input_up_to_a_hundred(lines: int, status: int) -> None:
    assert liqstorm("apply", stdin="?\n" * lines).returncode == status


def test_the_last_line_needs_no_end() -> None:
    assert liqstorm("apply", stdin=TICK.strip()).stdout.count("ClockTicked") == 1


def test_apply_reads_a_file_and_writes_a_file(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(TICK)
    run = liqstorm("apply", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert json.loads((tmp_path / "out.jsonl").read_text())["type"] == "ClockTicked"


def test_apply_says_that_a_file_is_missing(tmp_path: Path) -> None:
    assert "cannot read none.jsonl: no such file" in complaint(liqstorm("apply", "none.jsonl", cwd=tmp_path), 101)


def test_apply_does_not_write_over_what_it_reads(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(TICK)
    assert "would be lost" in complaint(liqstorm("apply", "in.jsonl", "-o", "in.jsonl", cwd=tmp_path), 101)
    assert (tmp_path / "in.jsonl").read_text() == TICK


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_apply_says_that_the_disk_is_full() -> None:
    assert "no space left on device" in complaint(liqstorm("apply", "-o", "/dev/full", stdin=TICK), 101)


def test_apply_ends_quietly_when_nobody_reads_on() -> None:
    run = subprocess.Popen([*COMMAND, "apply"], env=SURROUNDINGS, stdin=-1, stdout=-1, stderr=-1, text=True)
    assert run.stdin and run.stdout and run.stderr
    run.stdout.close()
    run.stdin.write(TICK)
    run.stdin.close()
    assert run.wait(60) == 141
    assert run.stderr.read() == ""
    run.stderr.close()


def test_apply_answers_while_its_input_is_still_open() -> None:
    with subprocess.Popen([*COMMAND, "apply"], env=SURROUNDINGS, stdin=-1, stdout=-1, text=True) as run:
        assert run.stdin and run.stdout
        run.stdin.write(TICK)
        run.stdin.flush()
        assert json.loads(run.stdout.readline())["type"] == "ClockTicked"
        run.stdin.close()
        assert run.wait(60) == 0
