"""Engines: what the fault tests do with engine processes, and what they ask of the topics afterwards."""

import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from stream_engine.engine import replay
from stream_engine.messages.topics import OUTPUT, Topic
from tests.kafka.checker import Run, check, read

ROOT = Path(__file__).resolve().parents[2]
ENDS_WITHIN_S = 60.0


def faulty(bootstrap: str, prefix: str, *options: str) -> "subprocess.Popen[str]":
    """An engine of partition 0 in a process of its own, with a fault; see tests.kafka.faults."""
    command = [sys.executable, "-m", "tests.kafka.faults", bootstrap, prefix, *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


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
