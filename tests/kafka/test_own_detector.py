"""One's own detector: the program in the README, run as it stands there, reads what it says it reads."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from stream_engine.messages.codec import encode
from stream_engine.messages.events import LiquidationStarted
from tests import results
from tests.kafka.load import create_topics

DETECTOR = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MANY = 30
SECOND = 1_000_000
EIGHT = 1_760_126_400_000_000  # 2025-10-10 20:00:00 UTC
SAYS_WITHIN_S = 30.0


@pytest.fixture
def detector(bootstrap: str, prefix: str, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    [program] = DETECTOR.findall(results.README.read_text(encoding="utf-8"))
    file = tmp_path / "detector.py"
    file.write_text(program, encoding="utf-8")
    create_topics(bootstrap, prefix)
    command = [sys.executable, str(file), bootstrap, prefix]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def begun(seq: int, second: int, venue: str = "alpha") -> bytes:
    return encode(LiquidationStarted(venue, seq, 0, EIGHT + second * SECOND, None, 7, "BTC", 5, 100, 90, 1, 2))


def test_the_detector_of_the_readme_counts_each_committed_event_once_by_venue_within_a_minute(
    detector: "subprocess.Popen[str]", bootstrap: str, prefix: str
) -> None:
    topic = prefix + "liquidations"
    engine = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{prefix}by-hand"})
    engine.init_transactions(SAYS_WITHIN_S)

    def publish(*values: bytes, commit: bool = True) -> None:
        engine.begin_transaction()
        for value in values:
            engine.produce(topic, value, partition=0)
        engine.flush(SAYS_WITHIN_S)
        engine.commit_transaction(SAYS_WITHIN_S) if commit else engine.abort_transaction(SAYS_WITHIN_S)

    # One too few within a minute; then taken back; then handed out twice; then of another venue: none of it counts.
    publish(begun(1, 0), *(begun(number, 60) for number in range(2, MANY + 1)))
    publish(begun(MANY + 1, 61), commit=False)
    publish(begun(MANY, 60), begun(MANY, 62, "beta"))
    publish(begun(MANY + 1, 63))
    assert detector.stdout is not None
    assert detector.stdout.readline() == f"20:01:03 alpha: {MANY} begun\n"
