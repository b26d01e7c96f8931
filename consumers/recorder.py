"""Recorder: a run as files: every topic as JSON lines, one record per line, and the hash of its event log.

A file is `<topic>.jsonl`, or `<topic>.<partition>.jsonl` where there are several partitions; its lines are the values
in the order of their offsets. A value that is not one line of JSON, and every dead letter, stands as
{"headers": {...}, "value": "..."}, with "base64" for "value" where it is no text.

Holds     the hash of the event log is what `sha256sum <the event files by name, in the order below> | sha256sum` gives;
          how the records were read together does not change it.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from stream_engine.messages.topics import OUTPUT, Topic
from stream_engine.transport.protocol import Record, TopicPartition

KEPT_HASH = "event_log.sha256"

_json = msgspec.json.Decoder(msgspec.Raw)


def keep_hash(directory: Path, event_log_sha256: str) -> None:
    """Write the hash of a run's event log beside its files."""
    (directory / KEPT_HASH).write_text(event_log_sha256 + "\n", encoding="utf-8")


class Recorder:
    """Writes records to the files of a run; what was written is kept, however the run ends.

    gathers   so many records wait in memory for each other before they are written, since many at once cost less:
              0 where somebody follows the files, or where the process may be killed and not be run again alike.
    """

    def __init__(
        self,
        directory: Path,
        partitions: int = 1,
        prefix: str = "",
        topics: Sequence[Topic] = tuple(Topic),
        gathers: int = 0,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._tapes: dict[TopicPartition, _Tape] = {
            (prefix + topic.value, number): _Tape(directory / _file_name(topic, number, partitions))
            for topic in topics
            for number in range(partitions)
        }
        self._event_log = [
            self._tapes[prefix + topic.value, number]
            for topic in OUTPUT
            if topic in topics
            for number in range(partitions)
        ]
        self._dead_letters = prefix + Topic.DEADLETTERS.value
        self._gathers = gathers
        self._gathered: list[Record] = []

    def write(self, records: Iterable[Record]) -> None:
        """Append records, and leave them with the operating system once enough are gathered: no later crash of ours
        takes them back."""
        self._gathered += records
        if len(self._gathered) > self._gathers:
            self._write_out()

    def event_log_sha256(self) -> str:
        """The hash of everything that the engines have published so far, as far as it is recorded."""
        self._write_out()
        return listed_sha256((tape.path.name, tape.sha256.hexdigest()) for tape in self._event_log)

    def close(self) -> None:
        """Write what is still in memory, and close the files."""
        self._write_out()
        for tape in self._tapes.values():
            tape.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_out(self) -> None:
        taken: dict[TopicPartition, list[Record]] = {}
        records, self._gathered = self._gathered, []
        for record in records:
            taken.setdefault((record.topic, record.partition), []).append(record)
        for at, of_one in taken.items():
            values = [record.value for record in of_one]
            block = b"\n".join(values)
            if at[0] == self._dead_letters:
                block = b"\n".join(map(_wrapped, of_one))
            elif not _are_lines_of_json(block, values):
                block = b"\n".join(
                    record.value if _is_one_line_of_json(record.value) else _wrapped(record) for record in of_one
                )
            self._tapes[at].write(block)


def listed_sha256(files: Iterable[tuple[str, str]]) -> str:
    """The hash of files given by name and SHA-256, as `sha256sum` lists them."""
    return hashlib.sha256("".join(f"{sha256}  {name}\n" for name, sha256 in files).encode()).hexdigest()


class _Tape:
    """One file of a recording and the hash of what is in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: BinaryIO = path.open("wb")
        self.sha256 = hashlib.sha256()

    def write(self, block: bytes) -> None:
        block += b"\n"
        self.sha256.update(block)
        self.file.write(block)
        self.file.flush()


def _file_name(topic: Topic, partition: int, partitions: int) -> str:
    return f"{topic.value}.jsonl" if partitions == 1 else f"{topic.value}.{partition}.jsonl"


def _are_lines_of_json(block: bytes, values: list[bytes]) -> bool:
    """Whether every value is one line of JSON: a block that reads as values like these, one after the other, is made of
    them. One that does not may still be; to ask of each costs more than to ask of all."""
    if not block.isascii() or b"\r" in block or block.count(b"\n") != len(values) - 1:
        return False
    try:
        return [bytes(raw) for raw in _json.decode_lines(block)] == values
    except (msgspec.DecodeError, RecursionError):
        return False


def _is_one_line_of_json(value: bytes) -> bool:
    if b"\n" in value or b"\r" in value:
        return False
    try:
        if not value.isascii():
            value.decode()
        _json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _wrapped(record: Record) -> bytes:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    try:
        return msgspec.json.encode({"headers": headers, "value": record.value.decode()})
    except UnicodeDecodeError:
        return msgspec.json.encode({"headers": headers, "base64": b64encode(record.value).decode()})
