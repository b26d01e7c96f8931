"""Taping: a recording made while an engine works ends where its journal ends, whatever is seen of its events."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from consumers.recorder import Recorder
from stream_engine.cli import taping
from stream_engine.cli.recording import Recording
from stream_engine.cli.status_line import StatusLine
from stream_engine.cli.taping import Journalled, Taping
from stream_engine.cli.verify import verify
from stream_engine.engine import Engine
from stream_engine.messages.topics import Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Positions, Record, TopicPartition, Unreachable
from tests.test_engine import EIGHT, SECOND, a_market, a_tick, on, records

JOURNAL = ("journal", 0)


class LateJournal(MemoryLog):
    """Shows its journal up to `shown` records only, and all that follows from the rest."""

    shown = 0

    async def read(self, positions: Positions, limit: int, wait_s: float = 0.0) -> dict[TopicPartition, list[Record]]:
        found = await super().read(positions, limit, 0.0)
        if JOURNAL in found:
            found[JOURNAL] = [record for record in found[JOURNAL] if record.offset < self.shown]
        return {at: some for at, some in found.items() if some}

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: self.shown if at == JOURNAL else end for at, end in (await super().ends(partitions)).items()}


async def a_run(log: MemoryLog) -> int:
    """A market, a dead letter in each of its batches; how many journal records it has."""
    engine = Engine(log, 0)
    inputs = a_market()
    for start in range(0, len(inputs), 10):
        await log.append([*records(*inputs[start : start + 10]), on(Topic.ORDERS, b"?%d" % start)])
        while await engine.behind():
            await engine.cycle()
    return (await MemoryLog.ends(log, [JOURNAL]))[JOURNAL]


async def recorded(log: MemoryLog, directory: Path) -> None:
    with Recorder(directory) as recorder:
        tape = Taping(log, recorder.write, "", list(Topic), 1)
        await tape.start()
        await tape.end()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taping, "SEEN_AFTER_S", 0.0)


@pytest.mark.parametrize("missing", [0, 1, 2, 6])
async def test_what_follows_from_journal_records_not_seen_is_left_out(tmp_path: Path, missing: int) -> None:
    log = LateJournal()
    count = await a_run(log)
    log.shown = count - missing
    await recorded(log, tmp_path)
    found = verify(Recording(tmp_path))
    assert found.journal_records == count - missing
    assert found.dead_letters == count - missing
    assert (found.events > 0) is (missing < count)


async def test_without_the_cut_such_a_recording_does_not_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Journalled, "has", lambda self, record: True)
    log = LateJournal()
    log.shown = await a_run(log) - 1
    await recorded(log, tmp_path)
    with pytest.raises(Exception, match="is not what follows from the journal"):
        verify(Recording(tmp_path))


async def test_what_was_recorded_before_the_stop_stays(tmp_path: Path) -> None:
    log = MemoryLog()
    engine = Engine(log, 0)
    await log.append(records(*a_market()))
    with Recorder(tmp_path) as recorder:
        tape = Taping(log, recorder.write, "", list(Topic), 1)
        await tape.start()
        await engine.cycle()
        await tape.run(lambda: False, 0.01, StatusLine())
        await log.append(records(a_tick(EIGHT + 60 * SECOND)))
        await engine.cycle()
        await tape.end()
    assert verify(Recording(tmp_path)).inputs == len(a_market()) + 1


async def test_a_silent_broker_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taping, "TRY_AGAIN_S", 0.0)

    class Silent(MemoryLog):
        silent = 3

        async def read(
            self, positions: Positions, limit: int, wait_s: float = 0.0
        ) -> dict[TopicPartition, list[Record]]:
            if self.silent:
                self.silent -= 1
                raise Unreachable("Kafka at nowhere did not answer.")
            return await super().read(positions, limit, wait_s)

    log = Silent()
    await log.append(records(*a_market()))
    found: list[Record] = []
    tape = Taping(log, found.extend, "", [Topic.ORDERS], 1)
    await tape.start()
    await asyncio.wait_for(tape.run(lambda: len(found) > 0, None, StatusLine()), 5)
    assert found
