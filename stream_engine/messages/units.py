"""Units: what each integer on the wire counts.

Price in ticks, size in lots (signed where it is a position: short is negative), money in
micro-quote (1e-6 USDT), ratios in parts per million, time in microseconds UTC.

Holds     every integer on the wire lies below 2^53, so that JavaScript and jq read it exactly;
          a larger one is no input (it goes to the dead letters), never a rounded one.
"""

from typing import Annotated

from msgspec import Meta

WIRE_MAX = 2**53 - 1
MILLION = 1_000_000
BALANCE_MAX = 2**52  # what may be paid in: room is left for what is won

Ticks = Annotated[int, Meta(ge=-WIRE_MAX, le=WIRE_MAX, description="price, in ticks of the instrument")]
Lots = Annotated[int, Meta(ge=-WIRE_MAX, le=WIRE_MAX, description="size, in lots; short is negative")]
Quote = Annotated[int, Meta(ge=-WIRE_MAX, le=WIRE_MAX, description="money, in micro-quote (1e-6 USDT)")]
Ppm = Annotated[int, Meta(ge=-WIRE_MAX, le=WIRE_MAX, description="ratio, in parts per million")]
Micros = Annotated[int, Meta(ge=0, le=WIRE_MAX, description="microseconds since 1970, UTC")]
Count = Annotated[int, Meta(ge=0, le=WIRE_MAX, description="a number of things")]
# The venue's own accounts have the last numbers; no input can name them.
TraderId = Annotated[int, Meta(ge=1, le=2**32 - 2**16 - 1, description="an account of a participant")]
AccountId = Annotated[int, Meta(ge=1, le=2**32 - 1, description="an account of one venue")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
ClientId = Annotated[str, Meta(min_length=1, max_length=36, description="the owner's own id of an order")]
Text = Annotated[str, Meta(max_length=400)]
