"""A data set as its TOML file declares it: what it is, which columns it needs, and how they are read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from typing import Any

LONGEST = 32  # letters of a column's name that Stata keeps

Wanted = tuple[tuple[str, ...], str, bool]  # their columns, the first there counts; how it is read; required


@dataclass(frozen=True)
class Source:
    """A data set of the field, read from ``sources/<data set>.toml``.

    Attributes:
        name, title: what it is called here, and in full.
        kind: units (presence), events, ties, panel (unit-years), spells or adoptions: what its rows are.
        units: the list that its units are codes of (see `tc.units`), or "".
        precision: of its times. coverage: places and years. citation, licence: of the data.
        page: where these columns and codes were read.
        layouts: of each version: our columns by name, each ``"their column:how it is read"``, with ``!`` where rows
            without are left out, and ``a|b`` where versions call it differently. Case, points and blanks of a name
            do not count.
        optional: further columns, where a file has them.
        missing: codes for what is not known, by their column ("*" is every one), with their meaning.
        range: least and largest value by our column. words: what codes stand for.
        leave: values for which a row is left out, with the reason. rules: functions of `sources.rules`, in order.
        use: how `ten_lines` makes a history of the frame: prepare, way, half_life.
    """

    name: str
    title: str
    kind: str
    units: str
    precision: str
    coverage: str
    citation: str
    licence: str
    page: str
    layouts: Mapping[str, Mapping[str, str]]
    optional: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    range: Mapping[str, Sequence[float]] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    leave: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rules: Sequence[str] = ()
    use: Mapping[str, Any] = field(default_factory=dict)

    def needs(self, layout: str) -> tuple[str, ...]:
        """The columns that a layout cannot do without, as their file calls them."""
        return tuple(dict.fromkeys(_wanted(told)[0][0] for told in self.layouts[layout].values()))

    def columns(self, layout: str, there: Any) -> dict[str, Wanted]:
        """Our columns that can be read from those that are there."""
        every = {
            **self.layouts[layout],
            **{k: v for k, v in self.optional.items() if k not in self.layouts[layout]},
        }
        found: dict[str, Wanted] = {}
        for ours, told in every.items():
            theirs, kind, required = _wanted(told)
            first = next((name for name in theirs if name in there), None)
            if first is not None:
                found[ours] = ((first,), kind, required)
        return found

    @cached_property
    def codes(self) -> dict[str, dict[float, str]]:
        """`missing` with numbers for keys."""
        return {name: {float(code): why for code, why in each.items()} for name, each in self.missing.items()}


def _wanted(told: str) -> Wanted:
    names, _, kind = told.partition(":")
    return tuple(name[:LONGEST] for name in names.split("|")), kind.removesuffix("!"), kind.endswith("!")


@cache
def sources() -> tuple[Source, ...]:
    """Every data set that is known."""
    folder = resources.files("tocsin.sources")
    files = sorted(
        (path for path in folder.iterdir() if path.name.endswith(".toml")), key=lambda path: path.name
    )
    return tuple(Source(**tomllib.loads(path.read_text(encoding="utf-8"))) for path in files)
