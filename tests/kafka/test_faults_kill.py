"""SIGKILL of an engine process between every two steps of its work: nothing lost, nothing twice, the same bytes.

Every step is one of a row here; all of them, in the first commit and in a later one, by `make prove`.
A row of engines works on one load; each dies at its step, its successor goes on, the last one finishes. What the topics
then hold is judged by the checker, which sees every loss and every repeat wherever in the row it happened.
"""

import pytest

from tests.kafka.engines import assert_exact, die_at
from tests.kafka.load import Storm, create_topics, send

START = [
    "amid:InitProducerId:1",
    "after:InitProducerId:1",
    "after:OffsetFetch:1",
    "after:Offset:2",
    "after:snapshots:1",
    "before:journal:1",
    "after:journal:2",
    "before:intake:1",
]
TRANSACTION = [
    "before:AddPartitionsToTxn:{}",
    "amid:AddPartitionsToTxn:{}",
    "after:AddPartitionsToTxn:{}",
    "before:Produce:{}",
    "amid:Produce:{}",
    "after:Produce:{}",
    "before:AddOffsetsToTxn:{}",
    "after:AddOffsetsToTxn:1",
    "before:TxnOffsetCommit:{}",
    "after:TxnOffsetCommit:{}",
    "before:EndTxn:{}",
    "amid:EndTxn:{}",
    "after:EndTxn:{}",
    "after:commit:{}",
]
SNAPSHOT = ["before:part:1", "after:part:1", "after:part:3", "before:commit:3", "after:part:5", "amid:EndTxn:4"]


IN_FULL = pytest.mark.prove


@pytest.mark.parametrize(
    ("steps", "options"),
    [
        pytest.param([step.format(1) for step in TRANSACTION[::2]], [], id="at half the steps of its first commit"),
        pytest.param([step.format(3) for step in TRANSACTION[1::2]], ["--uvloop"], id="at the others of its third"),
        pytest.param([step.format(1) for step in TRANSACTION], [], id="in its first commit", marks=IN_FULL),
        pytest.param([step.format(3) for step in TRANSACTION], ["--uvloop"], id="in its third commit", marks=IN_FULL),
        pytest.param(["after:commit:3", *START], ["--snapshots", "2"], id="while it starts"),
        pytest.param(SNAPSHOT, ["--snapshots", "2"], id="while it writes a snapshot"),
    ],
)
def test_an_engine_killed_at_any_step_loses_nothing_and_takes_nothing_twice(
    bootstrap: str, prefix: str, steps: list[str], options: list[str]
) -> None:
    create_topics(bootstrap, prefix)
    sent = send(bootstrap, prefix, Storm(3).seconds(40))
    die_at(bootstrap, prefix, steps, *options)
    assert_exact(bootstrap, prefix, sent)
