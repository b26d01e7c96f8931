"""The flow of the matching-engine benchmark: its rules on a few messages, the published hash, and the command."""

import json
import lzma
from array import array
from pathlib import Path

import pytest

from tests.benchmarks.meb import (
    ACK,
    CANCEL,
    CANCEL_REJECTED,
    CANCELLED,
    COLUMNS,
    MODIFIED,
    MODIFY,
    MODIFY_REJECTED,
    NEW,
    TRADE,
    MebFlow,
    Message,
    NotAFlow,
    Report,
    main,
    replay,
    report_hash,
)
from tests.benchmarks.meb_flows import SHAPES, flows
from tests.conftest import data_path

BUY, SELL = 0, 1


def reports(*messages: Message) -> list[Report]:
    flow = MebFlow("by hand", tuple(zip(*messages, strict=True)), len(messages))
    return replay(flow)[1]


def new(order_id: int, side: int, qty: int, price: int, ioc: int = 0) -> Message:
    return NEW, side, ioc, qty, order_id, price


def cancel(order_id: int) -> Message:
    return CANCEL, BUY, 0, 1, order_id, 1


def modify(order_id: int, qty: int, price: int) -> Message:
    return MODIFY, BUY, 0, qty, order_id, price


def of_kind(kind: int, found: list[Report]) -> list[Report]:
    return [report for report in found if report[0] == kind]


def naive(messages: list[Message]) -> list[Report]:
    """The same rules again: one list of orders [id, side, price, qty], oldest first, looked through each time."""
    book: list[list[int]] = []
    out: list[Report] = []
    for seq, (kind, side, ioc, qty, order_id, price) in enumerate(messages):
        mine = next((order for order in book if order[0] == order_id), None)
        if kind != NEW:
            if mine is None:
                out.append((CANCEL_REJECTED if kind == CANCEL else MODIFY_REJECTED, seq, order_id))
                continue
            book.remove(mine)
            side = mine[1]
            if kind == CANCEL:
                out.append((CANCELLED, seq, side, order_id, mine[2]))
                continue
        out.append((ACK if kind == NEW else MODIFIED, seq, side, order_id, price, qty))
        sign = -1 if side else 1
        while qty:
            meets = [order for order in book if order[1] != side and sign * order[2] <= sign * price]
            if not meets:
                break
            best = min(meets, key=lambda order: sign * order[2])
            lots = min(qty, best[3])
            out.append((TRADE, seq, best[2], lots, best[0], order_id))
            qty -= lots
            best[3] -= lots
            if not best[3]:
                book.remove(best)
        if qty and ioc and kind == NEW:
            out.append((CANCELLED, seq, side, order_id, price))
        elif qty:
            book.append([order_id, side, price, qty])
    return out


def a_file(path: Path, messages: list[Message], **header: object) -> str:
    columns = [("type", "B"), ("side", "B"), ("ioc", "B"), ("qty", "I"), ("order_id", "I"), ("price", "I")]
    assert tuple(name for name, _ in columns) == COLUMNS
    names = [[name, code, array(code).itemsize] for name, code in columns]
    head = {"count": len(messages), "columns": names} | header
    body = b"".join(array(code, [row[at] for row in messages]).tobytes() for at, (_, code) in enumerate(columns))
    path.write_bytes(lzma.compress(json.dumps(head).encode() + b"\n" + body))
    return str(path)


def test_a_trade_is_at_the_makers_price_and_the_first_at_a_price_is_filled_first() -> None:
    found = reports(new(1, SELL, 5, 101), new(2, SELL, 5, 101), new(3, SELL, 5, 100), new(4, BUY, 12, 102))
    assert of_kind(TRADE, found) == [(TRADE, 3, 100, 5, 3, 4), (TRADE, 3, 101, 5, 1, 4), (TRADE, 3, 101, 2, 2, 4)]


def test_what_an_ioc_leaves_is_cancelled_and_does_not_rest() -> None:
    found = reports(new(1, SELL, 5, 101), new(2, BUY, 8, 101, ioc=1), new(3, SELL, 1, 101))
    assert found[2:] == [(TRADE, 1, 101, 5, 1, 2), (CANCELLED, 1, BUY, 2, 101), (ACK, 2, SELL, 3, 101, 1)]


def test_a_modified_order_loses_its_place_and_may_take() -> None:
    found = reports(
        new(1, SELL, 5, 101), new(2, SELL, 5, 101), modify(1, 6, 101), new(3, BUY, 5, 101), new(4, BUY, 9, 99),
        modify(1, 6, 99),
    )  # fmt: skip
    assert of_kind(TRADE, found) == [(TRADE, 3, 101, 5, 2, 3), (TRADE, 5, 99, 6, 4, 1)]
    assert of_kind(MODIFIED, found) == [(MODIFIED, 2, SELL, 1, 101, 6), (MODIFIED, 5, SELL, 1, 99, 6)]


def test_what_does_not_rest_can_neither_be_cancelled_nor_modified_and_its_id_may_be_used_again() -> None:
    found = reports(
        new(1, SELL, 5, 101), cancel(1), cancel(1), modify(1, 2, 101), new(1, SELL, 3, 102), new(2, BUY, 3, 102),
        cancel(1), new(1, BUY, 3, 99), cancel(1),
    )  # fmt: skip
    assert of_kind(CANCEL_REJECTED, found) == [(CANCEL_REJECTED, 2, 1), (CANCEL_REJECTED, 6, 1)]
    assert of_kind(MODIFY_REJECTED, found) == [(MODIFY_REJECTED, 3, 1)]
    assert of_kind(CANCELLED, found) == [(CANCELLED, 1, SELL, 1, 101), (CANCELLED, 8, BUY, 1, 99)]


def test_an_id_that_rests_can_not_be_used_again() -> None:
    with pytest.raises(NotAFlow, match="id of one that rests"):
        reports(new(1, SELL, 5, 101), new(1, SELL, 5, 102))


@pytest.mark.parametrize("flow", flows(1_500), ids=list(SHAPES))
def test_every_flow_is_answered_as_by_a_book_that_looks_through_a_list(flow: MebFlow) -> None:
    found = replay(flow)[1]
    assert found == naive(list(flow.messages()))


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["normal_seed23_n20000.xz", pytest.param("normal_seed23_n1000000.xz", marks=pytest.mark.prove)]
)
def test_the_flow_gives_the_published_hash(name: str) -> None:
    said: list[str] = []
    assert main([str(data_path(f"meb/{name}"))], said.append, rounds=1) == 0
    assert said[-1] == "as the header says"


@pytest.mark.parametrize(
    ("header", "code", "says"),
    [
        ({}, 0, "names no hash"),
        ({"report_sha256": report_hash(reports(new(1, BUY, 2, 9)))}, 0, "as the header says"),
        ({"published_sha256": "0" * 64}, 1, "NOT as the header says"),
        ({"count": 2}, 2, "bytes for 2 rows"),
        ({"columns": [["type", "B", 15]]}, 2, "column type"),
        ({"columns": [["type", "I", 4], ["side", "I", 4], ["ioc", "I", 4], ["qty", "B", 1]]}, 2, "expected"),
        ({"columns": "none"}, 2, "expected"),
    ],
)
def test_the_command_compares_with_the_hash_in_the_header(
    tmp_path: Path, header: dict[str, object], code: int, says: str
) -> None:
    said: list[str] = []
    assert main([a_file(tmp_path / "flow.xz", [new(1, BUY, 2, 9)], **header)], said.append, rounds=1) == code
    assert says in said[-1]


@pytest.mark.parametrize(
    ("message", "says"),
    [((3, 0, 0, 1, 1, 1), "column type"), ((0, 2, 0, 1, 1, 1), "column side"), ((0, 0, 0, 0, 1, 1), "column qty")],
)
def test_the_command_refuses_messages_that_are_none(tmp_path: Path, message: Message, says: str) -> None:
    said: list[str] = []
    assert main([a_file(tmp_path / "flow.xz", [message])], said.append) == 2
    assert says in said[-1]


def test_the_command_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "text").write_text("text")
    assert main([], said.append) == 2
    assert main([str(tmp_path / "none")], said.append) == 2
    assert main([str(tmp_path / "text")], said.append) == 2
    assert ["python -m" in said[0], "No such file" in said[1], "expected xz" in said[2]] == [True, True, True]
