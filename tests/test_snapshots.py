"""Snapshots: parts, sets, which of them count, and that losing them costs time and nothing else."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from stream_engine import journal, snapshots
from stream_engine.engine import Engine
from stream_engine.journal import JournalError
from stream_engine.snapshots import MAX_PART_BYTES, Part, Snapshot, Standing
from stream_engine.standby import Follower
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Outgoing, Record
from tests.test_recovery import EIGHT, JOURNAL, SNAPSHOTS, filled, to_the_end
from tests.transport.marked import MarkedLog

decode = msgspec.json.Decoder(Part).decode


def a_standing(offset: int = 7, venues: tuple[str, ...] = ("alpha", "beta")) -> Standing:
    return Standing(offset, offset, "f" * 64, {"control": (3, EIGHT), "orders": (0, 0)}, {"far": 3}, venues)


def a_snapshot(offset: int = 7, bytes_each: int = 10) -> Snapshot:
    states = {venue: (venue * bytes_each)[:bytes_each].encode() for venue in ("alpha", "beta")}
    return Snapshot(a_standing(offset), states)


def records_of(*found: Snapshot) -> list[Outgoing]:
    return [record for each in found for record in snapshots.parts(each, SNAPSHOTS, "run-7")]


async def found_in(log: MemoryLog) -> list[Snapshot]:
    return [each async for each in snapshots.newest(log, SNAPSHOTS)]


# parts -------------------------------------------------------------------------------------------------------


async def test_a_snapshot_comes_back_as_it_was_written_and_says_where_it_begins() -> None:
    log = MemoryLog()
    await snapshots.write(log, a_snapshot(7), SNAPSHOTS)
    await snapshots.write(log, a_snapshot(9), SNAPSHOTS)
    assert await found_in(log) == [a_snapshot(9)._replace(first=2), a_snapshot(7)._replace(first=0)]


def test_each_part_names_venue_journal_offset_part_parts_and_the_hash_of_the_whole() -> None:
    records = records_of(a_snapshot(bytes_each=1_000_000))
    parts = [decode(record.value) for record in records]
    assert [record.key for record in records] == [b"alpha"] * 3 + [b"beta"] * 3
    assert [(each.venue, each.offset, each.part, each.parts) for each in parts[:3]] == [
        ("alpha", 7, number, 3) for number in range(3)
    ]
    assert {each.core for each in parts} == {journal.CORE_VERSION}
    assert len({each.sha256 for each in parts[:3]}) == 1
    assert records[0].headers == (("schema", b"snapshots/1"), ("run_id", b"run-7"))
    assert records[0].timestamp_us == EIGHT
    assert all(b"\n" not in record.value and record.value.isascii() for record in records)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_no_part_is_longer_than_its_limit_whatever_the_venue_is_called(over: int) -> None:
    whole = snapshots._STATE_BYTES + over
    standing = a_standing(2**53 - 1, ("\u2028" * 64,))
    head = len(msgspec.json.encode(standing)) + 1
    found = Snapshot(replace(standing, number=2**53 - 1), {standing.venues[0]: b"x" * (whole - head)})
    records = records_of(found)
    assert max(len(record.value) for record in records) <= MAX_PART_BYTES
    assert len(records) == (1 if over <= 0 else 2)


# sets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", range(6))
async def test_a_set_of_which_any_part_is_missing_does_not_exist(missing: int) -> None:
    log = MemoryLog()
    await snapshots.write(log, a_snapshot(5), SNAPSHOTS)
    torn = records_of(a_snapshot(7, bytes_each=1_000_000))
    await log.append(torn[:missing] + torn[missing + 1 :])
    assert [each.standing.offset for each in await found_in(log)] == [5]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda part: replace(part, state=part.state[:-1] + b"?"),
        lambda part: replace(part, state=b""),
        lambda part: replace(part, core=part.core + 1),
        lambda part: replace(part, parts=2),
        lambda part: replace(part, offset=6),
    ],
)
async def test_a_part_that_is_not_as_it_was_written_spoils_its_set_and_no_other(
    spoil: Callable[[Part], Part],
) -> None:
    log = MemoryLog()
    good, bad = records_of(a_snapshot(5)), records_of(a_snapshot(7))
    await log.append([*good, replace(bad[0], value=msgspec.json.encode(spoil(decode(bad[0].value)))), bad[1]])
    assert [each.standing.offset for each in await found_in(log)] == [5]


async def test_what_is_no_part_is_passed_over_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    rubbish = [Outgoing(*SNAPSHOTS, b"", value, EIGHT) for value in (b"", b"\xff", b"[" * 5_000, b"{}", b"null")]
    await log.append([*records_of(a_snapshot(5)), *rubbish])
    assert [each.standing.offset for each in await found_in(log)] == [5]
    assert caplog.messages == [
        f"snapshots, partition 0, offset {n}: this is no part of a snapshot" for n in range(2, 7)
    ]


async def test_two_who_write_the_same_snapshot_at_once_write_one() -> None:
    log = MemoryLog()
    one, other = records_of(a_snapshot(7, 500_000)), records_of(a_snapshot(7, 500_000))
    for pair in zip(one, other, strict=True):
        await log.append(pair)
    assert {each.standing.offset for each in await found_in(log)} == {7}


async def test_parts_of_two_snapshots_that_were_written_at_once_are_kept_apart() -> None:
    log = MemoryLog()
    for pair in zip(records_of(a_snapshot(7, 500_000)), records_of(a_snapshot(8, 500_000)), strict=True):
        await log.append(pair)
    kept = [each._replace(first=0) for each in await found_in(log)]
    assert kept == [a_snapshot(8, 500_000), a_snapshot(7, 500_000)]


@pytest.mark.parametrize("make", [MemoryLog, MarkedLog])
async def test_sets_are_found_from_the_end_however_many_there_are(make: type[MemoryLog]) -> None:
    log = make()
    for offset in range(1, 200):
        await snapshots.write(log, a_snapshot(offset), SNAPSHOTS)
    assert [each.standing.offset for each in await found_in(log)] == list(range(199, 0, -1))


async def test_who_wants_the_newest_does_not_read_the_whole_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    for offset in range(1, 1_000):
        await snapshots.write(log, a_snapshot(offset), SNAPSHOTS)
    read: list[Record] = []
    read_record = snapshots._read

    def noting(record: Record) -> Part | None:
        read.append(record)
        return read_record(record)

    monkeypatch.setattr(snapshots, "_read", noting)
    assert (await anext(aiter(snapshots.newest(log, SNAPSHOTS)))).standing.offset == 999
    assert len(read) < 50


# resuming ----------------------------------------------------------------------------------------------------


async def a_storm_taken(*kept: Snapshot) -> MemoryLog:
    """A storm of two venues that was taken, with the snapshots that were made on the way, or these instead."""
    log = await filled(MemoryLog(), "alpha", "beta")
    await to_the_end(log)
    if kept:
        log._kept[SNAPSHOTS] = records_of(*kept)
    return log


async def begun(log: MemoryLog) -> Follower:
    follower = Follower(log, 0)
    await follower.begin()
    return follower


async def test_who_resumes_begins_at_the_newest_snapshot() -> None:
    log = await a_storm_taken()
    newest, second, *_ = await found_in(log)
    assert (await begun(log)).chain.length == newest.standing.number > second.standing.number > 0


async def test_from_whatever_snapshot_an_engine_resumes_it_comes_to_the_same_state() -> None:
    log = await a_storm_taken()
    whole = Follower(log, 0)
    whole.position = 0
    while await whole.follow():
        pass
    expected = await whole.snapshot()
    for each in await found_in(log):
        log = await a_storm_taken(each)
        log.forget({JOURNAL: each.standing.offset})
        engine = Engine(log, 0)
        await engine.start()
        assert await engine.snapshot() == expected


def another_journal(snapshot: Snapshot) -> Snapshot:
    return snapshot._replace(standing=replace(snapshot.standing, sha256="0" * 64))


def past_the_end(snapshot: Snapshot) -> Snapshot:
    return snapshot._replace(standing=replace(snapshot.standing, offset=snapshot.standing.offset + 10_000))


def no_state(snapshot: Snapshot) -> Snapshot:
    return snapshot._replace(states=snapshot.states | {"beta": b"not a state"})


def half_a_state(snapshot: Snapshot) -> Snapshot:
    return snapshot._replace(states=snapshot.states | {"beta": snapshot.states["beta"][:-40]})


@pytest.mark.parametrize("spoil", [another_journal, past_the_end, no_state, half_a_state])
async def test_a_snapshot_that_does_not_fit_or_is_no_state_gives_way_to_the_one_before(
    spoil: Callable[[Snapshot], Snapshot], caplog: pytest.LogCaptureFixture
) -> None:
    newest, second, *_ = await found_in(await a_storm_taken())
    follower = await begun(await a_storm_taken(second, spoil(newest)))
    assert follower.chain.length == second.standing.number
    assert list(follower.venues.exchanges) == ["alpha", "beta"]
    assert (
        f"journal, partition 0, offset {spoil(newest).standing.offset}: the snapshot there is not used" in caplog.text
    )


@pytest.mark.parametrize("spoil", [another_journal, past_the_end, no_state, half_a_state])
async def test_without_one_that_fits_the_journal_is_applied_from_its_beginning(
    spoil: Callable[[Snapshot], Snapshot],
) -> None:
    newest, *_ = await found_in(await a_storm_taken())
    log = await a_storm_taken(spoil(newest))
    assert (await begun(log)).chain.length == 0
    engine = Engine(log, 0)
    await engine.start()
    assert not await engine.behind()


@pytest.mark.parametrize("spoil", [another_journal, past_the_end, no_state, half_a_state])
async def test_without_one_that_fits_a_journal_that_was_trimmed_cannot_be_resumed(
    spoil: Callable[[Snapshot], Snapshot],
) -> None:
    newest, second, *_ = await found_in(await a_storm_taken())
    log = await a_storm_taken(second, spoil(newest))
    log.forget({JOURNAL: second.standing.offset + 1})
    with pytest.raises(JournalError, match=r"journal, partition 0, begins at offset \d+, and no snapshot .* resumed"):
        await Engine(log, 0).start()


async def test_a_snapshot_of_another_core_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    newest, second, *_ = await found_in(await a_storm_taken())
    log = await a_storm_taken(second)
    monkeypatch.setattr(snapshots, "CORE_VERSION", journal.CORE_VERSION - 1)
    log._kept[SNAPSHOTS] += records_of(newest)
    monkeypatch.undo()
    assert (await begun(log)).chain.length == second.standing.number


async def test_a_journal_that_was_trimmed_up_to_its_snapshot_goes_on_only_with_the_record_that_follows() -> None:
    _, second, *_ = await found_in(await a_storm_taken())
    log = await a_storm_taken(another_journal(second))
    log.forget({JOURNAL: second.standing.offset})
    follower = await begun(log)
    assert follower.chain.length == second.standing.number
    told = rf"journal, partition 0, offset {second.standing.offset}: journal record {second.standing.number}: its hash"
    with pytest.raises(JournalError, match=told):
        await follower.follow()
