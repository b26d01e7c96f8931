"""Replay: a recording's inputs again, in their order, at their pace; and whether its events follow from its journal."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consumers.recorder import Recorder
from consumers.runner import Reader
from producers import replay as replays
from producers.replay import AS_IT_WAS, Backlog, Cue, Pace, Recast, Score, play
from stream_engine import snapshots
from stream_engine.cli.main import liqstorm
from stream_engine.cli.recording import Recording
from stream_engine.cli.replaying import moment_us
from stream_engine.cli.verify import verify
from stream_engine.engine import Engine
from stream_engine.messages.codec import decode_event, decode_input, encode
from stream_engine.messages.inputs import ClockTick, Input, MapVenue, MassQuote, Place, Side
from stream_engine.messages.topics import INPUT_TOPIC, INTAKE, OUTPUT, Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Outgoing
from tests.test_engine import EIGHT, SECOND, a_cancel, a_market, a_tick


def never() -> bool:
    return False


def record_into(directory: Path, batches: Sequence[Sequence[Outgoing]], partitions: int = 1) -> Path:
    """A run directory as `run` and `record` leave it: engines take batch after batch, everything is recorded."""

    async def go() -> None:
        log = MemoryLog(partitions)
        engines = [Engine(log, partition) for partition in range(partitions)]
        for batch in batches:
            await log.append(batch)
            for engine in engines:
                while await engine.behind():
                    await engine.cycle()
        with Recorder(directory, partitions) as recorder:
            recorder.write(await Reader(log, list(Topic), range(partitions)).poll())
            (directory / "event_log.sha256").write_text(recorder.event_log_sha256() + "\n")

    asyncio.run(go())
    return directory


def sent(received: Input, partition: int = 0) -> Outgoing:
    topic = INPUT_TOPIC[type(received)].value
    return Outgoing(topic, partition, received.venue.encode(), encode(received), received.ts_us)


def garbage(topic: Topic, value: bytes) -> Outgoing:
    return Outgoing(topic.value, 0, b"", value, 0)


def by_the_second(inputs: Sequence[Input], partition: int = 0) -> list[list[Outgoing]]:
    """Ten seconds of a market in batches of a second, the tick by itself."""
    batches: list[list[Outgoing]] = [[]]
    for each in inputs:
        if isinstance(each, ClockTick):
            batches += [[sent(each, partition)], []]
        else:
            batches[-1].append(sent(each, partition))
    return [batch for batch in batches if batch]


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Ten seconds of trading with two dead letters, one of them no text and one too large for its topic."""
    batches = by_the_second(a_market())
    batches[4] = [*batches[4], garbage(Topic.ORDERS, b"\xff?"), garbage(Topic.QUOTES, b"x" * 70_000)]
    return record_into(tmp_path / "market", batches)


def replay(*words: str | Path) -> Result:
    return CliRunner().invoke(liqstorm, ["replay", *map(str, words)], standalone_mode=False)


def said(result: Result) -> str:
    assert result.exception is None, result.exception
    return result.output


def complaint(result: Result) -> str:
    assert result.exception is not None, result.output
    return str(result.exception)


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def edit(path: Path, number: int, line: bytes | None) -> None:
    """Put another line in the place of one, or take it away."""
    found = lines(path)
    found[number : number + 1] = [] if line is None else [line]
    path.write_bytes(b"".join(each + b"\n" for each in found))


def journal(directory: Path) -> list[tuple[str, bytes]]:
    return [(topic.value, value) for batch in Recording(directory).batches(0) for topic, value in batch]


# a recording is read back -----------------------------------------------------------------------------------


def test_the_inputs_come_in_the_order_of_the_journal(market: Path) -> None:
    inputs = [decode_input(value) for _, value in journal(market) if value[:1] == b"{"]
    assert inputs == a_market()


def test_without_a_journal_the_intake_files_are_merged_by_the_engines_rule(market: Path) -> None:
    (market / "journal.jsonl").unlink()
    found = [value for _, value in journal(market)]
    rank = {topic: place for place, topic in enumerate(INTAKE)}
    in_order = sorted(a_market(), key=lambda each: (each.ts_us, rank[INPUT_TOPIC[type(each)]]))
    assert [decode_input(value) for value in found if value[:1] == b"{"] == in_order
    assert b"\xff?" in found


def test_records_of_one_topic_never_overtake_each_other_without_a_journal(tmp_path: Path) -> None:
    batch = [sent(a_tick(EIGHT)), sent(a_cancel(1, EIGHT + 9)), sent(a_cancel(2, EIGHT + 3)), sent(a_tick(EIGHT + 5))]
    directory = record_into(tmp_path / "run", [batch])
    (directory / "journal.jsonl").unlink()
    assert [decode_input(value).ts_us - EIGHT for _, value in journal(directory)] == [0, 5, 9, 3]


def test_a_torn_last_line_is_where_the_recording_ends(market: Path) -> None:
    before = journal(market)
    with (market / "journal.jsonl").open("ab") as file:
        file.write(b'{"number":99,"co')
    assert journal(market) == before


def test_a_journal_without_its_beginning_is_no_recording_to_replay(market: Path) -> None:
    edit(market / "journal.jsonl", 0, None)
    assert "was trimmed" in complaint(replay(market))


@pytest.mark.parametrize("files", [(), ("notes.txt",), ("oder.jsonl",)])
def test_a_directory_without_a_recording_is_named(tmp_path: Path, files: Sequence[str]) -> None:
    for file in files:
        (tmp_path / file).touch()
    assert "holds no recording" in complaint(replay(tmp_path))


def test_a_recording_without_inputs_is_named(tmp_path: Path) -> None:
    (tmp_path / "orders.jsonl").touch()
    assert "holds no inputs" in complaint(replay(tmp_path))


# embedded ---------------------------------------------------------------------------------------------------


def test_an_embedded_replay_gives_the_same_event_log(market: Path, tmp_path: Path) -> None:
    output = said(replay(market, "--out", tmp_path / "again"))
    sha256 = (market / "event_log.sha256").read_text().strip()
    assert f"{sha256}, as in the recording" in output
    assert "1 oversize" in output
    for topic in OUTPUT:
        assert (tmp_path / "again" / f"{topic.value}.jsonl").read_bytes() == (
            market / f"{topic.value}.jsonl"
        ).read_bytes()
    said(replay(tmp_path / "again", "--verify"))


def test_where_nothing_was_oversize_the_journal_is_the_same_too(tmp_path: Path) -> None:
    directory = record_into(tmp_path / "run", by_the_second(a_market()))
    said(replay(directory, "--out", tmp_path / "again"))
    assert (tmp_path / "again" / "journal.jsonl").read_bytes() == (directory / "journal.jsonl").read_bytes()


def test_every_partition_is_replayed(tmp_path: Path) -> None:
    home = [sent(MapVenue("V2", EIGHT, 1), partition) for partition in (0, 1)]
    batches = [home, *by_the_second(a_market("V1"), 0), *by_the_second(a_market("V2"), 1)]
    directory = record_into(tmp_path / "run", batches, partitions=2)
    said(replay(directory, "--out", tmp_path / "again"))
    assert lines(directory / "market.1.jsonl")
    for partition in (0, 1):
        name = f"market.{partition}.jsonl"
        assert (tmp_path / "again" / name).read_bytes() == (directory / name).read_bytes()


def test_nothing_is_sent_that_lies_after_the_end(market: Path, tmp_path: Path) -> None:
    said(replay(market, "--to", "20:00:05", "--out", tmp_path / "again"))
    stamps = [decode_event(line).ts_us for line in lines(tmp_path / "again" / "market.jsonl")]
    assert max(stamps) == EIGHT + 5 * SECOND
    assert lines(tmp_path / "again" / "market.jsonl") == lines(market / "market.jsonl")[: len(stamps)]


def test_an_end_before_the_beginning_is_refused(market: Path) -> None:
    assert "20:00:00" in complaint(replay(market, "--to", "19:59"))


def test_rebased_the_first_paced_input_is_of_this_moment(market: Path, tmp_path: Path) -> None:
    said(replay(market, "--rebase", "now", "--from", "20:00:05", "--out", tmp_path / "again"))
    recorded = [decode_event(line) for line in lines(market / "market.jsonl")]
    rebased = [decode_event(line) for line in lines(tmp_path / "again" / "market.jsonl")]
    [shift_us] = {new.ts_us - old.ts_us for new, old in zip(rebased, recorded, strict=True)}
    now_us = (market / "market.jsonl").stat().st_ctime_ns // 1_000
    assert abs(EIGHT + 5 * SECOND + shift_us - now_us) < 60 * SECOND


@pytest.mark.parametrize("words", [("--speed", "2"), ("--out", "x"), ("--bootstrap", "localhost:9092"), ("--loop",)])
def test_verify_goes_with_nothing_else(market: Path, words: Sequence[str]) -> None:
    assert "DIR alone" in complaint(replay(market, "--verify", *words))


def test_nothing_is_written_over(market: Path) -> None:
    assert "not empty" in complaint(replay(market, "--out", market))


# pace -------------------------------------------------------------------------------------------------------


AT_ONCE = Pace()


def cues_of(inputs: Sequence[Input | bytes], pace: Pace = AT_ONCE, recast: Recast = AS_IT_WAS) -> list[Cue]:
    batch = [
        (Topic.ORDERS, each) if isinstance(each, bytes) else (INPUT_TOPIC[type(each)], encode(each)) for each in inputs
    ]
    return list(Score(0, pace, recast, "p.", "again").cues([batch]))


def due(cues: Sequence[Cue]) -> list[tuple[int, int]]:
    """When each cue is due, in microseconds after eight, and how many records it has."""
    return [(cue.due_us - EIGHT, len(cue.records)) for cue in cues]


def test_as_fast_as_can_be_a_batch_goes_together_but_for_its_ticks() -> None:
    inputs = [a_cancel(1, EIGHT), a_tick(EIGHT + SECOND), a_tick(EIGHT + SECOND), a_cancel(2, EIGHT + 5 * SECOND)]
    assert due(cues_of(inputs)) == [(0, 1), (SECOND, 2), (2 * SECOND, 1)]


def test_at_a_pace_what_lies_within_a_fiftieth_of_a_second_goes_together() -> None:
    inputs = [a_cancel(1, EIGHT), a_cancel(1, EIGHT + 19_999), a_cancel(1, EIGHT + 20_000)]
    assert due(cues_of(inputs, Pace(speed=1.0))) == [(0, 2), (20_000, 1)]
    assert due(cues_of(inputs, Pace(speed=2.0))) == [(0, 3)]


def test_a_stamp_that_goes_back_is_due_with_what_came_before_it() -> None:
    assert due(cues_of([a_cancel(1, EIGHT + SECOND), a_cancel(1, EIGHT)], Pace(speed=1.0))) == [(SECOND, 2)]


@pytest.mark.parametrize(("ahead_us", "due_us"), [(999_999, 999_999), (1_000_000, 1_000_000), (3_600 * SECOND, SECOND)])
def test_a_stamp_holds_nothing_up_for_longer_than_a_second_after_the_last_tick(ahead_us: int, due_us: int) -> None:
    inputs = [a_tick(EIGHT), a_cancel(1, EIGHT + ahead_us), a_cancel(2, EIGHT)]
    assert due(cues_of(inputs, Pace(speed=1.0)))[1] == (due_us, 2)


def test_what_is_no_input_is_due_with_what_came_before_it_and_goes_as_it_is() -> None:
    [cue] = cues_of([a_cancel(1, EIGHT), b"\xff?"])
    assert [(record.topic, record.value) for record in cue.records][1] == ("p.orders", b"\xff?")
    assert cue.records[1].timestamp_us == EIGHT


def test_an_input_goes_to_its_topic_with_its_venue_as_key_and_its_time() -> None:
    [cue] = cues_of([a_cancel(1, EIGHT + 7)])
    assert cue.records == [
        Outgoing(
            "p.orders",
            0,
            b"V1",
            encode(a_cancel(1, EIGHT + 7)),
            EIGHT + 7,
            (("schema", b"orders/1"), ("run_id", b"again")),
        )
    ]


def test_a_round_of_its_own_has_venues_of_its_own() -> None:
    [cue] = cues_of([a_cancel(1, EIGHT)], recast=Recast(5 * SECOND, "-2"))
    assert decode_input(cue.records[0].value) == a_cancel(1, EIGHT + 5 * SECOND, "V1-2")
    assert cue.records[0].key == b"V1-2"


def test_partitions_that_were_none_are_told_where_the_venues_live_and_nothing_else() -> None:
    batch = [(Topic.CONTROL, encode(each)) for each in (MapVenue("V1", EIGHT, 0), a_tick(EIGHT))]
    cues = Score(0, AT_ONCE, more=[1, 2]).cues([batch])
    assert [[(each.partition, each.value) for each in cue.records] for cue in cues] == [
        [(number, batch[0][1]) for number in (0, 1, 2)],
        [(0, batch[1][1])],
    ]


def test_an_input_has_no_other_moments_than_its_stamp_and_its_expiry() -> None:
    """Or they would have to be shifted, too. The times of a maker's protection are lengths."""
    times = {name for each in INPUT_TOPIC for name in each.__struct_fields__ if name.endswith("_us")}
    assert times - {"window_us", "frozen_us"} == {"ts_us", "expires_us"}


def test_an_expiry_is_shifted_with_the_stamp() -> None:
    order = Place("v", 1_000, 1, "a", "BTC", Side.BUY, 1, 100, expires_us=3_000)
    moved = Recast(500).of(order)
    assert isinstance(moved, Place) and (moved.ts_us, moved.expires_us) == (1_500, 3_500)
    quote = Recast(-500).of(MassQuote("v", 1_000, 1, "BTC", 1, expires_us=3_000))
    assert isinstance(quote, MassQuote) and (quote.ts_us, quote.expires_us) == (500, 2_500)


class Played:
    """What was sent, and when by the wall clock of a loop that does not wait."""

    def __init__(self, stop_after: int = 1_000) -> None:
        self.at_us: list[int] = []
        self._stop_after = stop_after

    async def send(self, cue: Cue) -> None:
        self.at_us.append(cue.due_us - EIGHT)

    def stop(self) -> bool:
        return len(self.at_us) >= self._stop_after


@pytest.mark.parametrize(
    ("pace", "at_least_s"), [(Pace(None), 0.0), (Pace(10.0), 0.2), (Pace(10.0, EIGHT + SECOND), 0.1)]
)
async def test_the_spacing_is_kept_or_scaled_from_where_the_pace_begins(pace: Pace, at_least_s: float) -> None:
    played, loop = Played(), asyncio.get_running_loop()
    began_s = loop.time()
    await play(cues_of([a_tick(EIGHT + second * SECOND) for second in range(3)], pace), pace, played.send, played.stop)
    assert loop.time() - began_s >= at_least_s
    assert played.at_us[-1] == (0 if pace.speed is None else 2 * SECOND)


async def test_a_stop_is_heard_between_two_cues_and_while_one_is_waited_for() -> None:
    played = Played(stop_after=1)
    pace = Pace(0.001)
    await play(cues_of([a_tick(EIGHT), a_tick(EIGHT + SECOND)], pace), pace, played.send, played.stop)
    assert played.at_us == [0]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20:50", "2025-10-10T20:50:00"),
        ("20:50:10", "2025-10-10T20:50:10"),
        ("07:44", "2025-10-11T07:44:00"),
        ("07:45", "2025-10-10T07:45:00"),
        ("2025-10-10T20:50:10", "2025-10-10T20:50:10"),
        ("2025-10-10T22:50:10+02:00", "2025-10-10T20:50:10"),
        ("2025-10-10T20:50:10.25Z", "2025-10-10T20:50:10.250000"),
    ],
)
def test_a_time_of_day_is_the_one_nearest_to_the_beginning(text: str, moment: str) -> None:
    quarter_to_eight_us = EIGHT - 900 * SECOND
    assert moment_us(text, quarter_to_eight_us) == moment_us(moment, 0)


@pytest.mark.parametrize("text", ["", "20", "25:00", "20:60", "yesterday", "now"])
def test_what_is_no_time_is_refused(market: Path, text: str) -> None:
    assert "such as 20:50" in complaint(replay(market, "--from", text))


# the backlog ------------------------------------------------------------------------------------------------


async def a_backlog(ticks: int) -> tuple[MemoryLog, Engine, Backlog, Cue]:
    """So many ticks were sent and none is taken; the next cue is another tick."""
    log = MemoryLog()
    backlog = Backlog(log, [0], "", "engine")
    for second in range(ticks):
        cue = Cue(EIGHT, 0, [sent(a_tick(EIGHT + second * SECOND))], 1)
        await log.append(cue.records)
        backlog.sent(cue)
    return log, Engine(log, 0), backlog, Cue(EIGHT, 0, [sent(a_tick(EIGHT + ticks * SECOND))], 1)


@pytest.mark.parametrize(("ticks", "waits"), [(9, False), (10, True), (11, True)])
async def test_the_next_tick_waits_while_ten_ticks_are_not_taken(ticks: int, waits: bool) -> None:
    _, engine, backlog, cue = await a_backlog(ticks)
    waited_on: list[tuple[int, ...]] = []

    def on_wait(*where: int) -> None:
        waited_on.append(where)

    room = asyncio.ensure_future(backlog.room(cue, never, on_wait))
    await asyncio.sleep(0.03)
    assert room.done() is not waits
    await engine.cycle()
    await room
    assert waited_on[:1] == ([(0, ticks, ticks)] if waits else [])


async def test_where_there_are_no_ticks_inputs_wait_while_many_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "LOOKS_EVERY", 1)
    monkeypatch.setattr(replays, "INPUTS_BEHIND", 3)
    log, engine, backlog, _ = await a_backlog(0)
    cue = Cue(EIGHT, 0, [sent(a_cancel(1))] * 3, 0)
    await backlog.room(cue, never, lambda *where: None)
    await log.append(cue.records)
    backlog.sent(cue)
    room = asyncio.ensure_future(backlog.room(cue, never, lambda *where: None))
    await asyncio.sleep(0.03)
    assert not room.done()
    await engine.cycle()
    await room


async def test_whoever_stops_waits_for_no_engine() -> None:
    _, _, backlog, cue = await a_backlog(10)
    await backlog.room(cue, lambda: True, lambda *where: None)
    await backlog.drained(lambda: True, lambda *where: None)


async def test_it_is_drained_when_everything_is_taken() -> None:
    _, engine, backlog, _ = await a_backlog(3)
    drained = asyncio.ensure_future(backlog.drained(never, lambda *where: None))
    await asyncio.sleep(0.03)
    assert not drained.done()
    await engine.cycle()
    await drained


# verified ---------------------------------------------------------------------------------------------------


def test_a_recording_is_verified_byte_for_byte(market: Path) -> None:
    events = sum(len(lines(market / f"{topic.value}.jsonl")) for topic in OUTPUT)
    found = verify(Recording(market))
    assert found.journal_records == len(lines(market / "journal.jsonl"))
    assert found.inputs == len(a_market()) + 2
    assert found.events == events
    assert found.dead_letters == 2
    assert found.event_log_sha256 == (market / "event_log.sha256").read_text().strip()
    output = said(replay(market, "--verify"))
    assert f"{events:,} events" in output
    assert "every one the same" in output


def test_where_nothing_was_recorded_nothing_is_verified(tmp_path: Path) -> None:
    directory = record_into(tmp_path / "nothing", [])
    assert "the journal in" in complaint(replay(directory, "--verify"))
    assert "is empty: there is nothing to verify" in complaint(replay(directory, "--verify"))


def test_several_partitions_are_verified_each_by_its_journal(tmp_path: Path) -> None:
    batches = [*by_the_second(a_market("V1"), 0), *by_the_second(a_market("V2"), 1)]
    directory = record_into(tmp_path / "run", batches, partitions=2)
    verify(Recording(directory))
    edit(directory / "executions.1.jsonl", 3, b"{}")
    assert "executions.1.jsonl line 4" in complaint(replay(directory, "--verify"))


def changed(line: bytes) -> bytes:
    """The same event a microsecond later."""
    stamp = json.loads(line)["ts_us"]
    return line.replace(b"%d" % stamp, b"%d" % (stamp + 1))


@pytest.mark.parametrize("topic", [Topic.EXECUTIONS, Topic.MARKET])
def test_one_changed_event_is_found_with_its_line_what_was_expected_and_what_is_there(
    market: Path, topic: Topic
) -> None:
    name = f"{topic.value}.jsonl"
    was = lines(market / name)[7]
    edit(market / name, 7, changed(was))
    found = complaint(replay(market, "--verify"))
    assert found.startswith(f"{name} line 8 ")
    assert was.decode()[:200] in found
    assert changed(was).decode()[:200] in found


def test_a_missing_event_is_found(market: Path) -> None:
    edit(market / "market.jsonl", len(lines(market / "market.jsonl")) - 1, None)
    assert "the end of the file" in complaint(replay(market, "--verify"))


def test_an_event_too_many_is_found(market: Path) -> None:
    with (market / "fund.jsonl").open("ab") as file:
        file.write(b'{"type":"FundChanged"}\n')
    assert "expected  nothing more" in complaint(replay(market, "--verify"))


def test_half_a_line_too_many_is_found(market: Path) -> None:
    with (market / "market.jsonl").open("ab") as file:
        file.write(b'{"type":"Clo')
    assert "found half a line" in complaint(replay(market, "--verify"))


def test_a_changed_byte_of_the_journal_breaks_its_chain(market: Path) -> None:
    was = lines(market / "journal.jsonl")[3]
    edit(market / "journal.jsonl", 3, was.replace(b"V1", b"V2", 1))
    assert "journal record 3: its hash does not follow" in complaint(replay(market, "--verify"))


def test_a_missing_journal_record_breaks_its_chain(market: Path) -> None:
    edit(market / "journal.jsonl", 3, None)
    assert "journal.jsonl: journal record 3" in complaint(replay(market, "--verify"))


def test_a_journal_cut_short_leaves_events_that_follow_from_nothing(market: Path) -> None:
    edit(market / "journal.jsonl", len(lines(market / "journal.jsonl")) - 1, None)
    assert "nothing more" in complaint(replay(market, "--verify"))


CHANGES = [(b'"offset":"', b'"offset":"1'), (b'"reason":"', b'"reason":"not '), (b'"length":"7', b'"length":"8')]


@pytest.mark.parametrize("number", [0, 1])
def test_a_missing_dead_letter_is_found(market: Path, number: int) -> None:
    edit(market / "deadletters.jsonl", number, None)
    assert "deadletters.jsonl line" in complaint(replay(market, "--verify"))


@pytest.mark.parametrize(("was", "now"), CHANGES)
def test_a_changed_dead_letter_is_found(market: Path, was: bytes, now: bytes) -> None:
    found = next(n for n, line in enumerate(lines(market / "deadletters.jsonl")) if was in line)
    edit(market / "deadletters.jsonl", found, lines(market / "deadletters.jsonl")[found].replace(was, now))
    assert f"deadletters.jsonl line {found + 1}" in complaint(replay(market, "--verify"))


def test_a_dead_letter_too_many_is_found_and_a_monitors_is_none_of_the_engines(market: Path) -> None:
    path = market / "deadletters.jsonl"
    kept = path.read_bytes()
    path.write_bytes(b'{"headers":{"topic":"p.market","reason":"no event"},"value":"?"}\n' + kept)
    verify(Recording(market))
    path.write_bytes(kept + kept.splitlines()[0] + b"\n")
    assert "no more dead letters" in complaint(replay(market, "--verify"))


def test_another_hash_of_the_event_log_is_found(market: Path) -> None:
    (market / "event_log.sha256").write_text("0" * 64 + "\n")
    assert "event_log.sha256 says 0000" in complaint(replay(market, "--verify"))


@pytest.mark.parametrize("topic", [Topic.JOURNAL, *OUTPUT])
def test_what_was_recorded_without_journal_or_events_cannot_be_verified(market: Path, topic: Topic) -> None:
    (market / f"{topic.value}.jsonl").unlink()
    assert f"without {topic.value}" in complaint(replay(market, "--verify"))


def test_a_recording_of_other_rules_is_refused(market: Path) -> None:
    was = lines(market / "journal.jsonl")[0]
    body = was[: was.rindex(b',"sha256"')]
    core = json.loads(was)["core"]
    body = body.replace(b'"core":%d' % core, b'"core":1')
    edit(market / "journal.jsonl", 0, body + b',"sha256":"%s"}' % hashlib.sha256(body).hexdigest().encode())
    assert "core 1" in complaint(replay(market, "--verify"))


def a_run_with_snapshots(directory: Path, cut: int, keep_snapshots: bool = True) -> Path:
    """A market with dead letters and a snapshot after each of its batches; recorded once `cut` journal records, and
    the snapshots that hold fewer, are gone."""

    async def go() -> None:
        log = MemoryLog()
        engine = Engine(log, 0)
        inputs = a_market()
        for start in range(0, len(inputs), 10):
            await log.append([*map(sent, inputs[start : start + 10]), garbage(Topic.ORDERS, b"?")])
            while await engine.behind():
                await engine.cycle()
            snapshot = await engine.snapshot()
            assert snapshot is not None
            if keep_snapshots and snapshot.standing.number >= cut:
                await snapshots.write(log, snapshot, ("snapshots", 0))
        log.forget({("journal", 0): cut})
        reader = Reader(log, list(Topic), [0])
        reader.positions["journal", 0] = cut
        with Recorder(directory) as recorder:
            recorder.write(await reader.poll())

    asyncio.run(go())
    return directory


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_a_trimmed_journal_is_verified_from_the_oldest_snapshot_on(tmp_path: Path, cut: int) -> None:
    whole = verify(Recording(a_run_with_snapshots(tmp_path / "whole", 0)))
    found = verify(Recording(a_run_with_snapshots(tmp_path / "cut", cut)))
    assert found.journal_records == whole.journal_records - cut
    assert found.dead_letters == whole.dead_letters - cut
    assert found.passed_over > whole.passed_over == 0
    assert found.events + found.passed_over == whole.events
    assert f"{found.passed_over:,} events before them" in said(replay(tmp_path / "cut", "--verify"))


def test_a_difference_behind_the_snapshot_is_found_with_its_line(tmp_path: Path) -> None:
    directory = a_run_with_snapshots(tmp_path / "cut", 3)
    last = len(lines(directory / "market.jsonl")) - 1
    edit(directory / "market.jsonl", last, changed(lines(directory / "market.jsonl")[last]))
    assert f"market.jsonl line {last + 1} " in complaint(replay(directory, "--verify"))
    edit(directory / "market.jsonl", last, None)
    assert f"market.jsonl line {last + 1} " in complaint(replay(directory, "--verify"))


def test_a_trimmed_journal_without_a_snapshot_cannot_be_verified(tmp_path: Path) -> None:
    directory = a_run_with_snapshots(tmp_path / "cut", 3, keep_snapshots=False)
    assert "begins at journal record 3" in complaint(replay(directory, "--verify"))
