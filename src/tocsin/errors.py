"""What Tocsin says when the data or the model are wrong: where, what, and the nearest valid name."""

from __future__ import annotations

import codecs
import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


class TocsinError(Exception):
    """Something a user can mend: wrong data, a wrong model, a question that cannot be answered.

    Example:
        >>> import tocsin as tc
        >>> issubclass(tc.HistoryError, tc.TocsinError)
        True
    """


class ModelError(TocsinError):
    """The declaration of a model, a formula, a clause or an intervention is wrong.

    Example:
        >>> import tocsin as tc
        >>> issubclass(tc.ModelError, tc.TocsinError)
        True
    """


class SentenceError(ModelError):
    """A sentence that says what to change, or what is given, cannot be read as one.

    Example:
        >>> import tocsin as tc
        >>> issubclass(tc.SentenceError, tc.ModelError)
        True
    """


class FitError(TocsinError):
    """A model cannot be fitted to, or simulated on, a history; the message says what to do.

    Example:
        >>> import tocsin as tc
        >>> issubclass(tc.FitError, tc.TocsinError)
        True
    """


class TooLarge(FitError):
    """A hazard is not a finite number: parameters, a covariate or a tie weight are too large."""


class SizeWarning(UserWarning):
    """What was asked for takes long."""


class SpanWarning(UserWarning):
    """An event that is known to lie in a span is taken at the middle of it."""


class CacheWarning(UserWarning):
    """Something that is kept to save time could not be kept."""


MOST_LINES = 48  # problems in a message: with its head and the count of the rest, 50 lines


@dataclass(frozen=True)
class Problem:
    """One fault of a history: where it stands and what is wrong with it.

    Attributes:
        file: the table or file at fault, such as ``events.csv`` (or ``events`` for a frame).
        line: 1-based line of the file, the header being line 1; None where no line applies.
        column: name of the column; None where no column applies.
        value: the offending value as it was written; None where none applies.
        message: what is wrong and what would be right.
        nearest: the nearest valid name, or None.
    """

    file: str
    line: int | None
    column: str | None
    value: str | None
    message: str
    nearest: str | None = None

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place += f", line {self.line}"
        if self.column is not None:
            place += f", column {self.column}"
        value = "" if self.value is None else f" ({self.value!r})"
        hint = "" if self.nearest is None else f"; did you mean {self.nearest!r}?"
        return f"{place}: {self.message}{value}{hint}"


class HistoryError(TocsinError):
    """A history is refused whole; `problems` lists every fault that was found.

    Example:
        >>> import tocsin as tc
        >>> issubclass(tc.HistoryError, tc.TocsinError)
        True
    """

    def __init__(self, problems: Sequence[Problem], where: str = "history") -> None:
        self.problems = list(problems)
        # Of each kind some are shown: a thousand of one must not hide the one of another.
        kinds: dict[tuple[str, str | None, str], list[int]] = {}
        for place, each in enumerate(self.problems):
            kinds.setdefault((each.file, each.column, each.message), []).append(place)
        turns = sorted((turn, place) for places in kinds.values() for turn, place in enumerate(places))
        shown = sorted(place for _, place in turns[:MOST_LINES])
        left: dict[str, int] = {}
        for _, place in turns[MOST_LINES:]:
            left[self.problems[place].file] = left.get(self.problems[place].file, 0) + 1
        super().__init__(listed(where, [str(self.problems[place]) for place in shown], left))


def listed(where: str, found: Sequence[str], left: dict[str, int] | None = None) -> str:
    """Return a message of at most 50 lines for any number of problems, with counts of those left out.

    Parameters:
        where: what is at fault.
        found: a line for each problem.
        left: how many more there are, by file.
    """
    more = dict(left or {})
    count = len(found) + sum(more.values())
    lines = [f"{where}: {count:,} problem{'s' if count != 1 else ''}", *(f"  {each}" for each in found)]
    if len(found) > MOST_LINES:
        lines = lines[: MOST_LINES + 1]
        more[""] = len(found) - MOST_LINES
    if more:
        places = [f"{number:,}{f' in {file}' if file else ''}" for file, number in list(more.items())[:8]]
        lines.append(f"  and {sum(more.values()):,} more" + (f": {', '.join(places)}" if any(more) else ""))
    return "\n".join(lines)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name closest to `name` in spelling, or None where nothing is close."""
    choices = [str(choice) for choice in valid]
    folded = {choice.casefold(): choice for choice in reversed(choices)}
    match = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[match[0]] if match else None


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Return '; did you mean ...?' or a list of the valid names, for the end of a message."""
    choices = [str(choice) for choice in valid]
    match = nearest(name, choices)
    if match is not None:
        return f"; did you mean {match!r}?"
    if 0 < len(choices) <= 12:
        return f"; there are: {', '.join(choices)}"
    return ""


LARGEST_SEED = 2**64 - 1  # the key of a stream has 64 bits


def check_seed(value: object) -> None:
    """Refuse a seed that is no whole number from 0 to 2^64 - 1."""
    whole = not isinstance(value, bool) and hasattr(value, "__index__")
    if not whole or not 0 <= int(value) <= LARGEST_SEED:  # type: ignore[call-overload]
        raise ModelError(f"a seed must be a whole number from 0 to {LARGEST_SEED} (2^64 - 1), not {value!r}")


# --- What numbers a question may have


def check_whole(least: int = 0, **numbers: object) -> None:
    """Refuse arguments, by their names, that are no whole numbers of at least `least`."""
    for name, value in numbers.items():
        if name == "seed":
            check_seed(value)
        elif isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
            raise TocsinError(f"{name}= is a whole number of at least {least}, not {value!r}")


def check_text(what: str, value: object) -> None:
    """Refuse what is no text, or an empty one, where a declaration needs a name, a clause or a formula."""
    if not isinstance(value, str) or not value.strip():
        raise ModelError(f"{what} must be a text, not {shown(value)}")


def read_list(what: str, value: object, kind: type = object) -> list[Any]:
    """Return what was given as a list; refuse what is none, or holds things that are not of a kind."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ModelError(f"{what} must be a list, not {shown(value)}")
    found = list(value)
    for each in found:
        if not isinstance(each, kind):
            raise ModelError(f"{what} must be a list of {kind.__name__}, and {shown(each)} is none")
    return found


def shown(value: object) -> str:
    """Return a value as messages show it: not longer than a line, whatever it is."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:79]}…"


def check_level(level: object) -> None:
    """Refuse a probability of intervals that does not lie between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise TocsinError(f"the level of an interval lies between 0 and 1, not at {level!r}")


# --- Text as it is shown: no sign in it that a terminal would obey, and none that an encoding lacks

# Control characters but the tab and the line feed, marks that turn the direction of writing, lone surrogates.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)

_PLAIN = {"–": "-", "—": "-", "−": "-", "…": ".", "‘": "'", "’": "'", "“": '"', "”": '"', "·": "-", "×": "x"}


def printable(text: str) -> str:
    r"""Return text with control characters escaped, as in ``\x1b``."""
    return _OBEYED.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Replace each sign that an encoding lacks by one that it has, so that tables keep their columns."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = []
    for sign in error.object[error.start : error.end]:
        base = _PLAIN.get(sign) or unicodedata.normalize("NFKD", sign)[0]
        signs.append(base if base.isascii() and base.isprintable() else "?")
    return "".join(signs), error.end


codecs.register_error("tocsin.plain", _plainly)
