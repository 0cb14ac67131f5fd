"""The class edition in one file: every page a part of one document, every answer inside it, nothing fetched.

It opens from a disk, from a mail and in a sandboxed frame, where scripts may have neither storage nor an address. Pages
are told apart by `data-page`; a small router (static/one.js) shows one at a time and follows links between them.
Without a script all pages of text stand one after another.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.charts.parts import style_sheet
from tocsin.classroom.pages import MAKER, MapPage, Page, Site, class_text, text_style
from tocsin.explorer import assets, edition
from tocsin.report.page import e

# Even a mistake in this page could fetch nothing.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

_LINK = re.compile(r'href="([\w-]+)\.html(?:#([\w-]+)|\?([^"]*))?"')


def one_file(
    site: Site,
    texts: Sequence[Page],
    maps: Sequence[MapPage],
    about: Mapping[str, Any],
    answers: Mapping[str, Any],
) -> str:
    """Return the document.

    Parameters:
        texts: the pages of text, the first of them shown first.
        maps: the laboratory and the steps of the tour, which share one map.
        about: what the explorer is told once (`edition.about_edition`).
        answers: whatever else it may ask for, by address.
    """
    sections = "".join(
        f'<div class="{page.kind}" data-page="{_key(page.name)}" data-title="{e(page.title)}">'
        f"<main>{_linked(page.body)}</main></div>\n"
        for page in texts
    )
    templates = "".join(
        f'<template data-step="{_key(page.name)}" data-title="{e(page.title)}" data-over="{e(page.over)}" '
        f'data-start="{e(page.start)}"><div>{_linked(page.head)}</div><div>{_linked(page.panel)}</div></template>\n'
        for page in maps
    )
    bar = "".join(f'<li><a href="#{_target(address)}">{e(words)}</a></li>' for address, words in site.links)
    shown = e(json.dumps([str(show) for show in site.shown]))
    held = {"api/about": about, **answers}
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"{MAKER}<title>{e(site.title)}</title>"
        f'<style id="style-text">{style_sheet()}{text_style()}</style>'
        '<style id="style-map" media="not '
        f'all">{_text("theme.css")}{_text("style.css")}{class_text("class.css")}</style>'
        f'</head>\n<body data-shown="{shown}" data-site="{e(site.title)}">'
        f'<nav class="site" aria-label="Class edition"><ul>{bar}</ul></nav>\n{sections}'
        f'<div data-map hidden>{_explorer()}</div>\n{templates}'
        f'<script type="application/json" id="answers">{_packed(held)}</script>\n'
        f'<script type="text/plain" id="vega">{_zipped(_text("vega.js").encode())}</script>\n'
        f"<script>{_closed(class_text('one.js'))}</script>\n<script>{_closed(class_text('class.js'))}</script>\n"
        f"<script>{_closed(edition.classic_script())}</script></body></html>\n"
    )  # fmt: skip


def _key(name: str) -> str:
    return name.removesuffix(".html")


def _target(address: str) -> str:
    """Return where a link of the folder leads inside the one file: a page, or a part of one."""
    name, _, part = address.partition("#")
    return part or _key(name)


def _linked(text: str) -> str:
    """Return HTML whose links between files lead to the parts of the one document."""

    def inside(found: re.Match[str]) -> str:
        name, part, query = found.groups()
        return f'href="#{part or name}"' + (f' data-query="{query}"' if query else "")

    return _LINK.sub(inside, text)


def _text(name: str) -> str:
    part = assets.asset(name)
    assert part is not None
    return part.content.decode("utf-8")


def _explorer() -> str:
    """Return the body of the explorer's page, with room for what a step of the tour tells."""
    found = re.search(r"<body>(.*)</body>", assets.static_text("index.html"), re.DOTALL)
    assert found is not None
    text = re.sub(r"<noscript>.*?</noscript>", "", found.group(1), flags=re.DOTALL)
    text = text.replace("</header>", '</header><div id="told-head"></div>', 1)
    return text.replace('<div id="side">', '<div id="side"><div id="told-panel"></div>', 1)


def _zipped(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def _packed(answers: Mapping[str, Any]) -> str:
    """Return answers by address, each compressed, as JSON that cannot end its script."""
    texts = {
        address: _zipped(json.dumps(content, separators=(",", ":"), allow_nan=False).encode())
        for address, content in answers.items()
    }
    return json.dumps(texts, separators=(",", ":")).replace("<", "\\u003c")


def _closed(script: str) -> str:
    """Return a script that its own text cannot end."""
    return script.replace("</script", "<\\/script")
