"""`liqstorm apply`: the exchange as a filter.

Inputs as JSON lines in, events as JSON lines out, nothing else. A venue begins at its first control input (a clock
tick, a listing, ...), as in the engine. A line that is not taken, for it is no input or its venue has not begun, is
reported on stderr with its number and reason, and the rest goes on.

Exit status   the number of lines that were not taken, at most 100
              101 something could not be read or written   102 (--check) an invariant does not hold
"""

import os
import sys
from collections.abc import Iterator
from io import BufferedReader, BufferedWriter
from typing import cast

import click

from stream_engine.cli.errors import UserError, silence, why
from stream_engine.messages.topics import MAX_INPUT_BYTES

MOST_COUNTED = 100
NO_FILE = 101
BROKEN = 102
LONGEST = max(MAX_INPUT_BYTES.values())
CHUNK = 1 << 18


@click.command()
@click.argument("file", default="-", metavar="[FILE]")
@click.option("-o", "--output", default="-", metavar="FILE", help="Write the events here (default: stdout).")
@click.option("--check", is_flag=True, help="Assert the exchange's invariants after every input.")
@click.pass_context
def command(ctx: click.Context, file: str, output: str, check: bool) -> None:
    """The exchange as a filter: inputs as JSON lines from FILE (- or none: stdin), events as JSON lines to stdout.

    A line that is no input, or whose venue has had no control input yet, is reported on stderr with its number and
    reason, and the rest goes on. The exit status is the number of such lines, at most 100; 101: a file could not be
    read or written; 102: an invariant does not hold.
    """
    source = _reader(file)
    target = _writer(output, file)
    try:
        lines, refused = run(source, target, check)
    except BrokenPipeError:
        raise
    except OSError as error:
        silence(target.fileno())
        name = "stdout" if output == "-" else output
        complaint = f"cannot write to {name}: {why(error)}. Make room, or name another file with -o."
        raise UserError(complaint, NO_FILE) from error
    if refused:
        click.echo(f"{refused:,} of {lines:,} lines were not taken", err=True)
    ctx.exit(min(refused, MOST_COUNTED))


def run(source: BufferedReader, target: BufferedWriter, check: bool) -> tuple[int, int]:
    """Apply every line of the source; how many lines there were, and how many were not taken."""
    from stream_engine.core.exchange import Exchange
    from stream_engine.core.invariants import check as check_invariants
    from stream_engine.messages.codec import NotAMessage, decode_input, encode
    from stream_engine.venues import not_open, opens_a_venue

    exchanges: dict[str, Exchange] = {}
    number = refused = 0
    for batch in batches(source):
        for line in batch:
            number += 1
            try:
                if len(line) > LONGEST:
                    raise NotAMessage(f"longer than {LONGEST:,} bytes")
                received = decode_input(line)
            except NotAMessage as error:
                refused += 1
                click.echo(f"line {number}: {error}", err=True)
                continue
            exchange = exchanges.get(received.venue)
            if exchange is None:
                if not opens_a_venue(received):
                    refused += 1
                    click.echo(f"line {number}: {not_open(received.venue)}", err=True)
                    continue
                exchange = exchanges[received.venue] = Exchange(received.venue)
            target.writelines(encode(event) + b"\n" for event in exchange.apply(received))
            if check:
                try:
                    check_invariants(exchange)
                except AssertionError as error:
                    target.flush()
                    raise UserError(
                        f"line {number}: after this input an invariant of venue {received.venue} does not hold:"
                        f" {error}. This is a fault of the exchange; the lines up to here reproduce it.",
                        BROKEN,
                    ) from error
        target.flush()
    return number, refused


def batches(source: BufferedReader) -> Iterator[list[bytes]]:
    """The lines that have arrived, as they arrive; of a line without an end no more is kept than shows that it is
    too long."""
    rest = b""
    while chunk := _read(source):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[: LONGEST + 1]
        yield lines
    if rest:
        yield [rest]


def _read(source: BufferedReader) -> bytes:
    try:
        return source.read1(CHUNK)
    except OSError as error:
        raise UserError(f"cannot read {source.name}: {why(error)}. Name a file of inputs.", NO_FILE) from error


def _reader(file: str) -> BufferedReader:
    if file == "-":
        if sys.stdin is None:
            raise UserError("nothing to read: stdin is closed. Name a file, or pipe inputs in.", NO_FILE)
        if sys.stdin.isatty():
            click.echo("Reading inputs from the terminal, one JSON object a line; Ctrl-D ends.", err=True)
        return cast(BufferedReader, sys.stdin.buffer)
    try:
        return open(file, "rb")
    except OSError as error:
        raise UserError(f"cannot read {file}: {why(error)}. Name a file of inputs, or - for stdin.", NO_FILE) from error


def _writer(output: str, file: str) -> BufferedWriter:
    if output == "-":
        if sys.stdout is None:
            raise UserError("nowhere to write: stdout is closed. Name a file with -o.", NO_FILE)
        return cast(BufferedWriter, sys.stdout.buffer)
    if file != "-" and os.path.exists(output) and os.path.samefile(file, output):
        raise UserError(f"{output} is the file to read, and would be lost. Name another with -o.", NO_FILE)
    try:
        return open(output, "wb")
    except OSError as error:
        raise UserError(f"cannot write to {output}: {why(error)}. Name another file with -o.", NO_FILE) from error
