"""Members: who is alive shares the partitions of a topic."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from stream_engine.transport.kafka import KafkaAdmin, KafkaMembers, KafkaSettings
from stream_engine.transport.protocol import LogError, UnknownPartition, Unreachable
from tests.kafka.broker import free_port

FOUR = frozenset(range(4))


@pytest.fixture
async def join(bootstrap: str, prefix: str) -> AsyncIterator[Callable[[], Awaitable[KafkaMembers]]]:
    """Makes a new member of one group on a topic of four partitions."""
    settings = KafkaSettings(bootstrap)
    admin = KafkaAdmin(settings)
    await admin.create([prefix + "control"], 4, {})
    await admin.close()
    members = []

    async def joined() -> KafkaMembers:
        members.append(KafkaMembers(settings, prefix + "engine-members", prefix + "control"))
        await members[-1].start()
        return members[-1]

    yield joined
    for member in members:
        await member.close()


async def test_a_member_alone_has_every_partition(join) -> None:
    member = await join()
    assert await member.changed() == FOUR


async def test_who_joins_is_given_half_and_the_other_keeps_half_of_what_it_had(join) -> None:
    first = await join()
    assert await first.changed() == FOUR
    second = await join()
    kept, given = await first.changed(), await second.changed()
    assert (len(kept), len(given), kept | given) == (2, 2, FOUR)


async def test_who_leaves_hands_over_at_once_and_what_the_other_had_stays_with_it(join) -> None:
    first, second = await join(), await join()
    while len(kept := await first.changed()) == 4:
        pass
    began = asyncio.get_running_loop().time()
    await second.close()
    assert await first.changed() == FOUR
    assert asyncio.get_running_loop().time() - began < 2
    assert kept < FOUR


async def test_a_third_member_moves_no_partition_that_need_not_move(join) -> None:
    first, second = await join(), await join()
    while len(had := await first.changed()) == 4:
        pass
    await join()
    kept = await first.changed()
    assert kept <= had
    assert await second.changed()


async def test_a_member_that_has_left_is_told_so_and_not_left_waiting(join) -> None:
    member = await join()
    await member.changed()
    waiting = asyncio.ensure_future(member.changed())
    await asyncio.sleep(0)
    await member.close()
    for asked in (waiting, member.changed()):
        with pytest.raises(LogError, match="member"):
            await asked


async def test_who_cannot_join_is_told_why() -> None:
    member = KafkaMembers(KafkaSettings(f"127.0.0.1:{free_port()}"), "engine-members", "control")
    with pytest.raises(Unreachable, match="refused"):
        await member.start()


async def test_a_group_on_a_topic_that_does_not_exist_is_refused(bootstrap: str, prefix: str) -> None:
    member = KafkaMembers(KafkaSettings(bootstrap), prefix + "engine-members", prefix + "nowhere")
    with pytest.raises(UnknownPartition, match="nowhere"):
        await member.start()
