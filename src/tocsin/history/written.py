"""How values are written in cells: what is missing, what is a number, and what was meant for one."""

from __future__ import annotations

import re

from tocsin.history.clock import is_number

MISSING = frozenset({"", "na", "nan", ".", "n/a", "null"})  # in whatever case
MINUS = "\u2212\u2013\u2014"  # the minus sign and two dashes that stand for it
_DIGITS = re.compile(r"[+-]?[0-9]+")


def is_missing(text: str) -> bool:
    """Return whether a cell says that nothing is known: empty, NA, NaN, a point, N/A or null."""
    return text.strip().casefold() in MISSING


def counts_as_number(text: str) -> bool:
    """Return whether a cell of a covariate is meant as a number (020 is a code, not twenty)."""
    text = text.strip()
    return is_number(text) and not leads_with_zero(text)


def leads_with_zero(text: str) -> bool:
    """Return whether digits begin with a zero that no number needs."""
    digits = text.strip().lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()


def slip(text: str) -> str | None:
    """Return how a number that is badly written should have been, or None for what is no such thing."""
    text = text.strip()
    if text == "-" or text in MINUS:
        return "leave the cell empty where a value is missing"
    plain = text
    for sign in MINUS:
        plain = plain.replace(sign, "-")
    if plain != text and is_number(plain):
        return f"write the minus as in {plain}"
    for space in (" ", "\u00a0", "\u202f", "\u2009", "'", "\u2019", "_"):
        plain = plain.replace(space, "")
    if is_number(plain):
        return f"write it as {plain}"
    if is_number(plain.replace(",", ".")) or is_number(plain.replace(",", "")):
        return "write a point before the decimals, and nothing between thousands"
    if plain.endswith("%") and is_number(plain[:-1].replace(",", ".")):
        return "write the number without the sign"
    return None


def are_numbers(cells: dict[str, int]) -> bool:
    """Return whether the cells of a column are numbers, whatever one of them holds.

    They are where at least half of those that are not missing are numbers, well or badly written; dashes say
    nothing either way. Digits of one length of which some begin with a zero are codes.

    Parameters:
        cells: how often each text stands in the column; missing ones are passed over.
    """
    told = {text: count for text, count in cells.items() if not is_missing(text)}
    codes = [text.strip() for text in told]
    digits = all(_DIGITS.fullmatch(code) for code in codes)
    if digits and any(map(leads_with_zero, codes)) and len({len(code) for code in codes}) == 1:
        return False
    dashes = sum(count for text, count in told.items() if text.strip() in {"-", *MINUS})
    numbers = sum(
        count
        for text, count in told.items()
        if counts_as_number(text) or (slip(text) is not None and text.strip() not in {"-", *MINUS})
    )
    return numbers > 0 and 2 * numbers >= sum(told.values()) - dashes
