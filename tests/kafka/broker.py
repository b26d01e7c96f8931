"""Broker: Apache Kafka in KRaft mode, one node, from its own jars, for the tests and for whoever has no Docker.

Jars     build/kafka, where `make broker-jars` puts them (Maven and the network); Java 17.
Data     a directory of its own, small; ports chosen free, and the same after a restart.
By hand  `python -m tests.kafka.broker [port]` runs one until Ctrl-C (`make broker`).
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

JARS = Path(__file__).resolve().parents[2] / "build" / "kafka"
STARTS_WITHIN_S = 60.0
CLUSTER_ID = "bGlxc3Rvcm0tdGVzdC0wMA"

# Starts in two seconds and needs little; a benchmark wants a broker that has been compiled and has room.
FOR_TESTS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
FOR_BENCHMARKS = ("-Xms2g", "-Xmx2g", "-XX:+UseG1GC")

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENTS://{advertised}
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENTS:{protocol},CONTROLLER:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
log.segment.bytes=67108864
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
"""


class NoBroker(Exception):
    """A broker cannot be started here; the text says why and what to do."""


def missing() -> str:
    """Why no broker can be started here; "" if one can."""
    if shutil.which("java") is None:
        return "there is no Java on the PATH"
    if not any(JARS.glob("kafka_2.13-*.jar")):
        return "the broker's jars are not there (`make broker-jars` fetches them)"
    return ""


class Broker:
    """One broker. `start`, `kill` (as by kill -9), `stop`, `pause` and `resume`; its data outlives all but `close`.

    protocol, more   the listener's security protocol, and further lines of its properties.
    jvm              how Java is told to run.
    """

    def __init__(
        self,
        port: int | None = None,
        protocol: str = "PLAINTEXT",
        more: str = "",
        jvm: tuple[str, ...] = FOR_TESTS,
    ) -> None:
        self._jvm = jvm
        self.port = port or free_port()
        self._controller = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="liqstorm-broker-"))
        self._properties = self._directory / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        text = PROPERTIES.format(
            port=self.port,
            controller=self._controller,
            advertised=f"127.0.0.1:{self.port}",
            protocol=protocol,
            data=self._directory / "data",
        )
        self._properties.write_text(text + more, encoding="utf-8")

    @property
    def bootstrap(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        if why := missing():
            raise NoBroker(why)
        if not (self._directory / "data").exists():
            self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties)).wait()
        self._process = self._java("kafka.Kafka", str(self._properties))
        until = time.monotonic() + STARTS_WITHIN_S
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                said = self._log.read_text(errors="replace")[-2_000:]
                raise NoBroker(f"the broker does not start: {said}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As by kill -9: nothing is flushed, nobody is told."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """As an operator would."""
        if self._process is not None and self._process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def pause(self) -> None:
        """From now on it accepts and does not answer."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill it, and take its data away."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _log(self) -> Path:
        return self._directory / "broker.log"

    def _java(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["java", *self._jvm, "-cp", f"{JARS}/*", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the tests is not meant for it
            )

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    """Whether a broker behind the port answers a request (ApiVersions 0), not only the connection."""
    request = b"\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(len(request).to_bytes(4, "big") + request)
            return len(connection.recv(8)) == 8
    except OSError:
        return False


def main() -> None:
    """Run a broker until Ctrl-C."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9092
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Broker(port) as broker:
            print(f"Kafka at {broker.bootstrap}; Ctrl-C stops it and takes its data away.", flush=True)
            signal.pause()
    except NoBroker as error:
        sys.exit(f"no broker: {error}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
