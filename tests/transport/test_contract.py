"""The contract of the log: what every implementation keeps to, and what the engine relies on."""

import asyncio

import pytest

from stream_engine.transport.protocol import Fenced, Log, Outgoing, OutOfRange, Record, UnknownPartition

ORDERS = ("orders", 0)
OTHER = ("orders", 1)
MARKET = ("market", 0)


def a_record(value: str = "", topic: str = "orders", partition: int = 0, **more: object) -> Outgoing:
    return Outgoing(topic, partition, b"V1", value.encode(), 1_760_126_400_000_000, **more)  # type: ignore[arg-type]


async def everything(log: Log, at: tuple[str, int] = ORDERS) -> list[Record]:
    """All that can be read, in as many reads as it takes: each may find less than there is."""
    records: list[Record] = []
    position = 0
    while found := await log.read({at: position}, 1_000):
        records += found[at]
        position = records[-1].offset + 1
    return records


async def values(log: Log, at: tuple[str, int] = ORDERS) -> list[str]:
    return [record.value.decode() for record in await everything(log, at)]


async def settled(log: Log, *names: str) -> None:
    """A commit can be read a little later than it returns; at the latest when its writer's name has been taken anew."""
    for name in names:
        await log.writer(name)


async def test_a_record_comes_back_as_it_was_appended(log: Log) -> None:
    sent = a_record("{}\n\x00", headers=(("schema", b"orders/1"), ("run_id", b""), ("schema", b"\xff")))
    await log.append([sent])
    [record] = await everything(log)
    assert record == Record("orders", 0, 0, sent.timestamp_us, b"V1", sent.value, sent.headers)


async def test_an_empty_value_is_a_record(log: Log) -> None:
    await log.append([a_record("")])
    assert await values(log) == [""]


async def test_records_of_a_partition_are_read_in_the_order_of_appending_by_everybody(log: Log) -> None:
    await log.append([a_record("a"), a_record("x", partition=1), a_record("b")])
    await log.append([a_record("c")])
    for _ in range(2):
        assert await values(log) == ["a", "b", "c"]
    offsets = [record.offset for record in await everything(log)]
    assert offsets == sorted(set(offsets))


async def test_reading_goes_on_from_a_position_and_takes_no_more_than_the_limit(log: Log) -> None:
    await log.append([a_record(value) for value in "abc"])
    second = (await everything(log))[1].offset
    for limit, expected in ((1, "b"), (2, "bc"), (3, "bc")):
        read = await log.read({ORDERS: second}, limit)
        assert [record.value.decode() for record in read[ORDERS]] == list(expected)


async def test_the_limit_holds_for_each_partition(log: Log) -> None:
    await log.append([a_record("a"), a_record("b"), a_record("c", partition=1), a_record("d", topic="market")])
    read = await log.read({ORDERS: 0, OTHER: 0, MARKET: 0}, 1)
    assert {at: [record.value for record in records] for at, records in read.items()} == {
        ORDERS: [b"a"],
        OTHER: [b"c"],
        MARKET: [b"d"],
    }


async def test_at_the_end_there_is_nothing_to_read_and_no_error(log: Log) -> None:
    assert await log.read({ORDERS: 0}, 10) == {}
    await log.append([a_record("a")])
    end = (await log.ends([ORDERS]))[ORDERS]
    assert await log.read({ORDERS: end}, 10) == {}
    await log.append([a_record("b")])
    assert [record.value for record in (await log.read({ORDERS: end}, 10))[ORDERS]] == [b"b"]


@pytest.mark.parametrize("batches", [0, 1, 2])
async def test_who_reads_on_from_behind_the_last_record_finds_nothing_though_the_end_may_lie_further(
    log: Log, batches: int
) -> None:
    for _ in range(batches):
        await log.append([a_record("a")])
    position = max((record.offset + 1 for record in await everything(log)), default=0)
    assert position <= (await log.ends([ORDERS]))[ORDERS]
    assert await log.read({ORDERS: position}, 10) == {}


async def test_who_waits_is_given_what_comes_meanwhile(log: Log) -> None:
    end = (await log.ends([ORDERS]))[ORDERS]
    waiting = asyncio.create_task(log.read({ORDERS: end, MARKET: 0}, 10, wait_s=30))
    await asyncio.sleep(0.01)
    await log.append([a_record("a")])
    assert [record.value for record in (await waiting)[ORDERS]] == [b"a"]


async def test_who_waits_for_nothing_is_told_so_in_the_end(log: Log) -> None:
    assert await log.read({ORDERS: 0}, 10, wait_s=0.01) == {}


async def test_a_position_past_the_end_is_out_of_range(log: Log) -> None:
    await log.append([a_record("a")])
    end = (await log.ends([ORDERS]))[ORDERS]
    with pytest.raises(OutOfRange):
        await log.read({ORDERS: end + 1}, 10)


async def test_the_heads_are_where_the_ends_are_while_no_commit_is_under_way(log: Log) -> None:
    await log.append([a_record("a")])
    assert await log.heads([ORDERS, OTHER]) == await log.ends([ORDERS, OTHER])


async def test_the_ends_are_those_of_each_partition(log: Log) -> None:
    await log.append([a_record("a"), a_record("b"), a_record("c", partition=1)])
    ends = await log.ends([ORDERS, OTHER, MARKET])
    assert ends[ORDERS] > (await everything(log))[-1].offset
    assert ends[OTHER] > (await everything(log, OTHER))[-1].offset
    assert ends[MARKET] == 0


async def test_a_partition_of_which_nothing_was_trimmed_starts_at_0(log: Log) -> None:
    await log.append([a_record("a"), a_record("b")])
    assert await log.starts([ORDERS, MARKET]) == {ORDERS: 0, MARKET: 0}


async def test_a_topic_or_partition_that_does_not_exist_is_refused_everywhere(log: Log) -> None:
    writer = await log.writer("engine-0")
    for at in (("nowhere", 0), ("orders", 2)):
        with pytest.raises(UnknownPartition):
            await log.append([a_record("a", *at)])
        with pytest.raises(UnknownPartition):
            await writer.commit([a_record("a", *at)], "engine", {})
        with pytest.raises(UnknownPartition):
            await log.read({at: 0}, 1)
        with pytest.raises(UnknownPartition):
            await log.ends([at])


async def test_a_commit_appends_its_records_and_sets_the_offsets_of_its_group(log: Log) -> None:
    writer = await log.writer("engine-0")
    await writer.commit([a_record("a"), a_record("b", topic="market")], "engine", {OTHER: 7})
    await settled(log, "engine-0")
    assert (await values(log), await values(log, MARKET)) == (["a"], ["b"])
    assert await log.committed("engine", [ORDERS, OTHER]) == {OTHER: 7}
    assert await log.committed("another", [OTHER]) == {}


async def test_a_later_commit_moves_only_the_offsets_that_it_names(log: Log) -> None:
    writer = await log.writer("engine-0")
    await writer.commit([a_record("a")], "engine", {ORDERS: 1, OTHER: 1})
    await writer.commit([a_record("b")], "engine", {ORDERS: 2})
    await settled(log, "engine-0")
    assert await log.committed("engine", [ORDERS, OTHER]) == {ORDERS: 2, OTHER: 1}


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_commit_with_one_bad_record_leaves_no_record_and_no_offset(log: Log, place: int) -> None:
    writer = await log.writer("engine-0")
    records = [a_record("a"), a_record("b", topic="market")]
    records.insert(place, a_record("c", topic="nowhere"))
    with pytest.raises(UnknownPartition):
        await writer.commit(records, "engine", {OTHER: 1})
    await settled(log, "engine-0")
    assert (await values(log), await values(log, MARKET)) == ([], [])
    assert await log.committed("engine", [OTHER]) == {}


async def test_a_commit_with_an_offset_of_no_partition_leaves_no_record(log: Log) -> None:
    writer = await log.writer("engine-0")
    with pytest.raises(UnknownPartition):
        await writer.commit([a_record("a")], "engine", {OTHER: 1, ("orders", 2): 1})
    await settled(log, "engine-0")
    assert await values(log) == []
    assert await log.committed("engine", [OTHER]) == {}


async def test_who_takes_a_writers_name_fences_the_former_holder_for_good(log: Log) -> None:
    former = await log.writer("engine-0")
    await former.commit([a_record("a")], "engine", {OTHER: 1})
    latter = await log.writer("engine-0")
    for _ in range(2):
        with pytest.raises(Fenced):
            await former.commit([a_record("b")], "engine", {OTHER: 2})
    await latter.commit([a_record("c")], "engine", {OTHER: 3})
    await settled(log, "engine-0")
    assert await values(log) == ["a", "c"]
    assert await log.committed("engine", [OTHER]) == {OTHER: 3}


async def test_writers_of_different_names_do_not_touch_each_other(log: Log) -> None:
    first, second = await log.writer("engine-0"), await log.writer("engine-1")
    await first.commit([a_record("a")], "engine", {ORDERS: 1})
    await second.commit([a_record("b")], "engine", {OTHER: 1})
    await first.commit([a_record("c")], "engine", {ORDERS: 2})
    await settled(log, "engine-0", "engine-1")
    assert await values(log) == ["a", "b", "c"]
    assert await log.committed("engine", [ORDERS, OTHER]) == {ORDERS: 2, OTHER: 1}
