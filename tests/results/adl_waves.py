"""The 16 deleveraging waves of Hyperliquid on 10 October 2025 through every ADL policy of the exchange.

`python -m tests.results.adl_waves` prints the table that is kept in adl_waves.txt beside this file.

What the files give   per wave and coin: contracts closed and the gap between their price and the mark; per coin and
                      cluster within a wave: the winners' profit, and how much of it the production queue closed; per
                      wave: profit and equity of all winners; what production and the authors' policies took.
What they do not      who held what. So a coin's winners in a wave's cluster are one account here: their profit is
                      real, their equity is the wave's equity to profit times it, and nothing ranks them but the share
                      of their profit that the production queue closed: that is their order here too.
Ledger                a lot is a micro-dollar of profit, and closing it costs its owner that: the budget needed is the
                      number of lots asked for, and what a policy takes is what it closes. Entry at twice the mark for
                      all; the scores and shares are the policies' own.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from itertools import groupby

from stream_engine.core.accounts import Account
from stream_engine.core.adl.candidate import Candidate, measured
from stream_engine.core.adl.policies import POLICIES
from stream_engine.core.adl.policy import Asked
from stream_engine.core.adl.queue import Ranking, Rotation
from stream_engine.core.adl.shares import in_full
from stream_engine.core.exchange import Exchange
from stream_engine.core.insurance_fund import fund_flow
from stream_engine.core.market import hold
from stream_engine.core.position import Position
from stream_engine.messages.rules import AdlPolicy, AdlRules
from stream_engine.messages.units import MILLION
from tests.conftest import data_path
from tests.core.rulebook import an_exchange

FOLDER = "oct10/adl_waves"
CLOSED = "budget_queue_usd"  # profit of the positions that the production queue closed
CONTRACT, DOLLAR = 10**8, 10**16  # lots of a contract and ticks of a dollar: finer than the files' figures
GRAIN = 1_000  # micro-dollars: profits are cut to so much, and equities are exact multiples, so that a tie is a tie
IN_FULL = [name for name, policy in POLICIES.items() if policy.share is in_full]
ALL_AT_ONCE = [name for name in POLICIES if name not in (*IN_FULL, AdlPolicy.DYDX)]


@dataclass(frozen=True)
class Winner:
    """A coin's winners in one cluster, in micro-dollars: their profit, and what of it the production queue closed."""

    coin: str
    profit: int
    closed: int


@dataclass(frozen=True)
class Wave:
    """A wave, in micro-dollars. `needed`: the gap to the mark over all contracts, added up here coin by coin."""

    name: str
    needed: int
    published_needed: int
    production: int
    equity_to_profit: Fraction
    winners: tuple[Winner, ...]


@dataclass(frozen=True)
class Taken:
    """What a policy took in a wave: in all, from how many, the profit of those, and the largest share of anybody's."""

    paid: int
    payers: int
    profit_of_payers: int
    largest: Fraction


def rows(name: str) -> list[dict[str, str]]:
    """A file of the waves."""
    with (data_path(FOLDER) / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def micro(dollars: str) -> int:
    """Dollars as micro-dollars."""
    return round(Fraction(dollars) * MILLION)


@cache
def waves() -> tuple[Wave, ...]:
    """All waves, in their order."""
    return tuple(_waves())


def _waves() -> Iterator[Wave]:
    gaps = {name: list(of) for name, of in groupby(rows("two_pass_wave_coin_gap_per_contract.csv"), _name_of)}
    shocks = rows("per_shock_metrics_queue.csv")
    for row in rows("two_pass_equity_delta_by_wave.csv"):
        first, last = int(row["t_start_ms"]), int(row["t_end_ms"])
        within = [shock for shock in shocks if first <= _ms(shock["t_start"]) and _ms(shock["t_end"]) <= last]
        yield Wave(
            row["wave"],
            sum(_gap(gap) for gap in gaps[row["wave"]]),
            micro(row["budget_needed_usd"]),
            micro(row["budget_prod_usd"]),
            Fraction(row["winners_equity_start_usd"]) / Fraction(row["winners_pnl_start_usd"]),
            tuple(_winners(within)),
        )


def overshoot_in_positions_closed() -> int:
    """What the production queue closed beyond the deficit of each cluster, over all of them."""
    shocks = rows("per_shock_metrics_queue.csv")
    return sum(max(0, micro(shock[CLOSED]) - micro(shock["deficit_usd"])) for shock in shocks)


def given(wave: Wave, name: AdlPolicy) -> list[tuple[Candidate, int]]:
    """Whom a policy takes how much from when it is asked for the budget that a wave needed."""
    exchange = a_market_of(wave)
    state, policy = exchange.state, POLICIES[name]
    market = state.markets["BTC"]
    queue = (
        Ranking(market, -1, state.accounts, state.markets, policy.score)
        if policy.score is not None
        else Rotation(market, -1, state.accounts, state.markets, 0)
    )
    return list(policy.share(queue, Asked(wave.needed, 1, state.markets, AdlRules(policy=name))))


def taken(wave: Wave, name: AdlPolicy) -> Taken:
    """The sums of it."""
    each = given(wave, name)
    return Taken(
        sum(lots for _, lots in each),
        len(each),
        sum(candidate.pnl for candidate, _ in each),
        max(Fraction(lots, candidate.pnl) for candidate, lots in each),
    )


def a_market_of(wave: Wave) -> Exchange:
    """An exchange whose shorts are the winners of a wave, in the order of the production queue by their ids."""
    exchange = an_exchange(marks={"BTC": 1})
    state = exchange.state
    market = state.markets["BTC"]
    market.tick_value = 1
    state.accounts.clear()
    for number, winner in enumerate(wave.winners, 1):
        equity = winner.profit // GRAIN * round(wave.equity_to_profit * GRAIN)
        account = state.accounts[number] = Account(number, winner.coin, wallet=equity - winner.profit)
        position = Position(number, "BTC", MILLION, 1, size=-winner.profit, cost=-2 * winner.profit)
        account.positions = {"BTC": position}
        hold(market, position, 0)
        assert figures(measured(account, position, state.markets, None)) == (winner.profit, equity)
    return exchange


def figures(candidate: Candidate) -> tuple[int, int]:
    """Profit and equity."""
    return candidate.pnl, candidate.equity


def table() -> str:
    """The text of adl_waves.txt."""
    told = waves()
    needed, production = sum(wave.needed for wave in told), sum(wave.production for wave in told)
    lines = [
        "python -m tests.results.adl_waves",
        "",
        "16 deleveraging waves of Hyperliquid, 10 October 2025, in million USD; from the public analysis by T. Chitra,",
        "V. Xu, N. Thogiti and M. Trujillo (MIT licence). Each policy of the exchange, by its own rank and share, is",
        "asked for the budget that the wave needed. The files do not say who held what: a coin's winners in a cluster",
        "are one account, see tests/results/adl_waves.py.",
        "",
        f"needed: gap to the mark over all contracts, added up by coin     {_m(needed)}",
        "",
        f"{'':34}{'taken':>9}{'beyond':>9}{'payers':>8}{'their profit':>14}{'largest haircut':>17}",
    ]
    for names in (IN_FULL, [AdlPolicy.DYDX], *([name] for name in ALL_AT_ONCE)):
        each = [taken(wave, names[0]) for wave in told]
        paid = sum(one.paid for one in each)
        lines += [name.value for name in names[:-1]]
        lines.append(
            f"{names[-1].value:34}{_m(paid)}{_m(paid - needed)}{sum(one.payers for one in each):8}"
            f"{_m(sum(one.profit_of_payers for one in each)):>14}{float(max(one.largest for one in each)):17.1%}"
        )
    whole = sum(taken(wave, IN_FULL[0]).profit_of_payers for wave in told)
    beyond = overshoot_in_positions_closed()
    lines += [
        "",
        "The queue takes as much as all others, by lots. Closing whole whomever it reaches, as a queue of positions:",
        f"profit closed                     {_m(whole)}{_m(whole - needed):>16}",
        f"beyond the deficits by what the production queue closed, added up by coin and cluster{_m(beyond):>9}",
        "",
        "as published by the authors          taken   beyond needed",
        *(
            f"{text:34}{_m(total)}{_m(total - needed):>16}"
            for text, total in (("production queue", production), *published())
        ),
        "",
        "Not computable from these files: the production figure itself (equities with and without each fill), which",
        "adds what marks did after a position was closed; and whom the policies that look at equity, leverage,",
        "contracts or hedges would have taken, so that those of a kind take the same here. The authors' pro-rata by",
        "contracts loses what rounding down leaves; the largest remainder does not.",
        "",
        "wave    needed  pro-rata  production    winners   profit",
        *(
            f"{wave.name:>4}{_m(wave.needed)}{_m(taken(wave, AdlPolicy.PRO_RATA).paid)} {_m(wave.production)}"
            f"{len(wave.winners):13}{_m(sum(winner.profit for winner in wave.winners))}"
            for wave in told
        ),
        "",
    ]
    return "\n".join(lines)


def published() -> list[tuple[str, int]]:
    """The authors' totals, over all waves, of the policies that they ran."""
    columns = {
        "pro-rata by wealth": "budget_pr",
        "pro-rata by contracts": "budget_contract_pr",
        "vector mirror descent": "budget_vector",
        "integer programme": "budget_fixed_point_ilp_integer",
    }
    told = rows("policy_per_wave_metrics.csv")
    return [(text, sum(micro(row[column]) for row in told)) for text, column in columns.items()]


def _winners(shocks: list[dict[str, str]]) -> list[Winner]:
    winners = [
        Winner(shock["coin"] + shock["cluster_id"], _grains(shock["total_capacity_usd"]), micro(shock[CLOSED]))
        for shock in shocks
    ]
    winning = [winner for winner in winners if winner.profit]
    return sorted(winning, key=lambda winner: (-Fraction(winner.closed, winner.profit), winner.coin))


def _gap(row: dict[str, str]) -> int:
    """What the winners of a coin lost against the mark, through the formula of the exchange."""
    lots = round(Fraction(row["qty_contracts"]) * CONTRACT)
    gap = round(Fraction(row["gap_per_contract_usd"]) * DOLLAR)
    return round(Fraction(fund_flow(1, lots, gap, 0, 1) * MILLION, CONTRACT * DOLLAR))


def _grains(dollars: str) -> int:
    return micro(dollars) // GRAIN * GRAIN


def _name_of(row: dict[str, str]) -> str:
    return row["wave"]


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def _m(micro_dollars: int) -> str:
    return f"{micro_dollars / MILLION / MILLION:9.3f}"


if __name__ == "__main__":
    print(table(), end="")
