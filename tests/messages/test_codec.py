"""Codec: what is a message, what is none, and where in the value the fault lies."""

import json

import pytest

from stream_engine.messages import events, inputs
from stream_engine.messages.codec import NotAMessage, decode_event, decode_input, encode
from stream_engine.messages.events import AnyEvent, Traded
from stream_engine.messages.inputs import AnyInput, Deposit, MassQuote, Place, Side, TimeInForce
from stream_engine.messages.topics import EVENT_TOPIC, INPUT_TOPIC, INTAKE, MAX_INPUT_BYTES, OUTPUT
from stream_engine.messages.units import WIRE_MAX

ORDER = Place("binance", 7, 1, "a", "BTC", Side.BUY, 3, 100)
AS_JSON = (
    b'{"type":"Place","venue":"binance","ts_us":7,"account":1,"client_id":"a","symbol":"BTC","side":"buy",'
    b'"size":3,"price":100}'
)


def changed(**fields: object) -> bytes:
    """The order as JSON with other fields; None leaves a field out."""
    order = json.loads(AS_JSON) | fields
    return json.dumps({name: value for name, value in order.items() if value is not None}).encode()


def raw(field: str, text: str) -> bytes:
    """The order with a field as it stands here, whatever that is."""
    order = json.loads(AS_JSON)
    order[field] = "@"
    return json.dumps(order).replace('"@"', text).encode()


# what is one -----------------------------------------------------------------------------------------------


def test_a_message_is_json_with_its_fields_in_the_order_of_their_declaration() -> None:
    assert encode(ORDER) == AS_JSON
    assert decode_input(AS_JSON) == ORDER


def test_a_field_that_has_its_default_is_left_out() -> None:
    assert b"post_only" not in encode(ORDER)
    ioc = Place("binance", 7, 1, "a", "BTC", Side.BUY, 3, None, TimeInForce.IOC)
    assert encode(ioc).endswith(b'"size":3,"time_in_force":"ioc"}')


def test_an_event_is_read_back_as_it_was_written() -> None:
    traded = Traded("binance", 3, 2, 7, (3, 1), "BTC", 100, 1, 1, 8, Side.BUY, 0, 5, 2, 9, 4, -3, True)
    assert decode_event(encode(traded)) == traded


def test_an_input_is_no_event_and_an_event_no_input() -> None:
    with pytest.raises(NotAMessage):
        decode_event(AS_JSON)
    with pytest.raises(NotAMessage):
        decode_input(encode(events.ClockTicked("binance", 0, 0, 0, None)))


def test_an_event_may_have_a_field_of_a_later_schema() -> None:
    ticked = events.ClockTicked("binance", 0, 0, 0, None)
    assert decode_event(encode(ticked)[:-1] + b',"later":1}') == ticked


@pytest.mark.parametrize("misspelt", ["prise", "Price", "expiry_us"])
def test_a_field_that_is_not_known_is_no_input_or_a_misspelt_price_would_make_a_market_order(misspelt: str) -> None:
    with pytest.raises(NotAMessage, match=f"unknown field `{misspelt}`"):
        decode_input(changed(**{misspelt: 99}))


@pytest.mark.parametrize("number", [-WIRE_MAX, WIRE_MAX])
def test_integers_up_to_what_javascript_reads_exactly_pass(number: int) -> None:
    decoded = decode_input(changed(price=number))
    assert isinstance(decoded, Place) and decoded.price == number


# what is none ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"{}", b"[]", b"null", b"17", b'"Place"', b"\xff\xfe", b"\xef\xbb\xbf" + AS_JSON, AS_JSON + b"}",
     AS_JSON * 2, AS_JSON.replace(b"binance", b"\xff"), raw("client_id", '"\\ud800"'), b"[" * 100_000,
     b'{"type":' * 100_000, raw("size", "01"), raw("size", "NaN"), raw("size", "Infinity")],
)  # fmt: skip
def test_what_is_no_json_or_no_object_of_a_type_is_no_message(value: bytes) -> None:
    with pytest.raises(NotAMessage) as error:
        decode_input(value)
    assert str(error.value)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (changed(type="Nonsense"), "Invalid value 'Nonsense' - at `$.type`"),
        (changed(type=None), "Object missing required field `type`"),
        (changed(account=None), "Object missing required field `account`"),
        (changed(price=100.5), "Expected `int | null`, got `float` - at `$.price`"),
        (changed(size=3.0), "Expected `int`, got `float` - at `$.size`"),
        (changed(size="3"), "Expected `int`, got `str` - at `$.size`"),
        (changed(size=True), "Expected `int`, got `bool` - at `$.size`"),
        (changed(size=[3]), "Expected `int`, got `array` - at `$.size`"),
        (raw("size", "null"), "Expected `int`, got `null` - at `$.size`"),
        (raw("size", "1e3"), "Expected `int`, got `float` - at `$.size`"),
        (raw("size", "1e999"), "Number out of range - at `$.size`"),
        (raw("size", "9" * 300), f"Expected `int` <= {WIRE_MAX} - at `$.size`"),
        (raw("size", "-" + "9" * 300), f"Expected `int` >= -{WIRE_MAX} - at `$.size`"),
        (raw("size", "9" * 5_000), "Integer value out of range - at `$.size`"),
        (changed(price=WIRE_MAX + 1), f"Expected `int` <= {WIRE_MAX} - at `$.price`"),
        (changed(ts_us=-1), "Expected `int` >= 0 - at `$.ts_us`"),
        (changed(account=0), "Expected `int` >= 1 - at `$.account`"),
        (changed(account=2**32 - 2**16), f"Expected `int` <= {2**32 - 2**16 - 1} - at `$.account`"),
        (changed(side="long"), "Invalid enum value 'long' - at `$.side`"),
        (changed(time_in_force="gtd"), "Invalid enum value 'gtd' - at `$.time_in_force`"),
        (changed(client_id=""), "Expected `str` of length >= 1 - at `$.client_id`"),
        (changed(client_id="x" * 37), "Expected `str` of length <= 36 - at `$.client_id`"),
        (changed(venue="x" * 65), "Expected `str` of length <= 64 - at `$.venue`"),
        (changed(venue=7), "Expected `str`, got `int` - at `$.venue`"),
    ],
)
def test_a_value_of_the_wrong_shape_is_told_with_its_place(value: bytes, complaint: str) -> None:
    with pytest.raises(NotAMessage) as error:
        decode_input(value)
    assert str(error.value) == complaint


def test_the_place_of_a_fault_deep_in_a_bulk_message_is_told() -> None:
    value = encode(Deposit("binance", 0, ((1, 5), (2, 5)))).replace(b"[2,5]", b'[2,"five"]')
    with pytest.raises(NotAMessage, match=r"at `\$\.deposits\[1\]\[1\]`"):
        decode_input(value)


@pytest.mark.parametrize(("levels", "fits"), [(31, True), (32, True), (33, False)])
def test_a_quote_has_no_more_levels_than_fit(levels: int, fits: bool) -> None:
    value = encode(MassQuote("binance", 0, 1, "BTC", 1, tuple((100 - n, 1) for n in range(levels))))
    if fits:
        assert isinstance(decode_input(value), MassQuote)
    else:
        with pytest.raises(NotAMessage, match=r"at `\$\.bids`"):
            decode_input(value)


# where they travel -----------------------------------------------------------------------------------------


def test_every_input_and_every_event_has_its_topic_and_no_topic_has_a_stranger() -> None:
    assert set(INPUT_TOPIC) == set(AnyInput.__args__)
    assert set(EVENT_TOPIC) == set(AnyEvent.__args__)
    assert set(INPUT_TOPIC.values()) == set(INTAKE) == set(MAX_INPUT_BYTES)
    assert set(EVENT_TOPIC.values()) == set(OUTPUT)


def test_every_message_of_the_vocabulary_is_in_a_union() -> None:
    for module, base, union in ((inputs, inputs.Input, AnyInput), (events, events.Event, AnyEvent)):
        defined = {kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, base)}
        assert defined - {base} == set(union.__args__)
