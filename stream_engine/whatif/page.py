"""Page: what came of many runs as one HTML file that opens offline: no script, no font, no address in it.

Shown     the table first, whole, then a plot of each outcome. Light and dark follow the reader's system; printed, it is
          light, and no plot is cut by the end of a page.
Escaped   whatever comes from a scenario, an overlay or a setting: they are texts of whoever wrote them.
"""

from collections.abc import Iterable, Sequence
from html import escape

from consumers.figures import counted
from consumers.public_record import HONESTY
from stream_engine.whatif.beside import Comparison, apart
from stream_engine.whatif.beside_table import event_logs, times, value_text, words
from stream_engine.whatif.enough import Enough
from stream_engine.whatif.outcomes import BY_NAME, OUTCOMES
from stream_engine.whatif.pairs import Pair
from stream_engine.whatif.plots import heat, pair_plot
from stream_engine.whatif.report import Sweep, WhatIf
from stream_engine.whatif.sweep_table import (
    enough_notes,
    heading,
    hint,
    median_text,
    needed_text,
    part_text,
    sweep_notes,
    usd,
)
from stream_engine.whatif.table import figure, moved, never, notes, spread_text

STYLE = """
:root{color-scheme:light dark;--back:#fff;--ink:#1b2733;--soft:#5b6b7a;--line:#d5dde4;--card:#f6f8fa;
 --up:#c2570c;--down:#1f6fb4;--same:#8592a0;--warn:#b3261e}
@media(prefers-color-scheme:dark){:root{--back:#12181f;--ink:#e3e9ef;--soft:#9aa8b6;--line:#313c47;--card:#1a222b;
 --up:#f59a4c;--down:#6db3f2;--same:#8592a0;--warn:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:1220px;background:var(--back);color:var(--ink);
 font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .6rem}h3{font-size:1rem;margin:0}p{margin:.25rem 0}
.soft{color:var(--soft)}.warn{color:var(--warn);font-weight:600}code{overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th{font-weight:600;color:var(--soft)}th:first-child,td:first-child,.words td,.words th{text-align:left}
td small{display:block;color:var(--soft);white-space:nowrap}td:first-child small{white-space:normal}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,500px),1fr));gap:1rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;break-inside:avoid}
svg{display:block;width:100%;height:auto;margin-top:.4rem}
svg text{font-size:12px;fill:var(--ink)}svg .axis,svg .tick{fill:var(--soft)}svg .tick{font-size:11px}
svg .end{text-anchor:end}svg .middle{text-anchor:middle}
svg line{stroke:var(--line);stroke-width:1}svg .slope{stroke-width:1.3;opacity:.6}
svg line.up{stroke:var(--up)}svg line.down{stroke:var(--down)}svg line.same{stroke:var(--same)}
svg circle.up{fill:var(--up)}svg circle.down{fill:var(--down)}svg circle.same{fill:var(--same)}
svg .nothing{stroke:var(--soft);stroke-dasharray:4 3}svg .median{stroke:var(--ink);stroke-width:3}
svg .span{stroke:var(--ink);stroke-width:1.3}
.key span{white-space:nowrap;margin-right:1.2em}.key .up{color:var(--up)}.key .down{color:var(--down)}
@media(max-width:640px){td small{white-space:normal}th,td{padding-right:.4rem}}
@media print{:root{color-scheme:light;--back:#fff;--ink:#111;--soft:#444;--line:#bbb;--card:#fff;--up:#c2570c;
 --down:#1f6fb4}body{max-width:none;padding:0;font-size:11px}.cards{grid-template-columns:1fr 1fr}
 .scroll{overflow:visible}h2{break-after:avoid}tr{break-inside:avoid}}
"""
KEY = (
    '<p class="key soft"><span class="up">orange: more in the variant</span><span class="down">blue: less</span>'
    "<span>heavy bar: median</span><span>thin line: 5 to 95 %</span><span>dashed: no difference</span></p>"
)


def what_if(report: WhatIf) -> str:
    """The page of a what-if."""
    seeds = f"seeds {report.seeds[0]} to {report.seeds[-1]}" if len(report.seeds) > 1 else f"seed {report.seeds[0]}"
    said = [
        *(f'<p class="warn">{escape(note.plain)}</p>' for note in notes(report)),
        f"<p>Variant: <code>{escape(str(report.variant))}</code><br>Base: <code>{escape(str(report.base))}</code></p>",
        f'<p class="soft">{counted(len(report.paired), "pair")} of runs ({seeds}), the same noise in both. Median, and '
        "under it 5 to 95 %; the difference is that of each seed.</p>",
        _pairs_table(report),
        "<h2>Seed by seed</h2>",
        KEY,
        '<div class="cards">',
        *(_card(pair) for pair in report.pairs if not _is_same(pair)),
        "</div>",
        *(f'<p class="soft">{escape(text)}</p>' for text in _not_drawn(report)),
    ]
    return page(report.title, said)


def sweep(report: Sweep) -> str:
    """The page of a sweep."""
    said = [f'<p class="warn">{escape(note.plain)}</p>' for note in sweep_notes(report)]
    said.append(f'<p class="soft">{escape(heading(report))}; hold the pointer over a cell for 5 to 95 %</p>')
    if report.axes:
        said += ['<div class="cards">', *(_heat_card(report, name) for name in report.chosen), "</div>"]
    if report.enough is not None:
        said += _enough(report.enough)
    if report.axes:
        said += ["<h2>Every outcome of every cell</h2>", _cells_table(report)]
    return page(report.title, said)


def beside(found: Comparison) -> str:
    """The page of two runs beside each other."""
    settings = [[escape(path), *(escape(value_text(value)) for value in both)] for path, both in found.settings.items()]
    figures = []
    for outcome in OUTCOMES:
        a, b = found.outcomes[outcome.name]
        if a is not None or b is not None:
            texts = figure(outcome, a), figure(outcome, b), figure(outcome, apart(a, b), signed=True)
            figures.append([name_cell(outcome.name), *texts])
    several = len({moment.venue for moment in found.timeline}) > 1
    moments = [
        [*times(moment), escape(words(moment)), *([escape(moment.venue)] if several else [])]
        for moment in found.timeline
    ]
    said = [
        *(
            f"<p><strong>{side}</strong> {escape(title)} <small>{escape(directory)}</small></p>"
            for side, title, directory in zip("AB", found.titles, found.directories, strict=True)
        ),
        f"<p>{escape(event_logs(found))}</p>",
        "<h2>Set otherwise</h2>",
        rows(("setting", "A", "B"), settings, all_words=True) if settings else "<p>No setting differs.</p>",
        "<h2>Outcomes</h2>",
        rows(("outcome", "A", "B", "difference"), figures),
        "<h2>Order of onset (UTC)</h2>",
        rows(("A", "B", "what", *(["venue"] if several else [])), moments, all_words=True),
    ]
    return page("Two runs beside each other", said)


def _heat_card(report: Sweep, name: str) -> str:
    outcome = BY_NAME[name]
    return (
        f'<div class="card"><h3>{escape(outcome.title)} <span class="soft">{escape(outcome.unit)}</span></h3>'
        f'<p class="soft">{escape(outcome.source)}</p><div class="scroll">{_heat(report, name)}</div></div>'
    )


def _heat(report: Sweep, name: str) -> str:
    rows_of = [report.row(choice) for choice in report.rows]
    spreads = [[cell.spreads[name] for cell in row] for row in rows_of]
    return heat(
        f"{BY_NAME[name].title} by {', '.join(axis.path for axis in report.axes)}",
        [", ".join(choice) for choice in report.rows],
        report.axes[-1].values,
        [[None if spread is None else spread.median for spread in row] for row in spreads],
        [[median_text(cell, name) for cell in row] for row in rows_of],
        [[hint(cell, name) for cell in row] for row in rows_of],
        (", ".join(axis.path for axis in report.axes[:-1]), report.axes[-1].path),
    )


def _enough(found: Enough) -> list[str]:
    first, *others = enough_notes(found)
    headings = ["in so many runs", *(f"{needed.venue} (has {usd(needed.fund_usd)})" for needed in found.needed)]
    columns = [needed_text(needed) for needed in found.needed]
    lines = [
        [part_text(part.part_ppm), *map(escape, texts)]
        for part, *texts in zip(found.needed[0].parts, *columns, strict=True)
    ]
    lines.append(["largest seen", *(usd(needed.largest_usd) for needed in found.needed)])
    return [
        "<h2>The fund that would have been enough</h2>",
        f"<p>{escape(first)}</p>",
        rows(headings, lines),
        *(f'<p class="soft">{escape(note)}</p>' for note in others),
    ]


def _cells_table(report: Sweep) -> str:
    headings = [*(axis.path for axis in report.axes), *(f"{each.title}, {each.unit}" for each in OUTCOMES)]
    lines = []
    for cell in report.cells:
        cells = [escape(value) for value in cell.values]
        for outcome in OUTCOMES:
            median, span = spread_text(outcome, cell.spreads[outcome.name], len(cell.by_seed))
            cells.append(f"{median}<small>{span}</small>")
        lines.append(cells)
    return rows(headings, lines)


def page(title: str, said: Iterable[str]) -> str:
    """A whole page with its title; what is in it is HTML already."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(said)
        + f'\n<h2>What this is</h2>\n<p class="soft">{escape(HONESTY)}</p>\n</body>\n</html>\n'
    )


def rows(headings: Sequence[str], lines: Iterable[Sequence[str]], all_words: bool = False) -> str:
    """A table; its cells are HTML already, its headings are not."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>\n" for line in lines)
    kind = ' class="words"' if all_words else ""
    return f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def name_cell(name: str) -> str:
    """An outcome with its unit and where it is from."""
    outcome = BY_NAME[name]
    return f"{escape(outcome.title)}<small>{escape(outcome.unit)}: {escape(outcome.source)}</small>"


def _pairs_table(report: WhatIf) -> str:
    lines = []
    for pair in report.pairs:
        if pair.base is None and pair.variant is None:
            continue
        cells = [name_cell(pair.name)]
        for spread, signed in ((pair.base, False), (pair.variant, False), (pair.difference, True)):
            median, span = spread_text(BY_NAME[pair.name], spread, len(report.paired), signed)
            cells.append(f"{median}<small>{span}</small>")
        lines.append([*cells, moved(pair)])
    return rows(("outcome", "base", "variant", "difference", "seeds up/down"), lines) + "".join(
        f'<p class="soft">{escape(text.plain)}</p>' for text in never(report)
    )


def _is_same(pair: Pair) -> bool:
    """Whether every seed has the same either way, or nothing either way."""
    return all(a == b for a, b in pair.seeds.values())


def _not_drawn(report: WhatIf) -> list[str]:
    titles = [BY_NAME[pair.name].title for pair in report.pairs if pair.base is not None and _is_same(pair)]
    return [f"Not drawn, since no seed differs: {', '.join(titles)}."] if titles else []


def _card(pair: Pair) -> str:
    outcome = BY_NAME[pair.name]
    drawn = pair_plot(
        pair,
        outcome.title,
        lambda value: figure(outcome, value),
        lambda value: figure(outcome, value, signed=True),
    )
    return (
        f'<div class="card"><h3>{escape(outcome.title)} <span class="soft">{escape(outcome.unit)}</span></h3>'
        f"{drawn}</div>"
    )
