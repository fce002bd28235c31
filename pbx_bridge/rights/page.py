"""The report as one HTML page: no script, no image, nothing fetched; it prints well and opens anywhere.

Pure. Every text is escaped; it adds no fact.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from pbx_bridge.rights.figures import FEWEST_PERSONS, OTHER, Shown
from pbx_bridge.rights.record import Report, Row
from pbx_bridge.rights.words import OUTCOMES, TITLES, Language

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1c1c1c}
h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em;border-bottom:2px solid #1c1c1c}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.4em .6em;border-bottom:1px solid #ccc}
th[scope=row]{width:14em;font-weight:600}td.number,th.number{text-align:right}
.missing{border-left:4px solid #b00;padding-left:1em}
@media print{body{margin:0;max-width:none}}"""


def page(made: Report) -> str:
    """The whole page in UTF-8."""
    titles = TITLES[made.language]
    heading = escape(titles["report"])
    parts = [
        f'<!doctype html><html lang="{made.language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{heading}</title><style>{_STYLE}</style></head><body>'
        f"<h1>{heading}</h1><p>{escape(titles['made_on'].format(made_on=made.made_on))}</p>"
    ]
    if made.missing:
        items = "".join(f"<li>{escape(one)}</li>" for one in made.missing)
        parts.append(f'<div class="missing"><h2>{escape(titles["missing"])}</h2><ul>{items}</ul></div>')
    for name, rows in (("record", made.record), ("assessment", made.assessment)):
        parts.append(f"<h2>{escape(titles[name])}</h2>{_table(rows)}")
    parts.append(
        f"<h2>{escape(titles['figures'])}</h2>{_figures(made.figures, made.language)}</body></html>\n"
    )
    return "\n".join(parts)


def _table(rows: Iterable[Row]) -> str:
    lines = (f'<tr><th scope="row">{escape(row.label)}</th><td>{escape(row.text)}</td></tr>' for row in rows)
    return f"<table>{''.join(lines)}</table>"


def _figures(months: Iterable[Shown], language: Language) -> str:
    titles, outcomes = TITLES[language], OUTCOMES[language]
    rows = []
    for month in months:
        if month.hidden is not None:
            why = titles[month.hidden.value].format(fewest=FEWEST_PERSONS)
            cells = f'<td colspan="{len(outcomes) + 4}">{escape(why)}</td>'
        else:
            minutes = "" if month.minutes is None else f"{month.minutes:.1f}"
            none = "–" if OTHER in month.outcomes else "0"
            counts = (month.outcomes.get(word, none) for word in (*outcomes, OTHER))
            why = ", ".join(
                f"{word.partition('/')[2]}: {count}" for word, count in month.reasons.items() if word != OTHER
            )
            cells = "".join(f'<td class="number">{number}</td>' for number in (month.calls, *counts, minutes))
            cells += f"<td>{escape(why)}</td>"
        rows.append(f'<tr><th scope="row">{escape(month.month)}</th>{cells}</tr>')
    if not rows:
        return f"<p>{escape(titles['none'])}</p>"
    heads = (titles["calls"], *outcomes.values(), titles["other"], titles["minutes"])
    head = "".join(f'<th class="number">{escape(text)}</th>' for text in heads)
    return (
        f"<table><tr><th>{escape(titles['month'])}</th>{head}<th>{escape(titles['reasons'])}</th></tr>"
        f"{''.join(rows)}</table><p>{escape(titles['together'].format(fewest=FEWEST_PERSONS))}</p>"
    )
