"""What sentences call a state: `[waves."regime=soviet"] one = "soviet republic", many = "soviet republics"`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tocsin.errors import ModelError
from tocsin.words import parse_clause

if TYPE_CHECKING:
    from tocsin.history.assemble import Declared
    from tocsin.history.problems import Report

KEYS = ("one", "many")


def read_waves(
    waves: Mapping[str, Sequence[str]], declared: Declared, report: Report
) -> dict[str, tuple[str, str]]:
    """Return words by clause, `variable=state` without spaces; faults go to the report."""
    found = {}
    for clause, words in waves.items():
        pair = (words,) if isinstance(words, str) else tuple(words)
        nouns = dict(zip(KEYS, pair, strict=False))
        checked = check_wave(
            str(clause),
            nouns,
            declared,
            lambda message, at, value, clause=clause: report.add(  # type: ignore[misc]
                "history", message, column=f"waves {clause}", value=value
            ),
        )
        if checked is not None:
            found[checked[0]] = checked[1]
    return found


def check_wave(
    clause: str, nouns: Mapping[str, object], declared: Declared, bad: Callable[[str, str, object], None]
) -> tuple[str, tuple[str, str]] | None:
    """Return clause and words of one wave, None after a fault.

    Parameters:
        clause: one state of one variable.
        nouns: `one`, and `many` (by default one with an s).
        declared: the variables that there are.
        bad: told of a fault: the message, the key at fault (empty for the clause), and its value.
    """
    try:
        named = parse_clause(clause, {each.name: each for each in declared.variables})
    except ModelError as error:
        # A variable whose declaration is at fault has been reported already.
        if clause.partition("=")[0].strip() not in declared.broken:
            bad(str(error), "", clause)
        return None
    if len(named) != 1 or any(len(states) != 1 for states in named.values()):
        bad("a wave is one state of one variable, such as regime=soviet", "", clause)
        return None
    variable, states = next(iter(named.items()))
    one = nouns.get("one")
    many = nouns.get("many", f"{one}s")
    for key, word in (("one", one), ("many", many)):
        if not isinstance(word, str) or not word.strip():
            bad(f'{clause!r}: {key} must be a word, such as "soviet republic"', key, word)
            return None
    return f"{variable}={next(iter(states))}", (str(one).strip(), str(many).strip())
