"""Forms: a sentence with places in it, which one line says how to print and how to read.

A form is words, places in braces and optional parts in square brackets:
``scale layer {layer} by {by}[ from {start}][ to {end}]``. A name that would be misread stands in quotes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from tocsin.history.time import number_text

LONG = ("cause", "parameter")  # places whose names hold blanks

WORDS = frozenset(["at", "on", "by", "for", "from", "seed", "to", "until", "weight"])

_PLACE = re.compile(r"\{(\w+)\}")

_SHOWN = {
    "start": "DATE",
    "end": "DATE",
    "at": "DATE",
    "until": "DATE",
    "by": "NUMBER",
    "value": "NUMBER",
    "weight": "NUMBER",
    "clause": "VARIABLE=STATE",
}


@lru_cache
def pattern(form: str) -> re.Pattern[str]:
    """Return the regular expression that reads a form; several blanks count as one."""
    quoted, word, long = r'"(?:[^"\\]|\\[\s\S])*"', r'[^\s"]+', ".+?"
    parts = []
    for text in re.split(r"(\{\w+\}|\[|\]| |/)", form):
        place = _PLACE.fullmatch(text)
        if place is not None:
            name = place.group(1)
            parts.append(f"(?P<{name}>{quoted}|{long if name in LONG else word})")
        else:
            parts.append({"[": "(?:", "]": ")?", " ": r"\s+", "/": "|"}.get(text, re.escape(text)))
    # A word and its other spelling, at/on, are one group.
    return re.compile(re.sub(r"(\w+)\|(\w+)", r"(?:\1|\2)", "".join(parts)))


def written(form: str, thing: object) -> str:
    """Return the sentence of a thing; an optional part whose place is None is left out."""
    kept = re.sub(
        r"\[([^\]]*)\]",
        lambda part: "" if getattr(thing, _places(part.group(1))[0]) is None else part.group(1),
        form,
    )
    text = re.sub(r"(\w+)/\w+", r"\1", kept)
    return _PLACE.sub(lambda place: _said(place.group(1), getattr(thing, place.group(1))), text)


def shown(form: str) -> str:
    """Return a form as messages show it: ``remove layer LAYER [from DATE] [to DATE]``."""
    text = re.sub(r"(\w+)/\w+", r"\1", form).replace("[ ", " [")
    return _PLACE.sub(lambda place: _SHOWN.get(place.group(1), place.group(1).upper()), text)


def unquoted(text: str) -> str:
    """Return a name as it was meant: without quotes around it, and its blanks single where it has none."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\([\s\S])", r"\1", text[1:-1])
    return " ".join(text.split())


def _places(text: str) -> list[str]:
    return _PLACE.findall(text)


def _said(place: str, value: Any) -> str:
    if isinstance(value, float):
        return number_text(value)
    text = str(value)
    words = text.split(" ")
    plain = place in LONG or len(words) == 1
    if plain and all(word and re.fullmatch(r'[^\s"]+', word) and word not in WORDS for word in words):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
