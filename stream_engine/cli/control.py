"""`liqstorm control`: halt a running venue, resume it, change its rules."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stream_engine.cli.connection import answered, connect, with_kafka
from stream_engine.cli.errors import FAILED, nearest

if TYPE_CHECKING:
    from stream_engine.messages.events import Event
    from stream_engine.messages.inputs import Input

Command = TypeVar("Command", bound=Callable[..., Any])

WAIT_S = 5.0


def _of_a_venue(command: Command) -> Command:
    """Gives a verb of control `venue`, `wait` and what it needs for Kafka."""
    wait = click.option(
        "--wait",
        type=click.FloatRange(min=0),
        default=WAIT_S,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for the engine's answer.",
    )
    venue = click.option("--venue", required=True, metavar="NAME", help="Which venue, such as alpha.")
    return with_kafka(venue(wait(command)))


@click.group()
def command() -> None:
    """Operate a running venue: an input on `control`, journalled like every other, at the venue's own time.

    The engine's answer is printed; where it refuses, or nobody answers, the exit status is 1.
    """


@command.command()
@_of_a_venue
@click.option("--reason", default="operator", show_default=True, metavar="TEXT", help="Everybody reads it on `market`.")
@click.pass_context
def halt(ctx: click.Context, /, reason: str, **place: Any) -> None:
    """Stop trading: orders, quotes and withdrawals are refused, cancels are taken, liquidations wait."""
    from stream_engine.messages.events import TradingHalted
    from stream_engine.messages.inputs import HaltTrading

    _operate(ctx, place, lambda venue, now_us: HaltTrading(venue, now_us, reason), TradingHalted)


@command.command()
@_of_a_venue
@click.pass_context
def resume(ctx: click.Context, /, **place: Any) -> None:
    """Let trading go on; liquidations that waited come first."""
    from stream_engine.messages.events import TradingResumed
    from stream_engine.messages.inputs import ResumeTrading

    _operate(ctx, place, ResumeTrading, TradingResumed)


@command.command(name="set")
@_of_a_venue
@click.argument("rules", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.pass_context
def set_(ctx: click.Context, /, rules: tuple[str, ...], **place: Any) -> None:
    """Change rules of the venue; those not named stay.

    \b
    checks_per_input   accounts checked for liquidation per input at most
    fund_draw_ppm      share of the fund that one liquidation may draw at most
    cover_bound_ppm    how far beyond the bankruptcy price the fund trades at most
    """
    from stream_engine.messages.events import RulesSet
    from stream_engine.messages.inputs import SetRules

    changes: dict[str, Any] = dict(_change(rule) for rule in rules)
    _operate(ctx, place, lambda venue, now_us: SetRules(venue, now_us, **changes), RulesSet)


def _change(rule: str) -> tuple[str, int]:
    from stream_engine.messages.inputs import Input, SetRules

    known = [name for name in SetRules.__struct_fields__ if name not in Input.__struct_fields__]
    key, _, value = rule.partition("=")
    if key not in known:
        raise click.UsageError(f"there is no rule {key!r}.{nearest(key, known)}")
    try:
        return key, int(value.replace("_", ""))
    except ValueError:
        raise click.UsageError(f"{rule}: expected a whole number, such as {key}=500.") from None


def _operate(
    ctx: click.Context, place: dict[str, Any], make: Callable[[str, int], "Input"], answers: "type[Event]"
) -> None:
    from consumers.figures import clock
    from stream_engine.cli.operating import operate
    from stream_engine.messages.codec import NotAMessage, decode_input, encode
    from stream_engine.messages.events import ControlRejected

    venue = place["venue"]
    try:
        decode_input(encode(make(venue, 0)))
    except NotAMessage as error:
        raise click.UsageError(f"that is no input: {error}.") from None
    settings = connect(place["bootstrap"], place["kafka"])
    with answered():
        event = asyncio.run(
            operate(settings, place["prefix"], venue, lambda now_us: make(venue, now_us), answers, place["wait"])
        )
    where = f"{venue} at {clock(event.ts_us)} UTC, seq {event.seq}"
    if isinstance(event, ControlRejected):
        detail = f" ({event.detail})" if event.detail else ""
        click.echo(f"{where}: refused: {event.reason.value}{detail}", err=True)
        ctx.exit(FAILED)
    own = [name for name in event.__struct_fields__ if name not in ("venue", "seq", "n", "ts_us", "cause")]
    told = "  ".join(f"{name}={getattr(event, name)}" for name in own)
    click.echo(f"{where}: {type(event).__name__}{'  ' + told if told else ''}")
