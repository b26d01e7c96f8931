"""Connection: how a verb is told where Kafka is, and what is said when nobody answers there.

Options   --bootstrap HOST:PORT[,...]   --prefix of every topic   --kafka KEY=VALUE, repeatable: settings of the client
Secrets   the SASL password may stand in the environment instead, where no process list shows it.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stream_engine.cli.errors import UserError

if TYPE_CHECKING:
    from stream_engine.transport.kafka import KafkaSettings
    from stream_engine.transport.protocol import Unreachable

Command = TypeVar("Command", bound=Callable[..., Any])

PASSWORD = "LIQSTORM_SASL_PASSWORD"
START_ONE = "Start one with `docker compose up -d kafka`, without Docker with `make broker`"
ASK_WHY = "Ask `liqstorm doctor` with the same options what is wrong"

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]/]+):\d{1,5}")
# Names of topics have 249 characters at most, and ours are up to 12 long.
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,200}")


class Bootstrap(click.ParamType[str]):
    """One address of a broker or several, each with its port."""

    name = "bootstrap"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The addresses as they are."""
        for address in str(value).split(","):
            if not _ADDRESS.fullmatch(address):
                self.fail(f"{address!r} is no HOST:PORT, such as localhost:9092.", param, ctx)
        return str(value)


class Prefix(click.ParamType[str]):
    """What stands before the name of every topic."""

    name = "prefix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The prefix, if topics may be named so."""
        if not _PREFIX.fullmatch(str(value)):
            self.fail(f"{value!r}: letters, digits, dots, dashes and underscores, at most 200, such as oct10. it is.")
        return str(value)


def with_kafka(command: Command) -> Command:
    """Gives a verb that needs Kafka `bootstrap`, `prefix` and `kafka`, which `connect` takes."""
    return _options(command, required=True, where="Where Kafka is.")


def with_kafka_or_without(command: Command) -> Command:
    """The same for a verb that also runs embedded: `bootstrap` is None then."""
    return _options(command, required=False, where="Where Kafka is.  [default: none, the log is in this process]")


def connect(bootstrap: str, kafka: Sequence[str]) -> "KafkaSettings":
    """The settings of a client; UsageError where --kafka is not KEY=VALUE, or the client has no such setting."""
    from stream_engine.transport.kafka import KafkaSettings
    from stream_engine.transport.protocol import LogError

    options = {"client_id": "liqstorm"}
    for setting in kafka:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--kafka {setting}: expected KEY=VALUE, such as security_protocol=SASL_SSL.")
        options[key] = value
    if PASSWORD in os.environ:
        options.setdefault("sasl_plain_password", os.environ[PASSWORD])
    try:
        return KafkaSettings(bootstrap, options)
    except LogError as error:
        raise click.UsageError(f"--kafka: {error}") from error


def run_of(prefix: str) -> str:
    """What the run on the topics of a prefix is called by every process that writes to them: a prefix holds one run."""
    return prefix.rstrip("._-") or "run"


@contextmanager
def answered(embedded: bool = False) -> Iterator[None]:
    """Turns what a broker says, or that it says nothing, into a sentence with what to do; `embedded`: the verb can do
    without one."""
    from stream_engine.transport.protocol import LogError, Unreachable

    try:
        yield
    except Unreachable as error:
        said = str(error).rstrip(".")
        fix = START_ONE if "connection refused" in said else ASK_WHY
        raise UserError(f"{said}. {fix}{', or leave --bootstrap out to run embedded.' if embedded else '.'}") from error
    except LogError as error:
        raise UserError(f"{str(error).rstrip('.')}. {ASK_WHY}.") from error


def waiting_for_kafka(waited_s: float, error: "Unreachable") -> str:
    """What is shown while a verb waits for a broker that has gone."""
    return f"waiting for Kafka for {waited_s:.0f} s: {error}"


def _options(command: Command, required: bool, where: str) -> Command:
    for option in (
        click.option(
            "--kafka",
            multiple=True,
            metavar="KEY=VALUE",
            help="A setting of aiokafka by its own name: security_protocol, sasl_mechanism, sasl_plain_username, "
            f"ssl_cafile, client_id, ...; repeatable. The password may be in ${PASSWORD}.",
        ),
        click.option(
            "--prefix", type=Prefix(), default="", metavar="TEXT", help="Stands before every topic's name, as in oct10."
        ),
        click.option("--bootstrap", type=Bootstrap(), required=required, metavar="HOST:PORT[,..]", help=where),
    ):
        command = option(command)
    return command
