"""Faults: the process of an engine that dies, as by kill -9, or stands still, at a step of its work named to it.

    python -m tests.kafka.faults BOOTSTRAP PREFIX [--die WHEN:STEP:COUNT | --freeze WHEN:STEP:COUNT]
                                 [--limit RECORDS] [--snapshots CYCLES] [--uvloop] [--transaction-timeout SECONDS]

WHEN     before the step, after it, or amid it: the request is on its way, the answer is not here.
STEP     journal, snapshots, intake: a read of it.   part: of a snapshot, appended.   commit: as the engine sees it.
         Or a request to the broker by its name: InitProducerId, OffsetFetch, Offset (where a partition begins or ends),
         AddPartitionsToTxn, Produce, AddOffsetsToTxn, TxnOffsetCommit, EndTxn. Nothing else of a process leaves it.
COUNT    how often the step must have come to it, 1 at first.
Holds    the product has no hook for this: what it calls is wrapped here, from outside. It ends by itself, with exit
         code 0, once there is nothing left to take.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from stream_engine import snapshots
from stream_engine.engine import Engine
from stream_engine.messages.topics import INTAKE, Topic
from stream_engine.transport import kafka
from stream_engine.transport.kafka import KafkaLog, KafkaSettings, KafkaWriter

Step = Callable[..., str]
# A part of a snapshot is so small here that a venue of a test has several.
_PART_BYTES = 4_096


class Death:
    """Dies when the named step has come for the given time, or stands still until it is told to go on."""

    def __init__(self, named: str, by: signal.Signals = signal.SIGKILL) -> None:
        self.when, self.step, count = named.split(":")
        self._left = int(count)
        self._by = by

    def come(self, when: str, step: str) -> None:
        """A step begins or has ended."""
        if (when, step) == (self.when, self.step):
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), self._by)


def wrap(owner: Any, name: str, step: Step, death: Death) -> None:
    """Has `death` told before and after every call of a coroutine method or function; `step` names it."""
    called: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def told(*arguments: Any, **named: Any) -> Any:
        this = step(*arguments, **named)
        death.come("before", this)
        answer = await called(*arguments, **named)
        death.come("after", this)
        return answer

    setattr(owner, name, told)


def arm(death: Death) -> None:
    """Wrap every step."""
    wrap(KafkaLog, "read", lambda log, positions, *_, **__: _read(positions), death)
    wrap(KafkaLog, "append", lambda *_: "part", death)
    wrap(KafkaWriter, "commit", lambda *_: "commit", death)
    snapshots._STATE_BYTES = _PART_BYTES
    snapshots._PARTS_AT_ONCE = 1
    connection = vars(sys.modules["aiokafka.conn"])["AIOKafkaConnection"]
    send = connection.send

    def sent(self: Any, request: Any, *arguments: Any, **named: Any) -> Any:
        step = type(request).__name__.partition("Request")[0]
        death.come("before", step)
        answer = send(self, request, *arguments, **named)
        death.come("amid", step)
        return answered(answer, step)

    async def answered(answer: Awaitable[Any], step: str) -> Any:
        said = await answer
        death.come("after", step)
        return said

    connection.send = sent


def _read(positions: dict[tuple[str, int], int]) -> str:
    [topic, *_] = (topic for topic, _ in positions)
    name = topic.rpartition(".")[2]
    return "intake" if Topic(name) in INTAKE else name


async def run(bootstrap: str, prefix: str, limit: int, every: int) -> None:
    """An engine of partition 0 that takes what there is, and writes a snapshot after so many cycles each (0: none)."""
    log = KafkaLog(KafkaSettings(bootstrap))
    engine = Engine(log, 0, prefix)
    cycles = 0
    try:
        while await engine.cycle(limit) or await engine.behind():
            cycles += 1
            if every and cycles % every == 0 and (snapshot := await engine.snapshot()) is not None:
                await snapshots.write(log, snapshot, (prefix + Topic.SNAPSHOTS.value, 0))
    finally:
        await engine.close()
        await log.close()


def main() -> None:
    """One engine, and its end."""
    options = argparse.ArgumentParser()
    options.add_argument("bootstrap")
    options.add_argument("prefix")
    options.add_argument("--die")
    options.add_argument("--freeze")
    options.add_argument("--limit", type=int, default=40)
    options.add_argument("--snapshots", type=int, default=0)
    options.add_argument("--uvloop", action="store_true")
    options.add_argument("--transaction-timeout", type=float, default=kafka.TRANSACTION_TIMEOUT_S)
    given = options.parse_args()
    kafka.TRANSACTION_TIMEOUT_S = given.transaction_timeout
    if given.die:
        arm(Death(given.die))
    if given.freeze:
        arm(Death(given.freeze, signal.SIGSTOP))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if given.uvloop else None) as runner:
        runner.run(run(given.bootstrap, given.prefix, given.limit, given.snapshots))


if __name__ == "__main__":
    main()
