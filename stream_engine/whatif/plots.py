"""Plots: drawings as inline SVG, without a script; colours are those of the page, light or dark.

Slopes        one line for each seed from base to variant: up is orange, down is blue, same is grey.
Differences   one dot for each seed, in the order of the seeds, about the line of nothing; bar and line are the median
              and 5 to 95 %.
Heat          one cell for each choice, darker for more; every cell has its number.
Read aloud    each drawing has a title, each mark its seed and values; what is drawn stands in a table, too.
"""

from collections.abc import Callable, Sequence
from html import escape
from math import ceil, floor, log10

from stream_engine.whatif.pairs import Pair

WIDTH, HEIGHT = 560, 230
TOP, BOTTOM = 28, 204
LEFT_X, RIGHT_X = 96, 236
STRIP_FROM, STRIP_TO = 392, 540
ABOUT_TICKS = 4
DARK_FROM = 0.5
PALE, DEEP = (226, 238, 249), (16, 78, 139)

Number = Callable[[float], str]


def pair_plot(pair: Pair, title: str, plain: Number, signed: Number) -> str:
    """Slopes on the left, differences on the right."""
    name = f"{title}: base and variant by seed, and the difference of each seed"
    return _svg(WIDTH, HEIGHT, name, _slopes(pair, plain) + _differences(pair, signed))


def heat(
    title: str, rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float | None]],
    texts: Sequence[Sequence[str]], hints: Sequence[Sequence[str]], over: tuple[str, str],
) -> str:  # fmt: skip
    """A grid of cells; `over` says what the rows and the columns are."""
    wide, high, left, top = 104, 44, 12 + 8 * max([len(row) for row in rows] + [len(over[0])]), 52
    known = [value for line in values for value in line if value is not None]
    low, span = min(known, default=0.0), (max(known, default=0.0) - min(known, default=0.0)) or 1.0
    said = [
        f'<text x="{left - 12}" y="{top - 10}" class="axis end">{escape(over[0])}</text>',
        f'<text x="{left}" y="16" class="axis">{escape(over[1])}</text>',
    ]
    said += [
        f'<text x="{left + wide * at + wide / 2}" y="{top - 10}" class="middle">{escape(column)}</text>'
        for at, column in enumerate(columns)
    ]
    for down, row in enumerate(rows):
        y = top + high * down
        said.append(f'<text x="{left - 12}" y="{y + high / 2 + 4}" class="end">{escape(row)}</text>')
        for across, value in enumerate(values[down]):
            x = left + wide * across
            part = None if value is None else (value - low) / span
            fill, ink = ("none", "var(--soft)") if part is None else shade(part)
            said.append(
                f'<g><title>{escape(hints[down][across])}</title><rect x="{x + 1}" y="{y + 1}" width="{wide - 2}" '
                f'height="{high - 2}" rx="3" fill="{fill}" stroke="var(--line)"/><text x="{x + wide / 2}" '
                f'y="{y + high / 2 + 4}" class="middle" style="fill:{ink}">{escape(texts[down][across])}</text></g>'
            )
    return _svg(left + wide * len(columns) + 8, top + high * len(rows) + 8, title, "".join(said))


def ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round numbers within the bounds, about four of them, with the decimals of their step; of one value that value."""
    if high <= low:
        return [(low, f"{low:,.6g}")]
    raw = (high - low) / ABOUT_TICKS
    ten = 10.0 ** floor(log10(raw))
    step = next(ten * times for times in (1, 2, 5, 10) if ten * times >= raw * (1 - 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    decimals = max(0, -floor(log10(step) + 1e-9))
    return [(step * number, f"{step * number:,.{decimals if number else 0}f}") for number in range(first, last + 1)]


def shade(part: float) -> tuple[str, str]:
    """From pale to deep blue, and the colour of what is written on it; the same in light and dark."""
    mixed = (round(pale + (deep - pale) * part) for pale, deep in zip(PALE, DEEP, strict=True))
    return "#" + "".join(f"{colour:02x}" for colour in mixed), "#ffffff" if part > DARK_FROM else "#10202e"


def _slopes(pair: Pair, plain: Number) -> str:
    values = [value for both in pair.seeds.values() for value in both if value is not None]
    if not values:
        return ""
    place = _scale(values)
    said = [_heading(LEFT_X, "base"), _heading(RIGHT_X, "variant")]
    said += [_tick(40, RIGHT_X + 18, place(tick), text) for tick, text in ticks(min(values), max(values))]
    for seed, (a, b) in pair.seeds.items():
        hint = f"<title>seed {seed}: {_told(a, plain)} to {_told(b, plain)}</title>"
        kind = "same" if a is None or b is None or a == b else "up" if b > a else "down"
        line = "" if a is None or b is None else _line(LEFT_X, place(a), RIGHT_X, place(b), f"slope {kind}")
        dots = (_dot(x, place(value), kind) for x, value in ((LEFT_X, a), (RIGHT_X, b)) if value is not None)
        said.append(f"<g>{hint}{line}{''.join(dots)}</g>")
    for x, spread, toward in ((LEFT_X, pair.base, -1), (RIGHT_X, pair.variant, 1)):
        if spread is not None:
            said.append(_line(x + 6 * toward, place(spread.median), x + 18 * toward, place(spread.median), "median"))
    return "".join(said)


def _differences(pair: Pair, signed: Number) -> str:
    apart = pair.differences
    if not apart or pair.difference is None:
        return _heading((STRIP_FROM + STRIP_TO) / 2, "no seed has both")
    values = [*apart.values(), 0.0]
    place, spread = _scale(values), pair.difference
    said = [_heading((STRIP_FROM + STRIP_TO) / 2, "difference")]
    said += [_tick(STRIP_FROM - 60, STRIP_TO, place(tick), text) for tick, text in ticks(min(values), max(values))]
    said.append(_line(STRIP_FROM - 8, place(0.0), STRIP_TO, place(0.0), "nothing"))
    step = (STRIP_TO - STRIP_FROM - 24) / max(len(apart), 2)
    for number, (seed, value) in enumerate(apart.items()):
        kind = "same" if value == 0 else "up" if value > 0 else "down"
        dot = _dot(STRIP_FROM + 20 + step * (number + 0.5), place(value), kind)
        said.append(f"<g><title>seed {seed}: {signed(value)}</title>{dot}</g>")
    said.append(_line(STRIP_FROM, place(spread.low), STRIP_FROM, place(spread.high), "span"))
    said.append(_line(STRIP_FROM - 6, place(spread.median), STRIP_FROM + 6, place(spread.median), "median"))
    return "".join(said)


def _scale(values: Sequence[float]) -> Callable[[float], float]:
    """From a value to its height in the drawing, the largest on top."""
    low, high = min(values), max(values)
    if high <= low:
        return lambda value: (TOP + BOTTOM) / 2
    return lambda value: BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP - 8)


def _told(value: float | None, plain: Number) -> str:
    return "none" if value is None else plain(value)


def _svg(width: float, height: float, title: str, drawn: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" style="max-width:{width:g}px"><title>{escape(title)}'
        f"</title>{drawn}</svg>"
    )


def _heading(x: float, text: str) -> str:
    return f'<text x="{x:g}" y="14" class="axis middle">{text}</text>'


def _tick(x: float, to_x: float, y: float, text: str) -> str:
    return f'<text x="{x - 4:.1f}" y="{y + 4:.1f}" class="tick end">{escape(text)}</text>' + _line(
        x + 2, y, to_x, y, "grid"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _dot(x: float, y: float, kind: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" class="{kind}"/>'
