"""Pieces of a page: text made safe, links, tables, sections, and the page that holds them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from tocsin.charts.parts import style_sheet

_WEB = ("http://", "https://")


def e(text: object) -> str:
    """Return text as HTML, in which nothing is markup."""
    return html.escape(str(text), quote=True)


def section(title: str, *content: str) -> str:
    """Return a section under a heading."""
    return f"<section><h2>{e(title)}</h2>{''.join(content)}</section>\n"


def paragraphs(sentences: Iterable[str]) -> str:
    """Return each sentence as a paragraph."""
    return "".join(f"<p>{e(sentence)}</p>" for sentence in sentences)


def linked(text: str) -> str:
    """Return a citation with its addresses as links; nothing else in it is markup."""
    words = []
    for word in text.split(" "):
        bare = word.rstrip(".,;)")
        if bare.startswith(_WEB):
            words.append(
                f'<a href="{e(bare)}" rel="noreferrer">{e(readable(bare))}</a>{e(word[len(bare) :])}'
            )
        else:
            words.append(e(word))
    return " ".join(words)


def readable(address: str) -> str:
    """Return an address as people read it: without its scheme, its letters plain."""
    from urllib.parse import unquote

    return unquote(address.split("://", 1)[1].removeprefix("www.").removesuffix("/"))


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    numeric: Sequence[int] = (),
    kept: bool = False,
) -> str:
    """Return a table whose first column names the row and whose `numeric` columns stand to the right.

    `kept` rows are not broken into lines: the table scrolls in its box instead.
    """

    def kind(place: int) -> str:
        return ' class="n"' if place in numeric else ""

    names = "".join(f'<th scope="col"{kind(place)}>{e(name)}</th>' for place, name in enumerate(head))
    lines = []
    for row in rows:
        first, *rest = row
        cells = "".join(f"<td{kind(place)}>{e(cell)}</td>" for place, cell in enumerate(rest, start=1))
        lines.append(f'<tr><th scope="row">{e(first)}</th>{cells}</tr>')
    return (
        f'<div class="scroll{" kept" if kept else ""}" tabindex="0" role="region" aria-label="{e(caption)}">'
        f"<table><caption>{e(caption)}</caption>"
        f"<thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def whole_page(
    title: str, body: str, meta: str = "", style: str = "", kind: str = "", above: str = ""
) -> str:
    """Return one page that fetches nothing.

    Parameters:
        title, body: what it is called and what it says.
        meta, style: more for its head, and more style after that of all pages.
        kind: the class of the whole page.
        above: what stands above the body.
    """
    named = f' class="{kind}"' if kind else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        # Belt and braces: even a mistake in this page could fetch nothing.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src '
        "'unsafe-inline'; img-src data:\">"
        f"{meta}<title>{e(title)}</title><style>{style_sheet()}{style}</style></head>\n"
        f"<body{named}>{above}<main>{body}</main></body></html>\n"
    )
