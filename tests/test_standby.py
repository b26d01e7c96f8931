"""Standby: follows a journal that somebody else writes, holds it against what it comes to itself, and is ready."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from stream_engine import journal, snapshots
from stream_engine import standby as standbys
from stream_engine.core.exchange import Exchange
from stream_engine.core.state import dump, load
from stream_engine.engine import Engine
from stream_engine.journal import JournalError
from stream_engine.standby import JOURNALS_AT_ONCE, Follower
from stream_engine.transport.memory import MemoryLog
from tests.test_recovery import JOURNAL, SNAPSHOTS, filled, intake, published, to_the_end
from tests.transport.marked import MarkedLog


async def followed(log: MemoryLog) -> Follower:
    follower = Follower(log, 0)
    while await follower.follow():
        pass
    return follower


@pytest.mark.parametrize("make", [MemoryLog, MarkedLog])
async def test_it_comes_to_the_state_of_the_owner_record_by_record(make: type[MemoryLog]) -> None:
    log = make()
    owner, standby = Engine(log, 0), Follower(log, 0)
    await owner.start()
    storm = intake("alpha", "beta")
    for begin in range(0, len(storm), 5):
        await log.append(storm[begin : begin + 5])
        while await owner.behind():
            await owner.cycle()
        while await standby.follow():
            pass
        assert await standby.snapshot() == await owner.snapshot()
    assert standby.chain.length > 20


async def test_a_venue_however_large_is_dumped_and_loaded_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = []

    def noting(of_state: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def noted(given: Any) -> Any:
            threads.append(threading.current_thread())
            return of_state(given)

        return noted

    monkeypatch.setattr(standbys, "dump", noting(dump))
    monkeypatch.setattr(standbys, "load", noting(load))
    log = await filled(MemoryLog(), "alpha", "beta")
    await to_the_end(log, every=10**9)
    snapshot = await (await followed(log)).snapshot()
    await snapshots.write(log, snapshot, SNAPSHOTS)
    assert await (await followed(log)).snapshot() == snapshot
    assert len(threads) == 3 * 2
    assert threading.main_thread() not in threads


async def test_others_have_their_turn_behind_every_journal_record_that_is_followed() -> None:
    log = await filled(MemoryLog(), "alpha")
    await to_the_end(log, every=10**9)
    follower = Follower(log, 0)
    await follower.begin()
    stands = set()

    async def others() -> None:
        while True:
            stands.add(follower.position)
            await asyncio.sleep(0)

    watching = asyncio.create_task(others())
    applied = await follower.follow()
    watching.cancel()
    assert applied == JOURNALS_AT_ONCE
    assert stands == set(range(1, applied + 1))


@pytest.mark.parametrize("make", [MemoryLog, MarkedLog])
@pytest.mark.parametrize("behind", [0, 1, 7])
async def test_an_engine_that_is_given_a_standby_starts_from_where_it_stands_and_yields_the_same_bytes(
    behind: int, make: type[MemoryLog]
) -> None:
    whole, log = await filled(make(), "alpha", "beta"), await filled(make(), "alpha", "beta")
    await to_the_end(whole)
    first, standby = Engine(log, 0), Follower(log, 0)
    for number in range(20):
        await first.cycle(4)
        if number == 19 - behind:
            while await standby.follow():
                pass
    at = standby.chain.length
    second = Engine(log, 0, follower=standby)
    await second.start()
    assert second.stand.work.records == second.stand.chain.length
    assert second.stand.chain.length - at == behind
    while await second.behind():
        await second.cycle(4)
    assert await published(log) == await published(whole)


async def test_it_takes_few_records_at_once_and_waits_for_the_first() -> None:
    log = await filled(MemoryLog(), "alpha")
    await to_the_end(log, every=10**9)
    follower = Follower(log, 0)
    assert await follower.follow() == JOURNALS_AT_ONCE
    while await follower.follow():
        pass
    waiting = asyncio.create_task(follower.follow(wait_s=30))
    await asyncio.sleep(0.01)
    await log.append(intake("alpha")[-1:])
    await to_the_end(log)
    assert await waiting == 1


async def test_it_writes_nothing_takes_no_name_and_fences_nobody() -> None:
    log = await filled(MemoryLog(), "alpha")
    owner = Engine(log, 0)
    await owner.cycle(4)
    before, holders = await published(log), dict(log._holders)
    await followed(log)
    assert (await published(log), log._holders) == (before, holders)
    assert await owner.cycle(4) > 0


@pytest.mark.parametrize("number", [0, 3])
async def test_a_record_that_was_altered_or_is_missing_stops_it_and_is_named(number: int) -> None:
    told = f"journal, partition 0, offset {number}: journal record {number}: its hash does not follow"
    for is_missing in (False, True):
        log = await filled(MemoryLog(), "alpha")
        await to_the_end(log, every=10**9)
        kept = log._kept[JOURNAL]
        if is_missing:
            del kept[number]
        else:
            kept[number] = replace(kept[number], value=kept[number].value.replace(b"alpha", b"alphb", 1))
        with pytest.raises(JournalError, match=told):
            await followed(log)


async def test_another_state_than_the_journals_stops_it_at_the_record_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "STATES_EVERY", 4)
    log = await filled(MemoryLog(), "alpha", "beta")
    await to_the_end(log, every=10**9)
    await followed(log)
    apply = Exchange.apply

    def otherwise(exchange: Exchange, received: object) -> object:
        events = apply(exchange, received)  # type: ignore[arg-type]
        if exchange.venue == "beta" and exchange.seq == 30:
            exchange.state.fees += 1
        return events

    monkeypatch.setattr(Exchange, "apply", otherwise)
    told = "journal, partition 0, offset 15: journal record 15: the state after it is not what it was, of venue beta"
    with pytest.raises(JournalError, match=told):
        await followed(log)


@pytest.mark.parametrize(("venue_count", "hashed"), [(2, 2), (3, 3), (4, 3)])
async def test_of_very_many_venues_only_the_first_by_name_are_compared(
    venue_count: int, hashed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "STATES_EVERY", 1)
    monkeypatch.setattr(journal, "MAX_STATES", 3)
    log = await filled(MemoryLog(), *(f"v{number}" for number in reversed(range(venue_count))))
    await to_the_end(log)
    last = list(journal.read(record.value for record in log._kept[JOURNAL]))[-1]
    assert list(last.state) == [f"v{number}" for number in range(hashed)]
    assert (await followed(log)).venues.state_hashes() == last.state
