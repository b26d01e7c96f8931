"""Engines: what the fault tests do with engine processes, and what they ask of the topics afterwards."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream_engine.engine import replay
from stream_engine.messages.topics import INTAKE, OUTPUT, Topic
from tests.kafka.checker import Read, Run, check, read
from tests.kafka.load import QUIET, Sender, Storm

ROOT = Path(__file__).resolve().parents[2]
ENDS_WITHIN_S = 60.0


def faulty(bootstrap: str, prefix: str, *options: str) -> "subprocess.Popen[str]":
    """An engine of partition 0 in a process of its own, with a fault; see tests.kafka.faults."""
    command = [sys.executable, "-m", "tests.kafka.faults", bootstrap, prefix, *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@contextmanager
def frozen(bootstrap: str, prefix: str, step: str, *options: str) -> "Iterator[subprocess.Popen[str]]":
    """An engine of partition 0 that stands still at a step of its work; SIGCONT lets it go on."""
    process = faulty(bootstrap, prefix, "--freeze", step, *options)
    try:
        until = time.monotonic() + ENDS_WITHIN_S
        while not os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT):
            assert time.monotonic() < until, f"it does not come to {step}"
            time.sleep(0.01)
        assert process.poll() is None, f"it ended before {step}: {ended(process)}"
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit code, and what it said."""
    try:
        said, _ = process.communicate(timeout=ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        raise AssertionError(f"it does not end: {said}") from None
    return process.returncode, said


def die_at(bootstrap: str, prefix: str, steps: Iterable[str], *options: str) -> None:
    """One engine after another, each of which dies at its step; the last one takes all that is left."""
    for step in steps:
        code, said = ended(faulty(bootstrap, prefix, "--die", step, *options))
        assert code == -signal.SIGKILL, f"{step}: it ended with {code}: {said}"
    code, said = ended(faulty(bootstrap, prefix, *options))
    assert code == 0, said


class Engines:
    """Processes of `liqstorm engine` that share the partitions of a prefix; none outlives the test."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.running: list[Process] = []
        self._bootstrap = bootstrap
        self._prefix = prefix

    def start(self, *options: str) -> "Process":
        """One more."""
        process = Process("engine", "--bootstrap", self._bootstrap, "--prefix", self._prefix, *options)
        self.running.append(process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.running:
            if kind is not None:
                print(f"--- engine {process.pid} said:\n{process.said()}")
            process.send(signal.SIGKILL)
            process.wait()


class Process:
    """A verb of ours in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stream_engine", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait(ENDS_WITHIN_S)

    def stop(self) -> int:
        """Tell it to end, as an operator does; its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def wait_until_it_says(self, words: str, within_s: float = ENDS_WITHIN_S) -> None:
        """Wait for its words."""
        until = time.monotonic() + within_s
        while words not in self.said():
            assert self.is_running and time.monotonic() < until, f"not a word of {words!r}: {self.said()}"
            time.sleep(0.02)

    def said(self) -> str:
        """What it has said so far."""
        return os.pread(self._output.fileno(), 2**24, 0).decode(errors="replace")


class Load:
    """Puts a storm on each partition, a second of it every so often, from a thread, until told that it is enough."""

    def __init__(self, bootstrap: str, prefix: str, storms: Sequence[Storm], every_s: float) -> None:
        self._sent = 0
        self._sender = Sender(bootstrap, prefix)
        self._storms = storms
        self._every_s = every_s
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> int:
        """End with the second that is being sent; how many records were sent and are kept."""
        self._enough.set()
        self._thread.join()
        return self._sent

    def _run(self) -> None:
        for partition, storm in enumerate(self._storms):
            self._sent += self._sender.send(storm.begin(), partition)
        while not self._enough.wait(self._every_s):
            for partition, storm in enumerate(self._storms):
                self._sent += self._sender.send(storm.second(), partition)


class Progress:
    """How far the engines of a prefix have got: the offsets that they committed."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int) -> None:
        self._consumer = Consumer(
            QUIET | {"bootstrap.servers": bootstrap, "group.id": f"{prefix}engine", "enable.auto.commit": False}
        )
        self._intake = [TopicPartition(prefix + topic.value, n) for topic in INTAKE for n in range(partitions)]

    def taken(self, *partitions: int) -> int:
        """Records taken, of these partitions or of all."""
        until = time.monotonic() + ENDS_WITHIN_S
        while True:
            try:
                committed = self._consumer.committed(self._intake, timeout=ENDS_WITHIN_S)
                break
            except KafkaException:  # a broker that comes back does not know at once what it coordinates
                if time.monotonic() > until:
                    raise
        return sum(max(0, at.offset) for at in committed if not partitions or at.partition in partitions)

    def wait(self, taken: int, within_s: float, *partitions: int) -> float:
        """Seconds until so many records are taken (I8)."""
        began_s = time.monotonic()
        while (so_far := self.taken(*partitions)) < taken:
            waited_s = time.monotonic() - began_s
            assert waited_s < within_s, f"{so_far} of {taken} records are taken after {waited_s:.1f} s"
            time.sleep(0.05)
        return time.monotonic() - began_s

    def close(self) -> None:
        """Close its connections."""
        self._consumer.close()


def assert_exact(bootstrap: str, prefix: str, sent: int) -> list[str]:
    """Of so many records sent not one is lost and none taken twice, and the journal gives the events (I1-I7)."""
    run = read(bootstrap, prefix)
    said = list(check(run))
    journalled = sum(len(run.records.get((topic, number), [])) for topic, number in run.committed)
    assert journalled == sent, f"{sent} sent, {journalled} taken"
    for at, end in run.committed.items():
        last = run.records[at][-1].offset if run.records.get(at) else -1
        assert end > last, f"{at}: {end} is committed, the last record is {last}"
    assert_replays(run)
    return said


def assert_verified(bootstrap: str, prefix: str, folder: Path) -> None:
    """I4 as a user has it: what `record` keeps of the topics is what `replay --verify` says that it should be."""
    record = Process("record", "--bootstrap", bootstrap, "--prefix", prefix, "--out", str(folder), "--until-idle", "1")
    assert record.wait() == 0, record.said()
    verify = Process("replay", str(folder), "--verify")
    assert verify.wait() == 0 and "every one the same, byte for byte" in verify.said(), verify.said()


def records_of(bootstrap: str, prefix: str, topic: Topic, partition: int = 0) -> list[Read]:
    """What is committed on a partition of a topic."""
    return read(bootstrap, prefix, [topic.value]).records.get((topic.value, partition), [])


def assert_replays(run: Run) -> None:
    """I4: the journal applied again gives every event that was published, byte for byte, in its order."""
    for partition in range(run.partitions):
        journal = [record.value for record in run.records.get((Topic.JOURNAL.value, partition), [])]
        again = defaultdict(list)
        for made in replay(journal, partition):
            again[made.topic].append((made.key, made.value))
        for topic in OUTPUT:
            published = [(record.key, record.value) for record in run.records.get((topic.value, partition), [])]
            assert published == again[topic.value], f"{topic.value}[{partition}] is not what its journal gives"
