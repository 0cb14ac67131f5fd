"""Ties from lists of pairs: contiguity, alliances, any list; spells that follow on each other become one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError
from tocsin.ties.tie_frame import column, identifiers, numbers, ties_frame

if TYPE_CHECKING:
    import pandas as pd

EARLY, LATE = -(10**6), 10**7  # days from 1970: before and after all dates


def contiguity(
    pairs: Any, types: Iterable[int] = (1,), *, mirror: bool | None = None, layer: str = "contiguity"
) -> pd.DataFrame:
    """Return ties between neighbours from a list of contiguous pairs.

    Parameters:
        pairs: what `tc.read` makes of a COW contiguity file, or a frame with source, target, type, start, end.
        layer: name of the layer of ties.
        types: which kinds count: 1 a border on land, 2 to 5 water up to 12, 24, 150, 400 miles (Stinnett et al. 2002).
        mirror: whether a pair that is listed once acts both ways; it must be said where a pair is listed once.

    Raises:
        TocsinError: a type is none, no pair is of these types, or pairs stand once and `mirror` is not said.

    >>> pairs = pd.DataFrame({"source": ["a"], "target": ["b"], "type": [1]})
    >>> pairs = pairs.assign(start="1920-01-01", end="1939-12-31")
    >>> tc.ties.contiguity(pairs, types=[1, 2], mirror=True)
    """
    frame = _frame_of(pairs, "type", "contdir.csv")
    wanted = {int(kind) for kind in types}
    if not wanted or not wanted <= set(range(1, 6)):
        raise TocsinError(
            f"types={sorted(wanted)}: 1 is a border on land, 2 to 5 are water; 0 is not contiguous"
        )
    kept = frame[np.isin(numbers(frame, "type", "pairs"), list(wanted))]
    return _symmetric(kept, layer, mirror, f"contiguous pairs of type {', '.join(map(str, sorted(wanted)))}")


def alliance(
    pairs: Any, kinds: Iterable[str] = ("defense",), *, mirror: bool | None = None, layer: str = "alliance"
) -> pd.DataFrame:
    """Return ties between allies from a list of dyad-years or spells.

    Parameters:
        pairs: what `tc.read` makes of an ATOP file, or a frame with source, target, start, end and a column of 0 and
            1 for each kind of obligation.
        layer: name of the layer of ties.
        kinds: a pair counts if it has any of these obligations (defense, offense, neutral, nonagg, consul).
        mirror: see `contiguity`.

    >>> pairs = pd.DataFrame({"source": ["a"], "target": ["b"], "defense": [1]})
    >>> pairs = pairs.assign(start="1920-01-01", end="1939-12-31")
    >>> tc.ties.alliance(pairs, kinds=["defense"], mirror=True)
    """
    frame, wanted = _frame_of(pairs, "source", "atop5_1ddyr.csv"), list(kinds)
    has = np.zeros(len(frame), bool)
    for kind in wanted:
        has |= column(frame, kind, "kinds").astype(float).to_numpy() == 1
    return _symmetric(frame[has], layer, mirror, f"allies with an obligation of {' or '.join(wanted)}")


def from_pairs(
    frame: pd.DataFrame,
    layer: str,
    *,
    source: str = "source",
    target: str = "target",
    weight: str | None = None,
    start: str | None = None,
    end: str | None = None,
    year: str | None = None,
    mirror: bool = False,
) -> pd.DataFrame:
    """Return the rows of a list of pairs as ties, the first of each pair acting on the second.

    Parameters:
        frame: one row a pair.
        layer: name of the layer of ties.
        source, target: columns of who acts and who is acted on. If a names b as friend, b acts on a: b is the source.
        weight: a column of weights (all 1 without).
        start, end: columns of first and last day (or period).
        year: a column of years instead: years of one weight that follow on each other become one tie.
        mirror: whether each row acts both ways.

    Raises:
        TocsinError: a column is not there, or years and days are both given.

    >>> edges = pd.DataFrame({"src": ["a"], "dst": ["b"]})  # a asks b for advice: b acts on a
    >>> tc.ties.from_pairs(edges, "advice", source="dst", target="src")
    """
    if year is not None and (start or end):
        raise TocsinError("say year=, or start= and end=, not both")
    import pandas as pd

    found = pd.DataFrame({
        "source": identifiers(column(frame, source, "source")),
        "target": identifiers(column(frame, target, "target")),
    })  # fmt: skip
    found["weight"] = 1.0 if weight is None else numbers(frame, weight, "weight")
    for name, given in (("start", start), ("end", end)):
        found[name] = None if given is None else column(frame, given, name).to_numpy()
    if year is not None:
        years = pd.Series(numbers(frame, year, "year")).astype(int).astype(str).str.zfill(4)
        found["start"] = pd.to_datetime(years + "-01-01").dt.as_unit("s").to_numpy()
        found["end"] = pd.to_datetime(years + "-12-31").dt.as_unit("s").to_numpy()
    if mirror:
        found = _mirrored(found)
    if year is not None:
        found = joined(found)
    said = f"{source} acts on {target}" + (", and the other way" if mirror else "")
    return _ties(found, layer, said)


def joined(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return spells of one pair and weight that overlap, or follow on each other by a day, as one."""
    import pandas as pd

    first, last = (pairs[name].to_numpy("datetime64[D]").astype(np.int64) for name in ("start", "end"))
    first = np.where(pairs["start"].isna(), EARLY, first)
    last = np.where(pairs["end"].isna(), LATE, last)
    names = [pd.factorize(pairs[name], sort=True)[0] for name in ("source", "target", "weight")]
    order = np.lexsort((last, first, *names[::-1]))
    same = np.all([np.diff(each[order]) == 0 for each in names], axis=0)
    group = np.append(0, np.cumsum(~same))
    until = np.maximum.accumulate(last[order] + group * (LATE - EARLY)) - group * (LATE - EARLY)
    begins = np.append(True, ~same | (first[order][1:] > until[:-1] + 1))[: len(order)]
    heads = np.flatnonzero(begins)
    out = pairs[["source", "target", "weight"]].iloc[order[heads]].reset_index(drop=True)
    for name, days in (("start", first[order][heads]), ("end", np.maximum.reduceat(last[order], heads))):
        open_ended = (days == EARLY) | (days == LATE)
        out[name] = pd.Series(days.astype("datetime64[D]").astype("datetime64[s]")).mask(open_ended)
    return out


def _ties(found: pd.DataFrame, layer: str, said: str) -> pd.DataFrame:
    source, target, weight, start, end = (
        found[name] for name in ("source", "target", "weight", "start", "end")
    )
    return ties_frame(layer, source, target, weight, start, end, said)


def _frame_of(pairs: Any, needed: str, example: str) -> pd.DataFrame:
    found: pd.DataFrame = getattr(pairs, "frame", pairs)
    if not hasattr(found, "columns") or needed not in found.columns:
        raise TocsinError(
            f"pairs= is what tc.read makes of a file, such as tc.read({example!r}), or a frame with source, target, "
            f"start and end; this has no column {needed!r}"
        )
    return found


def _symmetric(frame: pd.DataFrame, layer: str, mirror: bool | None, what: str) -> pd.DataFrame:
    """Return ties of a relation that has no direction; pairs that are listed once must be spoken of."""
    import pandas as pd

    if not len(frame):
        raise TocsinError(f"there are no {what}")
    ends = {name: identifiers(column(frame, name, "pairs")) for name in ("source", "target")}
    found = pd.DataFrame(ends, dtype=object)
    found["weight"] = 1.0
    for name in ("start", "end"):
        found[name] = pd.to_datetime(column(frame, name, "pairs")).dt.as_unit("s").to_numpy()
    pairs = set(zip(*ends.values(), strict=True))
    once = [pair for pair in pairs if pair[::-1] not in pairs]
    if once and mirror is None:
        count = len({frozenset(pair) for pair in pairs})
        raise TocsinError(
            f"{len(once):,} of {count:,} {what} are listed in one direction only, such as {' -> '.join(min(once))}: "
            "say mirror=True if both act on each other, mirror=False if only the first acts on the second"
        )
    if mirror:
        found = _mirrored(found)
    both = mirror or not once
    said = f"{what}: {'each acts on the other' if both else 'the first listed acts on the second'}"
    found = joined(found)
    return _ties(found, layer, said)


def _mirrored(found: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    other = found.rename(columns={"source": "target", "target": "source"})[found.columns]
    return pd.concat([found, other], ignore_index=True).drop_duplicates(ignore_index=True)
