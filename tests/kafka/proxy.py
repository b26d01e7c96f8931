"""Proxy: stands between a client and a broker, knows Kafka's frames, and does to them what networks do.

A fault is for one API and one way: requests (before the broker has them) or answers (after it has done as asked).
It lets `after` frames pass, and meets the `times` that follow:
cut      the connection breaks                     drop   the frame is gone, the connection stays
delay    it is late, and all behind it             hold   it stays until `release`, and all behind it
change   it is another one: a flipped byte, an error code
Whoever is told of brokers through the proxy is told of the proxy instead, so that clients stay on it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from ssl import SSLContext
from struct import pack, unpack_from
from typing import Literal, Self

Way = Literal["request", "answer"]
Deed = Literal["cut", "drop", "delay", "hold", "change"]

# A request that was held must still be done when its client has long gone.
ANSWERS_WITHIN_S = 2.0


class Api(IntEnum):
    """The keys of Kafka's APIs, those that a test may want to disturb."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    SYNC_GROUP = 14
    API_VERSIONS = 18
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


class Fault:
    """What is done to some frames. `met` is set at the first of them, `count` says how many it has met."""

    def __init__(self, way: Way, deed: Deed, after: int, times: int, seconds: float, change: Callable[[bytes], bytes]):
        self.way = way
        self.deed = deed
        self.seconds = seconds
        self.change = change
        self.met = asyncio.Event()
        self.count = 0
        self._after = after
        self._times = times
        self._released = asyncio.Event()

    def release(self) -> None:
        """What it holds goes on."""
        self._released.set()

    async def released(self) -> None:
        """Until it is released."""
        await self._released.wait()

    def meets(self, way: Way) -> bool:
        """Whether this frame is one of those; counts it."""
        if way != self.way or self.count == self._times:
            return False
        if self._after:
            self._after -= 1
            return False
        self.count += 1
        self.met.set()
        return True


class Proxy:
    """One proxy before one broker; with `tls`, clients speak TLS to it, as they would to a broker that does."""

    def __init__(self, bootstrap: str, tls: SSLContext | None = None) -> None:
        self._tls = tls
        host, _, port = bootstrap.split(",")[0].rpartition(":")
        self._broker = (host, int(port))
        self._faults: dict[Api, list[Fault]] = {}
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self.seen: list[Api] = []  # every request that came, in order

    @property
    def bootstrap(self) -> str:
        """Where clients find it."""
        assert self._server is not None
        return f"127.0.0.1:{self._port}"

    @property
    def _port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def fault(
        self,
        api: Api,
        way: Way,
        deed: Deed,
        *,
        after: int = 0,
        times: int = 1,
        seconds: float = 0.0,
        change: Callable[[bytes], bytes] = bytes,
    ) -> Fault:
        """Add a fault; where several meet a frame, the one added first has it."""
        fault = Fault(way, deed, after, times, seconds, change)
        self._faults.setdefault(api, []).append(fault)
        return fault

    def heal(self) -> None:
        """No faults from now on; what is held goes on."""
        for faults in self._faults.values():
            for fault in faults:
                fault.release()
        self._faults.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.heal()
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.ensure_future(_Line(self, reader, writer).run(*self._broker))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    def _fault_of(self, api: Api | None, way: Way) -> Fault | None:
        faults = self._faults.get(api, []) if api is not None else []
        return next((fault for fault in faults if fault.meets(way)), None)


class _Line:
    """One connection: a client, the broker, and what was asked and is not answered yet."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._asked: dict[int, tuple[int, int]] = {}  # of a correlation id: API key and version
        self._done = asyncio.Event()

    async def run(self, host: str, port: int) -> None:
        with suppress(OSError):
            broker = await asyncio.open_connection(host, port)
            pumps = [
                asyncio.ensure_future(self._requests(self._client[0], broker[1])),
                asyncio.ensure_future(self._answers(broker[0], self._client[1])),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
                broker[1].close()
        self._client[1].close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (frame := await _frame(reader)) is not None:
            key, version, correlation = unpack_from(">hhi", frame)
            api = Api(key) if key in Api.__members__.values() else None
            if api is not None:
                self._proxy.seen.append(api)
            self._asked[correlation] = (key, version)
            self._done.clear()
            passed = await self._meet(api, "request", frame)
            if passed is None:
                return
            if passed:
                await _write(writer, passed)
            else:
                self._answered(correlation)
        if self._asked:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), ANSWERS_WITHIN_S)

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (frame := await _frame(reader)) is not None:
            (correlation,) = unpack_from(">i", frame)
            key, version = self._asked.get(correlation, (-1, 0))
            frame = _with_broker_at(self._proxy._port, key, version, frame)
            passed = await self._meet(Api(key) if key in Api.__members__.values() else None, "answer", frame)
            if passed is None:
                return
            if passed:
                with suppress(OSError):  # its client may have gone
                    await _write(writer, passed)
            self._answered(correlation)

    def _answered(self, correlation: int) -> None:
        self._asked.pop(correlation, None)
        if not self._asked:
            self._done.set()

    async def _meet(self, api: Api | None, way: Way, frame: bytes) -> bytes | None:
        """The frame to be passed on, b"" for none; None: the connection breaks."""
        fault = self._proxy._fault_of(api, way)
        if fault is None:
            return frame
        match fault.deed:
            case "cut":
                return None
            case "drop":
                return b""
            case "delay":
                await asyncio.sleep(fault.seconds)
            case "hold":
                await fault.released()
            case "change":
                return fault.change(frame)
        return frame


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, OSError):
        return None


async def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(len(frame).to_bytes(4, "big") + frame)
    await writer.drain()


def _with_broker_at(port: int, key: int, version: int, frame: bytes) -> bytes:
    """The answer with every broker at the proxy's address; other answers as they are."""
    if key == Api.METADATA:
        assert version <= 5, version
        at = 4 + (4 if version >= 3 else 0)
        (count,) = unpack_from(">i", frame, at)
        at += 4
        for _ in range(count):
            frame, at = _readdressed(frame, at + 4, port)
            if version >= 1:
                at = _behind_string(frame, at)  # its rack
    elif key == Api.FIND_COORDINATOR:
        assert version <= 2, version
        at = 4 + (4 if version >= 1 else 0) + 2
        if version >= 1:
            at = _behind_string(frame, at)  # what it says of an error
        frame, _ = _readdressed(frame, at + 4, port)
    return frame


def _readdressed(frame: bytes, at: int, port: int) -> tuple[bytes, int]:
    """The frame with another host and port at this place, and the place behind them."""
    host = b"127.0.0.1"
    address = pack(">h", len(host)) + host + pack(">i", port)
    return frame[:at] + address + frame[_behind_string(frame, at) + 4 :], at + len(address)


def _behind_string(frame: bytes, at: int) -> int:
    (size,) = unpack_from(">h", frame, at)
    return at + 2 + max(int(size), 0)
