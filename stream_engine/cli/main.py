"""`liqstorm`: the verbs with their examples, and what becomes of an error.

A verb's module is imported only when it is called, so `--help` answers at once.
What a user did wrong is one or two sentences on stderr: what, why, what to do. A traceback is our own fault.
"""

import errno
import gc
import importlib
import shutil
import sys
from typing import Any, NamedTuple, NoReturn

import click

from stream_engine.cli.errors import FAILED, INTERRUPTED, NOBODY_READS, UserError, nearest, silence, why


class Verb(NamedTuple):
    """What `liqstorm --help` says of a verb; its command is `command` in the module of its name."""

    short: str
    examples: tuple[str, str]


VERBS = {
    "demo": Verb(
        "The storm of 10 October 2025 on one venue, live in the terminal, in two and a half minutes.",
        ("liqstorm demo", "liqstorm demo --speed max"),
    ),
    "run": Verb(
        "Run a scenario and keep everything it says in a run directory.",
        ("liqstorm run oct10 --seed 8 --out storm", "liqstorm run oct10 --set makers.mode=stay --json"),
    ),
    "whatif": Verb(
        "Play a scenario as it is and otherwise, over many seeds with the same noise.",
        (
            "liqstorm whatif oct10-small --set makers.mode=stay --runs 20 --html stay.html",
            "liqstorm whatif hedged-portfolio --set venue.adl.policy=pro-rata --runs 10 --json",
        ),
    ),
    "sweep": Verb(
        "Play a grid of settings over many seeds, and find the fund that would have been enough.",
        (
            "liqstorm sweep oct10-small --over fund_usdt=250_000,500_000 --over venue.adl.policy=binance,pro-rata",
            "liqstorm sweep hedged-portfolio --enough --runs 100 --html enough.html",
        ),
    ),
    "compare": Verb(
        "Hold two run directories against each other.",
        ("liqstorm compare storm calm", "liqstorm compare storm calm --html compared.html"),
    ),
    "engine": Verb(
        "Run the exchange on Kafka; several such processes share the partitions.",
        (
            "liqstorm engine --bootstrap localhost:9092 --prefix oct10.",
            "liqstorm engine --bootstrap localhost:9092 --prefix oct10. --follow all",
        ),
    ),
    "produce": Verb(
        "Put the clock and the participants of a scenario on Kafka, in real time.",
        (
            "liqstorm produce oct10 --bootstrap localhost:9092 --prefix oct10. --speed 60",
            "liqstorm produce oct10 --bootstrap localhost:9092 --prefix oct10. --only MM1 --only MM2",
        ),
    ),
    "consume": Verb(
        "Watch a run on Kafka: the monitors live, their findings on the topic alerts.",
        (
            "liqstorm consume --bootstrap localhost:9092 --prefix oct10.",
            "liqstorm consume --bootstrap localhost:9092 --prefix oct10. --monitors depth --monitors adl",
        ),
    ),
    "apply": Verb(
        "The exchange as a filter: inputs as JSON lines in, events as JSON lines out.",
        (
            """echo '{"type":"ClockTick","venue":"X","ts_us":1}' | liqstorm apply --check""",
            "jq -c '.runs[][2][]' storm/journal.jsonl | liqstorm apply > events.jsonl",
        ),
    ),
    "doctor": Verb(
        "Say what is right and what is wrong, on this machine and on the broker, with the fix.",
        ("liqstorm doctor", "liqstorm doctor --bootstrap localhost:9092 --prefix oct10. --json"),
    ),
    "topics": Verb(
        "Make the topics on a broker, check them, trim what is no longer needed, take them away.",
        (
            "liqstorm topics create --bootstrap localhost:9092 --prefix oct10.",
            "liqstorm topics check --bootstrap localhost:9092 --prefix oct10.",
        ),
    ),
    "control": Verb(
        "Halt a running venue, resume it, change its rules, declare stress.",
        (
            "liqstorm control halt --bootstrap localhost:9092 --prefix oct10. --venue bybit-like --reason stalled",
            "liqstorm control set adl.policy=pro-rata --bootstrap localhost:9092 --prefix oct10. --venue bybit-like",
        ),
    ),
    "record": Verb(
        "Record topics from a broker into a run directory.",
        (
            "liqstorm record --bootstrap localhost:9092 --prefix oct10. --out storm",
            "liqstorm record --bootstrap localhost:9092 --prefix oct10. --topics liquidations,adl --until-idle 10",
        ),
    ),
    "replay": Verb(
        "Send the inputs of a recording once more, embedded or into Kafka; or verify every event of it.",
        (
            "liqstorm replay storm --verify",
            "liqstorm replay storm --bootstrap localhost:9092 --prefix again. --speed 10 --from 20:45",
        ),
    ),
    "scenario": Verb(
        "List, show and check scenarios.",
        ("liqstorm scenario list", "liqstorm scenario show oct10"),
    ),
}


def examples(*lines: str) -> str:
    """The end of a help page."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class Verbs(click.Group):
    """The verbs, each loaded when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, with its examples at the end of its help; None for a word that is no verb."""
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"stream_engine.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        command.name = cmd_name
        command.epilog = examples(*VERBS[cmd_name].examples)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown verb is answered with the nearest one."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"No verb {args[0]!r}.{nearest(args[0], list(VERBS))}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the verb; ends quietly when whoever read its output has gone, as a filter should."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            silence(1)
            ctx.exit(NOBODY_READS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each verb in a line, and under it two examples; nothing is imported for this."""
        with formatter.section("Verbs"):
            for name, verb in VERBS.items():
                formatter.write_text(f"{name}: {verb.short}")
                with formatter.indentation():
                    for example in verb.examples:
                        formatter.write(f"{'':{formatter.current_indent}}$ {example}\n")


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    subcommand_metavar="VERB ...",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`liqstorm VERB --help` says more. Results go to stdout, progress and complaints to stderr.",
)
@click.option("--version", is_flag=True, help="Show the version and exit; with --json, of every library too.")
@click.option("--json", "as_json", is_flag=True, help="With --version: for machines.")
@click.pass_context
def liqstorm(ctx: click.Context, version: bool, as_json: bool) -> None:
    """A perpetual-futures exchange in a liquidation storm: producers, a deterministic engine, monitors."""
    if version:
        from stream_engine.cli.version import versions

        if as_json:
            import json

            click.echo(json.dumps(versions(), indent=2))
        else:
            click.echo(f"liqstorm {versions()['liqstorm']}")
        ctx.exit()
    if as_json:
        raise click.UsageError("--json here goes with --version; a verb takes its own, after its name.", ctx)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """The console script."""
    if sys.flags.optimize:
        click.echo(
            "liqstorm: Python was started with -O or PYTHONOPTIMIZE, which removes the checks that guard the"
            " books. Start it without.",
            err=True,
        )
        sys.exit(FAILED)
    # Nearly all that a run makes is freed as it is let go of: the collector would look through it for nothing.
    gc.set_threshold(50_000)
    sys.exit(_status())


def _status() -> int:
    try:
        width = shutil.get_terminal_size().columns
        status = liqstorm.main(prog_name="liqstorm", standalone_mode=False, max_content_width=width)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except UserError as error:
        error.show()
        return error.status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("liqstorm: stopped.", err=True)
        return INTERRUPTED
    except OSError as error:
        silence(1)
        if error.errno == errno.EPIPE:
            return NOBODY_READS
        where = error.filename or "stdout"
        click.echo(f"liqstorm: cannot use {where}: {why(error)}. Choose another place, or make room there.", err=True)
        return FAILED
