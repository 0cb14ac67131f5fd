"""Text as it is shown: no sign in it that a terminal would obey, and none that an encoding lacks."""

from __future__ import annotations

import codecs
import re
import unicodedata

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
