"""Recorder: what stands in the files of a run, and the hash of its event log."""

import hashlib
import json
from base64 import b64decode
from pathlib import Path

import pytest

from consumers.recorder import Recorder
from stream_engine.messages.topics import OUTPUT, Topic
from stream_engine.transport.protocol import Headers, Record


def a_record(
    value: bytes, topic: str = "market", offset: int = 0, partition: int = 0, headers: Headers = (("run_id", b"r"),)
) -> Record:
    return Record(topic, partition, offset, 0, b"V1", value, headers)


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def test_every_topic_has_its_file_and_every_record_its_line(tmp_path: Path) -> None:
    with Recorder(tmp_path / "runs" / "7") as recorder:
        recorder.write([a_record(b'{"n":1}'), a_record(b'{"n":2}', "orders"), a_record(b'{"n":3}')])
    files = {path.name for path in (tmp_path / "runs" / "7").iterdir()}
    assert files == {f"{topic.value}.jsonl" for topic in Topic}
    assert lines(tmp_path / "runs" / "7" / "market.jsonl") == [b'{"n":1}', b'{"n":3}']
    assert lines(tmp_path / "runs" / "7" / "orders.jsonl") == [b'{"n":2}']
    assert lines(tmp_path / "runs" / "7" / "fund.jsonl") == []


def test_several_partitions_have_a_file_each_and_a_prefix_stays_out_of_the_names(tmp_path: Path) -> None:
    with Recorder(tmp_path, partitions=2, prefix="oct10.") as recorder:
        recorder.write([a_record(b"{}", "oct10.fund", partition=1)])
    assert lines(tmp_path / "fund.1.jsonl") == [b"{}"]
    assert lines(tmp_path / "fund.0.jsonl") == []


def test_some_topics_alone_have_files_and_a_hash_of_their_own(tmp_path: Path) -> None:
    with Recorder(tmp_path, topics=[Topic.ORDERS, Topic.FUND]) as recorder:
        recorder.write([a_record(b"{}", "fund")])
        found = recorder.event_log_sha256()
    assert {path.name for path in tmp_path.iterdir()} == {"orders.jsonl", "fund.jsonl"}
    listed = f"{hashlib.sha256((tmp_path / 'fund.jsonl').read_bytes()).hexdigest()}  fund.jsonl\n"
    assert found == hashlib.sha256(listed.encode()).hexdigest()


def test_what_was_written_is_in_the_file_before_the_run_ends(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.write([a_record(b'{"n":1}')])
    assert lines(tmp_path / "market.jsonl") == [b'{"n":1}']
    recorder.close()


def test_a_run_that_fails_keeps_what_was_recorded(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Recorder(tmp_path) as recorder:
        recorder.write([a_record(b'{"n":1}')])
        raise KeyboardInterrupt
    assert lines(tmp_path / "market.jsonl") == [b'{"n":1}']


@pytest.mark.parametrize("value", ['{"a":1}', '{"a":"größe"}', "[]", '"x"', "1", ' {"a": 1} '])
def test_a_value_in_one_line_of_json_stands_as_it_is(tmp_path: Path, value: str) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.write([a_record(value.encode(), "orders")])
    assert (tmp_path / "orders.jsonl").read_bytes() == value.encode() + b"\n"


@pytest.mark.parametrize("value", [b"", b"?", b'{"a":', b'{"a":\n1}', b'{"a":\r1}', b'{"a":1}\n', "größe".encode()])
def test_a_value_that_is_not_one_line_of_json_stands_as_text_with_its_headers(tmp_path: Path, value: bytes) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.write([a_record(value, "orders"), a_record(b"{}", "orders")])
    first, second = lines(tmp_path / "orders.jsonl")
    assert json.loads(first) == {"headers": {"run_id": "r"}, "value": value.decode()}
    assert second == b"{}"


@pytest.mark.parametrize("value", [b"\xff\x00", b'{"a":"\xff"}'])
def test_a_value_that_is_no_text_stands_in_base64(tmp_path: Path, value: bytes) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.write([a_record(value, "orders")])
    [line] = lines(tmp_path / "orders.jsonl")
    assert b64decode(json.loads(line)["base64"]) == value


def test_a_dead_letter_stands_with_its_reason_and_origin_even_where_it_is_json(tmp_path: Path) -> None:
    headers = (("reason", b"Cancel belongs on orders"), ("topic", b"control"), ("offset", b"7"))
    with Recorder(tmp_path) as recorder:
        recorder.write([a_record(b'{"type":"Cancel"}', "deadletters", headers=headers)])
    [line] = lines(tmp_path / "deadletters.jsonl")
    assert json.loads(line) == {
        "headers": {"reason": "Cancel belongs on orders", "topic": "control", "offset": "7"},
        "value": '{"type":"Cancel"}',
    }


def some_events() -> list[Record]:
    return [a_record(b'{"n":%d}' % number, OUTPUT[number % 5].value, number // 5) for number in range(20)]


def hash_of(directory: Path, records: list[Record], at_once: int) -> str:
    with Recorder(directory) as recorder:
        for start in range(0, len(records), at_once):
            recorder.write(records[start : start + at_once])
        return recorder.event_log_sha256()


def test_the_hash_of_the_event_log_is_that_of_the_hashes_of_its_files(tmp_path: Path) -> None:
    found = hash_of(tmp_path, some_events(), 20)
    names = [f"{topic.value}.jsonl" for topic in OUTPUT]
    listed = "".join(f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    assert found == hashlib.sha256(listed.encode()).hexdigest()


@pytest.mark.parametrize("at_once", [1, 3, 19, 20])
def test_the_hash_does_not_depend_on_how_the_records_were_read_together(tmp_path: Path, at_once: int) -> None:
    assert hash_of(tmp_path / "a", some_events(), at_once) == hash_of(tmp_path / "b", some_events(), 7)


def test_the_hash_changes_with_one_byte_one_place_or_one_topic_and_not_with_an_input(tmp_path: Path) -> None:
    events = some_events()
    changed = [a_record(b'{"n":0 }', OUTPUT[0].value), *events[1:]]
    swapped = [events[5], *events[1:5], events[0], *events[6:]]
    moved = [a_record(b'{"n":0}', OUTPUT[1].value), *events[1:]]
    variants = [events, changed, swapped, moved, events[:-1]]
    hashes = [hash_of(tmp_path / str(number), records, 20) for number, records in enumerate(variants)]
    assert len(set(hashes)) == len(variants)
    assert hash_of(tmp_path / "more", [*events, a_record(b"{}", "orders"), a_record(b"{}", "journal")], 20) == hashes[0]
