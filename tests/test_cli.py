"""The command line as a user meets it: what a verb prints where, what it says when something is wrong, how it ends."""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consumers.board import Board
from stream_engine import drive
from stream_engine import scenario as scenarios
from stream_engine.cli import demo, main, show
from stream_engine.cli.connection import START_ONE, answered, connect
from stream_engine.cli.errors import UserError
from stream_engine.messages.topics import INTAKE, OUTPUT, Topic
from stream_engine.transport.protocol import LogError, OutOfRange, Unreachable

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
    for name, verb in main.VERBS.items():
        assert f"{name}: " in said
        assert len(verb.examples) == 2
        assert all(example in said for example in verb.examples)


@pytest.mark.parametrize("name", main.VERBS)
def test_the_help_of_a_verb_ends_with_its_two_examples(name: str) -> None:
    said = liqstorm(name, "--help").stdout
    assert all(example in said.partition("Examples:")[2] for example in main.VERBS[name].examples)


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
    assert last == "1 of 3 lines were not taken"


def test_a_line_for_a_venue_that_has_not_begun_is_not_taken_by_the_rule_of_the_engine() -> None:
    cancel = '{"type":"Cancel","venue":"X","ts_us":1000000,"account":1,"client_id":"a"}\n'
    run = liqstorm("apply", stdin=cancel + TICK + cancel)
    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "line 1: there is no venue X: one begins at its first input of the topic control",
        "1 of 3 lines were not taken",
    ]
    assert [json.loads(line)["type"] for line in run.stdout.splitlines()] == ["ClockTicked", "CancelRejected"]


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


def test_the_journal_of_a_run_applied_again_gives_its_events_byte_for_byte(a_run: Path) -> None:
    journal = [json.loads(line) for line in (a_run / "journal.jsonl").read_text().splitlines()]
    inputs = [value for record in journal for _, _, values in record["runs"] for value in values]
    run = liqstorm("apply", stdin="".join(json.dumps(value, separators=(",", ":")) + "\n" for value in inputs))
    assert (run.returncode, run.stderr) == (0, "")
    recorded = "".join((a_run / f"{topic.value}.jsonl").read_text() for topic in OUTPUT)
    assert sorted(run.stdout.splitlines()) == sorted(recorded.splitlines())


# run -------------------------------------------------------------------------------------------------------

# A storm of one minute: before the news, but with everybody there.
A_MINUTE = ("run", "oct10-small", "--set", "run.end=2025-10-10T20:21:00Z")


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "minute"
    assert liqstorm(*A_MINUTE, "--out", directory).returncode == 0
    return directory


def test_a_run_leaves_every_topic_the_summary_the_scenario_and_the_versions(a_run: Path) -> None:
    topics = {f"{topic.value}.jsonl" for topic in Topic}
    others = {"summary.json", "scenario.json", "versions.json", "event_log.sha256"}
    assert {file.name for file in a_run.iterdir()} == topics | others
    for topic in (Topic.ORDERS, Topic.QUOTES, Topic.SHOCKS, Topic.CONTROL, Topic.MARKET, Topic.EXECUTIONS):
        lines = (a_run / f"{topic.value}.jsonl").read_text().splitlines()
        assert lines and all(json.loads(line)["venue"] == "alpha" for line in lines)


def test_the_scenario_is_kept_as_it_was_run(a_run: Path) -> None:
    assert json.loads((a_run / "scenario.json").read_text())["run"]["end"] == "2025-10-10T20:21:00Z"
    assert json.loads((a_run / "summary.json").read_text())["run"]["set"] == ["run.end=2025-10-10T20:21:00Z"]


def test_the_summary_counts_every_tick_and_every_event(a_run: Path) -> None:
    said = json.loads((a_run / "summary.json").read_text())["run"]
    lines = {topic: len((a_run / f"{topic.value}.jsonl").read_text().splitlines()) for topic in Topic}
    assert said["complete"] is True
    assert said["ticks"] == 61
    assert said["inputs"] == sum(lines[topic] for topic in INTAKE)
    assert said["events"] == sum(lines[topic] for topic in OUTPUT)


@pytest.mark.parametrize(("loop", "hash_seed"), [("uvloop", "1"), ("asyncio", "2")])
def test_a_run_gives_the_same_bytes_on_either_loop_and_with_any_hash_seed(
    a_run: Path, tmp_path: Path, loop: str, hash_seed: str
) -> None:
    command = [*COMMAND, *A_MINUTE, "--loop", loop, "--out", str(tmp_path / "again"), "--json"]
    surroundings = SURROUNDINGS | {"PYTHONHASHSEED": hash_seed}
    run = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)
    assert run.stdout == (a_run / "summary.json").read_text()
    for file in a_run.iterdir():
        if file.name != "versions.json":
            assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize(("name", "is_beside"), [("quiet-day", False), ("oct10", True), ("oct10-small", True)])
def test_only_a_run_that_is_meant_to_be_10_october_is_set_beside_the_public_record(
    name: str, is_beside: bool, tmp_path: Path
) -> None:
    settings = ("--set", "run.end=2025-10-09T14:01:00Z", "--set", f"name={name}")
    run = liqstorm("run", "quiet-day", *settings, "--quiet", "--json", "--out", tmp_path / "run")
    assert run.returncode == 0, run.stderr
    assert bool(json.loads(run.stdout)["beside"]) is is_beside


def test_another_seed_gives_another_run(a_run: Path, tmp_path: Path) -> None:
    run = liqstorm(*A_MINUTE, "--seed", "8", "--out", tmp_path / "other")
    assert run.returncode == 0
    assert (tmp_path / "other" / "event_log.sha256").read_text() != (a_run / "event_log.sha256").read_text()


def test_a_run_goes_by_default_to_a_directory_of_its_own(tmp_path: Path) -> None:
    runs = [liqstorm(*A_MINUTE, cwd=tmp_path) for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0]
    made = sorted(directory.name for directory in (tmp_path / "runs").iterdir())
    assert len(made) == 2 and all(name.startswith("oct10-small-7-") for name in made)
    assert all(f"Everything is in runs/{name}" in runs[0].stdout + runs[1].stdout for name in made)


def test_results_go_to_stdout_in_plain_text_and_progress_to_stderr_as_json_lines(tmp_path: Path) -> None:
    run = liqstorm("run", "oct10-small", "--set", "run.end=2025-10-10T20:25:01Z", "--out", tmp_path / "news")
    assert "\x1b" not in run.stdout
    assert (tmp_path / "news" / "event_log.sha256").read_text().strip() in run.stdout
    said = [json.loads(line) for line in run.stderr.splitlines()]
    assert {"at": "20:25:00", "marker": "100 % tariff announced"} in said


def test_quiet_says_nothing_on_stderr(tmp_path: Path) -> None:
    run = liqstorm("run", "oct10-small", "--set", "run.end=2025-10-10T20:25:01Z", "--quiet", "--out", tmp_path / "news")
    assert run.stderr == ""


def test_an_unknown_scenario_is_answered_with_the_nearest() -> None:
    assert "the nearest is oct10" in complaint(liqstorm("run", "oct11"), 1)


def test_a_setting_that_does_not_exist_is_answered_with_its_path_and_the_nearest(tmp_path: Path) -> None:
    run = liqstorm("run", "oct10", "--set", "makers.mod=stay", cwd=tmp_path)
    assert "makers.mod" in complaint(run, 1) and "the nearest is mode" in run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("scenario", "setting", "said"),
    [
        (
            "hedged-portfolio",
            "venue.fund_usdt=1e11",
            "the engine does not take SeedFund of the setup: Expected `int` <=",
        ),
        ("quiet-day", "makers.MM1.capital_scale=50", "the exchange refuses Deposit of the setup: amount_too_large"),
        ("quiet-day", "markets.BTC.maker_fee_ppm=-5000000", "refuses ListInstrument of the setup: bad_instrument"),
    ],
)
def test_a_setup_that_the_engine_refuses_is_answered_with_the_input_and_its_reason_and_nothing_is_run(
    scenario: str, setting: str, said: str, tmp_path: Path
) -> None:
    for verb in (("run",), ("scenario", "check")):
        assert said in complaint(liqstorm(*verb, scenario, "--set", setting, cwd=tmp_path), 1)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_from_the_first_tick_however_long_the_setup_took(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    lines = show.Lines()
    lines.begin(Board("V1"), drive.Clock(0, 100_000_000), "", None)
    now_s += 60
    for wait_s, tick in ((0.0, 0), (4.9, 1), (0.1, 2), (5.0, 50)):
        now_s += wait_s
        lines.tick(tick * 1_000_000)
    assert [json.loads(line) for line in capsys.readouterr().err.splitlines()] == [
        {"at": "00:00:02", "percent": 2.0, "speed": 0.4, "eta_s": 245},
        {"at": "00:00:50", "percent": 50.0, "speed": 5.0, "eta_s": 10},
    ]


@pytest.mark.parametrize("speed", ["-1", "0", "nan", "inf", "fast"])
def test_a_speed_is_a_number_above_zero_or_max(speed: str) -> None:
    assert "neither max nor a number" in complaint(liqstorm(*A_MINUTE, "--speed", speed), 2)


def test_a_speed_paces_the_run_and_changes_nothing_else(a_run: Path, tmp_path: Path) -> None:
    began_s = time.monotonic()
    assert liqstorm(*A_MINUTE, "--speed", "20", "--out", tmp_path / "paced").returncode == 0
    assert time.monotonic() - began_s >= 60 / 20
    assert (tmp_path / "paced" / "event_log.sha256").read_text() == (a_run / "event_log.sha256").read_text()


def test_a_run_never_writes_over_another(a_run: Path) -> None:
    before = (a_run / "summary.json").stat().st_mtime_ns
    assert "is not empty" in complaint(liqstorm(*A_MINUTE, "--out", a_run), 1)
    assert (a_run / "summary.json").stat().st_mtime_ns == before


def test_a_directory_that_cannot_be_made_is_answered_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot make" in complaint(liqstorm(*A_MINUTE, "--out", tmp_path / "file" / "run"), 1)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_and_keeps_what_was_recorded(tmp_path: Path, number: signal.Signals, status: int) -> None:
    command = [*COMMAND, "run", "oct10-small", "--speed", "60", "--out", "stopped", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, env=SURROUNDINGS, stdout=-1, stderr=-1, text=True) as run:
        market = tmp_path / "stopped" / "market.jsonl"
        wait_until(lambda: market.exists() and market.read_bytes().count(b"ClockTicked") > 10)
        run.send_signal(number)
        out, err = run.communicate(timeout=60)
    assert run.returncode == status
    assert "Traceback" not in err and "stopped at" in err
    said = json.loads(out)["run"]
    assert said["complete"] is False
    assert market.read_bytes().count(b"ClockTicked") == said["ticks"] > 10
    assert all(json.loads(line) for line in market.read_text().splitlines())
    assert (tmp_path / "stopped" / "summary.json").read_text() == out


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_second_signal_ends_a_run_at_once_and_says_where_what_it_has_is(tmp_path: Path, loop: str) -> None:
    command = [*COMMAND, "run", "oct10-small", "--speed", "1", "--out", "stopped", "--loop", loop, "--quiet"]
    with subprocess.Popen(command, cwd=tmp_path, env=SURROUNDINGS, stdout=-1, stderr=-1, text=True) as run:
        market = tmp_path / "stopped" / "market.jsonl"
        wait_until(lambda: market.exists() and b"ClockTicked" in market.read_bytes())
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (130, "")
    assert err == "liqstorm: stopped at once; what was recorded until then is in stopped.\n"
    assert not (tmp_path / "stopped" / "summary.json").exists()


def test_a_run_ends_quietly_when_nobody_reads_its_summary(tmp_path: Path) -> None:
    command = [*COMMAND, *A_MINUTE, "--quiet", "--out", str(tmp_path / "run")]
    with subprocess.Popen(command, env=SURROUNDINGS, stdout=-1, stderr=-1, text=True) as run:
        assert run.stdout and run.stderr
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait(60) == 141
    assert (tmp_path / "run" / "summary.json").exists()


def test_prefix_and_client_settings_without_a_broker_are_a_mistake() -> None:
    assert "go with --bootstrap" in complaint(liqstorm(*A_MINUTE, "--prefix", "x."), 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--bootstrap", "localhost"), "'localhost' is no HOST:PORT, such as localhost:9092"),
        (("--bootstrap", "localhost:9092,"), "'' is no HOST:PORT"),
        (("--bootstrap", "localhost:9092", "--prefix", "a b"), "'a b': letters, digits, dots, dashes"),
        (("--bootstrap", "localhost:9092", "--kafka", "client_id"), "--kafka client_id: expected KEY=VALUE"),
        (("--bootstrap", "localhost:9092", "--kafka", "no_such=1"), "no_such"),
    ],
)
def test_what_names_no_broker_no_prefix_or_no_setting_is_answered_before_anybody_is_asked(
    words: tuple[str, ...], said: str
) -> None:
    assert said in complaint(liqstorm("consume", *words), 2)


@pytest.mark.parametrize(
    ("error", "embedded", "said"),
    [
        (
            Unreachable("Cannot reach Kafka at k:9092 (connection refused)."),
            False,
            f"Cannot reach Kafka at k:9092 (connection refused). {START_ONE}.",
        ),
        (
            Unreachable("Cannot reach Kafka at k:9092 (connection refused)."),
            True,
            f"Cannot reach Kafka at k:9092 (connection refused). {START_ONE}, or leave"
            " --bootstrap out to run embedded.",
        ),
        (
            Unreachable("Kafka at k:9092 does not allow it: no"),
            False,
            "Kafka at k:9092 does not allow it: no. Ask `liqstorm doctor` with the same options what is wrong.",
        ),
        (
            OutOfRange("market, partition 0: 7 is no longer kept"),
            False,
            "market, partition 0: 7 is no longer kept. Ask `liqstorm doctor` with the same options what is wrong.",
        ),
    ],
)
def test_what_a_broker_says_or_leaves_unsaid_is_told_in_a_sentence_with_what_to_do(
    error: LogError, embedded: bool, said: str
) -> None:
    with pytest.raises(UserError) as told, answered(embedded):
        raise error
    assert str(told.value) == said


def test_a_password_may_come_from_the_environment_and_one_that_is_given_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIQSTORM_SASL_PASSWORD", "secret")
    assert connect("k:9092", ["client_id=me"]).options == {"client_id": "me", "sasl_plain_password": "secret"}
    assert connect("k:9092", ["sasl_plain_password=mine"]).options["sasl_plain_password"] == "mine"


def test_a_broker_is_told_whose_client_it_is() -> None:
    assert connect("k:9092", []).options["client_id"] == "liqstorm"


# several venues --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three_venues(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What a minute of the quiet day on three venues prints, and its run directory."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    run = liqstorm(*A_MINUTE, "--set", "venue.copies=3", "--out", directory, "--quiet")
    assert run.returncode == 0, run.stderr
    return run.stdout, directory


def test_the_first_of_several_venues_is_the_same_to_the_byte_however_many_there_are(
    a_run: Path, three_venues: tuple[str, Path]
) -> None:
    for topic in (*OUTPUT, Topic.SHOCKS, Topic.QUOTES, Topic.ORDERS, Topic.LABELS):
        alone = (a_run / f"{topic.value}.jsonl").read_bytes()
        assert (three_venues[1] / f"{topic.value}.0.jsonl").read_bytes() == alone


def lines_of(directory: Path, topic: Topic, partition: int) -> list[dict[str, Any]]:
    """What a topic says on a partition, whatever its venue is called."""
    text = (directory / f"{topic.value}.{partition}.jsonl").read_text()
    return [{**json.loads(line), "venue": ""} for line in text.splitlines()]


def test_every_venue_has_its_own_course_on_a_partition_of_its_own(three_venues: tuple[str, Path]) -> None:
    for partition, venue in enumerate(("alpha", "beta", "gamma")):
        text = (three_venues[1] / f"market.{partition}.jsonl").read_text().splitlines()
        assert {json.loads(line)["venue"] for line in text} == {venue}
    for topic in (Topic.QUOTES, Topic.ORDERS):
        one, two, three = (lines_of(three_venues[1], topic, partition) for partition in range(3))
        assert one != two != three != one


@pytest.mark.parametrize(("depth_usdt", "is_the_same"), [("1e15", True), ("1_000_000", False)])
def test_copies_have_the_same_outside_market_but_for_what_their_own_makers_hedge_there(
    tmp_path: Path, depth_usdt: str, is_the_same: bool
) -> None:
    depths = [word for of in ("BTC", "TOKEN") for word in ("--set", f"outside.impact.depth_usdt.{of}={depth_usdt}")]
    run = liqstorm(*A_MINUTE, "--set", "venue.copies=2", *depths, "--out", tmp_path / "run", "--quiet")
    assert run.returncode == 0, run.stderr
    one, two = (lines_of(tmp_path / "run", Topic.SHOCKS, partition) for partition in range(2))
    assert one[0] == two[0]
    assert (one == two) is is_the_same


def test_the_summary_of_several_venues_has_all_and_the_first_is_the_headline(three_venues: tuple[str, Path]) -> None:
    said, directory = three_venues
    summary = json.loads((directory / "summary.json").read_text())
    assert (summary["venue"], list(summary["venues"])) == ("alpha", ["alpha", "beta", "gamma"])
    assert summary["title"].endswith(", venue alpha")
    table = said.partition("\nVenues")[2]
    assert [line.split()[0] for line in table.splitlines()[2:5]] == ["alpha", "beta", "gamma"]


# waiting ---------------------------------------------------------------------------------------------------


def test_a_run_that_waits_says_so_every_five_seconds_and_its_lag_stands_in_every_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    lines = show.Lines()
    lines.begin(Board("V1"), drive.Clock(0, 100_000_000), "", None)
    lines.tick(0)
    for wait_s, ticks, still_s in ((1.0, 2, 2.9), (0.1, 2, 3.0), (4.9, 2, 7.9), (0.1, 2, 8.0), (5.0, 1, 13.0)):
        now_s += wait_s
        lines.lag(drive.Lag("V1", ticks, still_s))
    lines.tick(10_000_000)
    assert [json.loads(line) for line in capsys.readouterr().err.splitlines()] == [
        {"waiting": "waiting for the engine of V1: 2 ticks behind for 3 s (`liqstorm engine` starts one)"},
        {"waiting": "waiting for the engine of V1: 2 ticks behind for 8 s (`liqstorm engine` starts one)"},
        {"at": "00:00:10", "percent": 10.0, "speed": 0.9, "eta_s": 100, "ticks_behind": 1},
    ]


# demo ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def a_demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the demo prints where there is no terminal, and its run directory."""
    place = tmp_path_factory.mktemp("demo")
    run = liqstorm("demo", cwd=place)
    assert run.returncode == 0, run.stderr
    (directory,) = (place / "runs").iterdir()
    return run.stdout, directory


def test_a_demo_says_what_it_plays_and_takes_two_and_a_half_minutes_of_it() -> None:
    times = scenarios.clock(scenarios.load(demo.SCENARIO))
    assert (times.end_us - times.start_us) / 1_000_000 / float(demo.SPEED) == 150
    said = liqstorm("demo", "--help").stdout
    assert "two and a half minutes" in said and demo.SCENARIO in said and f"[default: {demo.SPEED}]" in said


def test_a_demo_whose_output_is_no_terminal_prints_the_summary_and_three_next_commands(
    a_demo: tuple[str, Path],
) -> None:
    said, directory = a_demo
    assert "\x1b" not in said
    assert (directory / "event_log.sha256").read_text().strip() in said
    following = said.partition("Next:\n")[2].splitlines()
    assert len([line for line in following if line.startswith("  ") and not line.startswith("   ")]) == 3


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="participants use exp and log, whose last bit may differ on another system",
)
def test_the_demo_is_the_run_that_the_readme_shows(a_demo: tuple[str, Path]) -> None:
    kept = json.loads((ROOT / "tests" / "results" / "oct10-small-7.json").read_text())
    assert json.loads((a_demo[1] / "summary.json").read_text()) == kept, "run: python -m tests.results"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
def test_a_demo_on_a_terminal_draws_the_view_and_gives_the_screen_back(tmp_path: Path) -> None:
    import pty

    screen, terminal = pty.openpty()
    command = [*COMMAND, "demo", "--speed", "max"]
    surroundings = SURROUNDINGS | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    with subprocess.Popen(command, cwd=tmp_path, env=surroundings, stdout=terminal, stderr=terminal) as run:
        os.close(terminal)
        drawn = b""
        while b"makers" not in drawn:
            drawn += os.read(screen, 65_536)
        run.send_signal(signal.SIGINT)
        try:
            while more := os.read(screen, 65_536):
                drawn += more
        except OSError:  # the other end has closed
            pass
        assert run.wait(60) == 130
    os.close(screen)
    text = drawn.decode(errors="replace")
    assert "oct10-small" in text and "UTC" in text
    assert text.index("\x1b[?1049h") < text.index("\x1b[?1049l") < text.index("sha256 of its event log")


# scenario --------------------------------------------------------------------------------------------------


def test_the_shipped_scenarios_are_listed_and_every_one_can_be_run() -> None:
    listed = json.loads(liqstorm("scenario", "list", "--json").stdout)
    assert {"oct10", "oct10-small", "cliff", "hedged-portfolio", "quiet-day"} <= set(listed["scenarios"])
    assert listed["overlays"]["stay"] == "Makers made to stay"
    told = [line.split() for line in liqstorm("scenario", "list").stdout.splitlines() if line.startswith("  ")]
    assert [words[0] for words in told] == [*listed["scenarios"], *listed["overlays"]]
    # The full one makes 1.6 million accounts, as what it is based on makes 20,000.
    for name in listed["scenarios"].keys() - {"oct10-full"}:
        assert f"{name} can be run" in CliRunner().invoke(main.liqstorm, ["scenario", "check", name]).output


def test_a_scenario_that_is_shown_can_be_changed_checked_and_run(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(liqstorm("scenario", "show", "oct10", "--file").stdout)
    assert "can be run" in liqstorm("scenario", "check", "mine.toml", cwd=tmp_path).stdout
    (tmp_path / "mine.toml").write_text("[venu]\n")
    assert "venu: there is no such setting" in complaint(liqstorm("scenario", "check", "mine.toml", cwd=tmp_path), 1)


def test_the_rules_of_a_scenario_are_shown_with_where_each_came_from() -> None:
    shown = liqstorm(
        "scenario", "show", "quiet-day", "--set", "venue.preset=bybit", "--set", "venue.adl.policy=okx"
    ).stdout
    rules = [" ".join(line.split()) for line in shown.splitlines()]
    assert 'policy = "okx" # --set' in rules and "drawdown_on_pct = 30 # preset bybit" in rules
    assert 'symbol = "BTC" # file' in rules and "rate_limit = 0 # default" in rules
    told = json.loads(liqstorm("scenario", "show", "quiet-day", "--json").stdout)
    assert told["markets.TOKEN.mark"] == {"value": "median", "from": "default"}


A_WORLD = """
[[venues]]
name = "large"
share = 0.75
preset = "binance"

[[venues]]
name = "small"
share = 0.25
symbols = ["BTC"]

[outside]
"""


def test_several_venues_are_checked_and_shown_each_or_one_alone(tmp_path: Path) -> None:
    quiet = liqstorm("scenario", "show", "quiet-day", "--file").stdout
    (tmp_path / "mine.toml").write_text(quiet.replace("[outside]\n", A_WORLD, 1))
    said = liqstorm("scenario", "check", "mine.toml", "--with", "stay", cwd=tmp_path).stdout.splitlines()
    assert said[0].startswith("quiet-day+stay can be run: 2 venues, 2 markets, 5 makers, ")
    assert said[1].startswith("  large  75 % of the whole, 2 markets, ") and said[1].endswith(", preset binance")
    assert said[2].startswith("  small  25 % of the whole, 1 market, ") and said[2].endswith(", rules of its own")
    both = liqstorm("scenario", "show", "mine.toml", cwd=tmp_path).stdout
    assert both.count("[[venues]]") == 2 and both.count("[[venues.markets]]") == 3
    one = liqstorm("scenario", "show", "mine.toml", "--venue", "small", "--json", cwd=tmp_path).stdout
    assert json.loads(one)["venues.small.share"] == {"value": 0.25, "from": "file"}
    wrong = liqstorm("scenario", "show", "mine.toml", "--venue", "smal", cwd=tmp_path)
    assert "quiet-day has no venue smal. Did you mean 'small'?" in complaint(wrong, 1)
    both_asked = liqstorm("scenario", "show", "mine.toml", "--file", "--with", "stay", cwd=tmp_path)
    assert "it goes with none of --with, --set, --venue and --json" in complaint(both_asked, 2)


def test_a_run_carries_its_overlays_in_its_directory_its_title_and_its_summary(tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text('title = "Slower"\n[run]\nend = 2025-10-09T14:01:00Z\n')
    liqstorm("run", "quiet-day", "--with", "stay", "--with", "slow.toml", "--quiet", cwd=tmp_path)
    (directory,) = (tmp_path / "runs").iterdir()
    assert directory.name.startswith("quiet-day+stay+slow-7-")
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["run"]["with"] == ["stay", "slow"] and summary["title"] == "quiet-day+stay+slow, seed 7"
    assert json.loads((directory / "scenario.json").read_text())["makers"]["mode"] == "stay"


def test_a_scenario_that_is_not_there_is_answered_with_the_nearest() -> None:
    assert "the nearest is quiet-day" in complaint(liqstorm("scenario", "show", "quite-day"), 1)


def wait_until(holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.05)
