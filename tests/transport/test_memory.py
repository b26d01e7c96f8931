"""The embedded log: what it promises beyond the contract."""

import pytest

from stream_engine.messages.topics import Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Outgoing, OutOfRange

FUND = ("fund", 0)


async def a_log_of(*values: bytes) -> MemoryLog:
    log = MemoryLog()
    await log.append([Outgoing("fund", 0, b"V1", value, 0) for value in values])
    return log


async def test_it_has_every_topic_of_the_vocabulary_under_its_prefix() -> None:
    log = MemoryLog(partitions=3, prefix="oct10.")
    everywhere = [(f"oct10.{topic.value}", number) for topic in Topic for number in range(3)]
    assert await log.ends(everywhere) == dict.fromkeys(everywhere, 0)


async def test_its_offsets_have_no_gaps() -> None:
    log = await a_log_of(b"a", b"b", b"c")
    assert [record.offset for record in (await log.read({FUND: 0}, 9))[FUND]] == [0, 1, 2]


@pytest.mark.parametrize(("before", "kept"), [(0, b"abc"), (1, b"bc"), (3, b""), (4, b"")])
async def test_it_forgets_what_lies_before_a_position_and_offsets_stay(before: int, kept: bytes) -> None:
    log = await a_log_of(b"a", b"b", b"c")
    log.forget({FUND: before})
    first = min(before, 3)
    assert b"".join(record.value for record in (await log.read({FUND: first}, 9)).get(FUND, [])) == kept
    assert await log.ends([FUND]) == {FUND: 3}
    await log.append([Outgoing("fund", 0, b"V1", b"d", 0)])
    assert [record.offset for record in (await log.read({FUND: 3}, 9))[FUND]] == [3]


async def test_a_forgotten_position_is_out_of_range_and_says_what_is_kept() -> None:
    log = await a_log_of(b"a", b"b", b"c")
    log.forget({FUND: 2})
    with pytest.raises(OutOfRange, match="position 1 is not between 2 and 3"):
        await log.read({FUND: 1}, 9)


async def test_forgetting_goes_only_forward() -> None:
    log = await a_log_of(b"a", b"b", b"c")
    log.forget({FUND: 2})
    log.forget({FUND: 1})
    assert [record.value for record in (await log.read({FUND: 2}, 9))[FUND]] == [b"c"]
