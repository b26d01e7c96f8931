"""`liqstorm control`: halt a running venue, resume it, change its rules, declare stress, oblige its makers."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stream_engine.cli.connection import answered, connect, with_kafka
from stream_engine.cli.errors import FAILED

if TYPE_CHECKING:
    from stream_engine.messages.events import AnyEvent, Event
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
    SECTION.KEY        as under [venue] in a scenario: adl.policy=pro-rata,
                       breakers.stall_s=3, obligations.duties.T1.presence_pct=80
    """
    from stream_engine.cli import rule_changes
    from stream_engine.layers import ScenarioError
    from stream_engine.messages.events import RulesSet
    from stream_engine.messages.inputs import SetRules

    try:
        rule_changes.check(rules)
        changes: dict[str, Any] = {}
        if rule_changes.is_of_a_section(rules):
            now = _heard(place, SetRules, RulesSet)
            if isinstance(now, RulesSet):
                changes = rule_changes.changed(now, rules)
        else:
            changes = rule_changes.given(rules)
    except ScenarioError as error:
        raise click.UsageError(str(error)) from None
    _operate(ctx, place, lambda venue, now_us: SetRules(venue, now_us, **changes), RulesSet)


@command.command()
@_of_a_venue
@click.argument("state", type=click.Choice(("on", "off")))
@click.argument("reason", default="operator", metavar="[REASON]")
@click.pass_context
def stress(ctx: click.Context, /, state: str, reason: str, **place: Any) -> None:
    """Declare a time of stress, in which makers' duties are relaxed, or end it."""
    from stream_engine.messages.events import StressDeclared, StressEnded
    from stream_engine.messages.inputs import DeclareStress

    is_on = state == "on"
    answers = StressDeclared if is_on else StressEnded
    _operate(ctx, place, lambda venue, now_us: DeclareStress(venue, now_us, is_on, reason if is_on else ""), answers)


@command.command()
@_of_a_venue
@click.argument("account", type=int)
@click.argument("symbol")
@click.argument("tier")
@click.pass_context
def duty(ctx: click.Context, /, account: int, symbol: str, tier: str, **place: Any) -> None:
    """Put a market maker's ACCOUNT on a SYMBOL into a TIER of duty; `none`: out of its duty."""
    from stream_engine.messages.events import DutySet
    from stream_engine.messages.inputs import SetDuty

    name = None if tier == "none" else tier
    _operate(ctx, place, lambda venue, now_us: SetDuty(venue, now_us, account, symbol, name), DutySet)


def _operate(
    ctx: click.Context, place: dict[str, Any], make: Callable[[str, int], "Input"], answers: "type[Event]"
) -> None:
    from consumers.figures import clock
    from stream_engine.cli.rule_changes import told
    from stream_engine.messages.events import ControlRejected, RulesSet

    event = _heard(place, make, answers)
    where = f"{place['venue']} at {clock(event.ts_us)} UTC, seq {event.seq}"
    if isinstance(event, ControlRejected):
        detail = f" ({event.detail})" if event.detail else ""
        click.echo(f"{where}: refused: {event.reason.value}{detail}", err=True)
        ctx.exit(FAILED)
    own = [name for name in event.__struct_fields__ if name not in ("venue", "seq", "n", "ts_us", "cause")]
    words = told(event) if isinstance(event, RulesSet) else (f"{name}={getattr(event, name)}" for name in own)
    click.echo("  ".join((f"{where}: {type(event).__name__}", *words)))


def _heard(place: dict[str, Any], make: Callable[[str, int], "Input"], answers: "type[Event]") -> "AnyEvent":
    from stream_engine.cli.operating import operate
    from stream_engine.messages.codec import NotAMessage, decode_input, encode

    venue = place["venue"]
    try:
        decode_input(encode(make(venue, 0)))
    except NotAMessage as error:
        raise click.UsageError(f"that is no input: {error}.") from None
    settings = connect(place["bootstrap"], place["kafka"])
    with answered():
        return asyncio.run(
            operate(settings, place["prefix"], venue, lambda now_us: make(venue, now_us), answers, place["wait"])
        )
