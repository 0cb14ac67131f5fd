"""From the facts of a wave to the tables of a packaged history: what the scripts that make them share."""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

Row = dict[str, str]
Chosen = Callable[[Row], bool]

REPO = Path(__file__).resolve().parent.parent
FACTS = REPO / "facts"
HISTORIES = REPO / "src" / "tocsin" / "histories"
DAY = timedelta(days=1)


class Sources:
    """The sources as they are met, each under a key that depends on nothing but its own words.

    Parameters:
        record: how to cite the record itself, which rows without a source rest on.
        key: the key of that.
        labels: rows of sources_labels.csv: what to call a source, and what kind of thing it is.
    """

    def __init__(self, record: str, key: str, labels: Sequence[Row] = ()) -> None:
        self._record, self._record_key = record, key
        self._labels = {row["source"]: row for row in labels}
        self._keys: dict[str, str] = {}
        self._texts: dict[str, str] = {}

    def key(self, text: str) -> str:
        """Return the key of a source; a row that names no source rests on the record itself."""
        text = text.strip() or self._record
        if text not in self._keys:
            key = self._record_key if text == self._record else source_key(text)
            if key in self._texts:  # two sources that differ only in signs that a key drops
                key = f"{key}-{digest(text)}"
            self._keys[text] = key
            self._texts[key] = text
        return self._keys[text]

    def table(self) -> list[Row]:
        """Return the sources that were met, with the short label and the kind that the record gives them."""
        return [
            {
                "key": key,
                "citation": text,
                "label": self._label(text),
                "kind": self._labels.get(text, {}).get("kind", ""),
            }
            for key, text in sorted(self._texts.items())
        ]

    def _label(self, text: str) -> str:
        """Return the label of a source; of several in one cell those of its parts."""
        if text in self._labels:
            return self._labels[text]["label"]
        return "; ".join(self._labels.get(part, {}).get("label", part) for part in text.split("; "))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def source_key(text: str) -> str:
    """Return a readable key: the source in plain letters, shortened, and marked where that loses any."""
    words = unquote(re.sub(r"^https?://(www\.)?", "", text))
    apart = unicodedata.normalize("NFKD", words)  # letters apart from their accents
    plain = apart.encode("ascii", "ignore").decode().lower()
    lost = any(ord(sign) > 127 and not unicodedata.combining(sign) for sign in apart)
    key = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(key) > 60:
        key = key[:60].rsplit("-", 1)[0]
        lost = True
    return f"{key}-{digest(text)}" if lost else key


@dataclass(frozen=True)
class Kind:
    """Episodes that put a state variable into a state.

    Attributes:
        variable, inside: which state they are.
        after: the state after it; None where it is never left.
        chosen: which episodes they are.
    """

    variable: str
    inside: str
    after: str | None
    chosen: Chosen


@dataclass(frozen=True)
class Spell:
    """Episodes of one unit and variable that overlap or touch, as one stay in a state."""

    rows: tuple[Row, ...]  # in the order of their start

    @property
    def start(self) -> date:
        return date.fromisoformat(self.rows[0]["start"])

    @property
    def left(self) -> date | None:
        """The day the state is left; None where the spell outlasts the window."""
        days = [left_on(row) for row in self.rows]
        return None if None in days else max(day for day in days if day is not None)

    @property
    def last(self) -> Row:
        """The row that sets the day the spell is left (the first such row where several do)."""
        return next(row for row in self.rows if left_on(row) == self.left)


def left_on(row: Row) -> date | None:
    """Return the day an episode's state is left: its end, or a day later if it ends on its first day."""
    if not row["end"]:
        return None
    start, end = date.fromisoformat(row["start"]), date.fromisoformat(row["end"])
    if end < start:
        raise SystemExit(f"episodes.csv: {row['id']} ends before it starts")
    return end + DAY if end == start else end


def spells(rows: Iterable[Row]) -> list[Spell]:
    """Join episodes of one unit and variable: the next joins if it begins on or before the day of leaving."""
    joined: list[Spell] = []
    for row in sorted(rows, key=lambda row: (row["start"], row["end"] or "9999", row["id"])):
        before = joined[-1] if joined else None
        if before is not None and (before.left is None or date.fromisoformat(row["start"]) <= before.left):
            joined[-1] = Spell((*before.rows, row))
        else:
            joined.append(Spell((row,)))
    return joined


@dataclass(frozen=True)
class Events:
    """Makes the events of a wave.

    Attributes:
        kinds: which episodes are which state.
        sources: where the sources are met.
        kept: columns of episodes that events keep; of a joined spell all different values.
        of_first: columns of which events keep the value of the spell's first episode.
        scopes: readings of the record by name: which episodes count in each; none where there is one reading.
    """

    kinds: Sequence[Kind]
    sources: Sources
    kept: Sequence[str] = ()
    of_first: Sequence[str] = ("city", "city_lat", "city_lon")
    scopes: Mapping[str, Chosen] | None = None

    def made(self, episodes: Sequence[Row], places: Sequence[Row]) -> list[Row]:
        """Return the events that episodes make, in the order of their days.

        An event that stands in some readings only names them in the column `scopes`.
        """
        if not self.scopes:
            return self._sorted(self._of(episodes, places))
        names: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for name, chosen in self.scopes.items():
            for row in self._of([row for row in episodes if chosen(row)], places):
                names.setdefault(tuple(row.items()), []).append(name)
        return self._sorted(
            [
                {**dict(row), "scopes": "" if len(found) == len(self.scopes) else "; ".join(found)}
                for row, found in names.items()
            ]
        )

    def _of(self, episodes: Sequence[Row], places: Sequence[Row]) -> list[Row]:
        events: list[Row] = []
        for place in places:
            last_day = date.fromisoformat(place["last_day"])
            for kind in self.kinds:
                rows = [row for row in episodes if row["place"] == place["key"] and kind.chosen(row)]
                if kind.after is None:  # never left: the first one counts, and those after it change nothing
                    rows = [{**row, "end": ""} for row in rows]
                for spell in spells(rows):
                    first = spell.rows[0]
                    events.append(self._event(spell, first, spell.start, kind, leaving=False))
                    if spell.left is not None and spell.left <= last_day:
                        events.append(self._event(spell, spell.last, spell.left, kind, leaving=True))
        return events

    def _sorted(self, events: list[Row]) -> list[Row]:
        order = list(dict.fromkeys(kind.variable for kind in self.kinds))
        return sorted(events, key=lambda row: (row["time"], row["unit"], order.index(row["variable"])))

    def _event(self, spell: Spell, dating: Row, day: date, kind: Kind, *, leaving: bool) -> Row:
        """Return an event: date and confidence are those of the row `dating`, the rest is of the whole spell."""
        rows = spell.rows
        notes = [row["note"] if len(rows) == 1 else f"[{row['id']}] {row['note']}" for row in rows]
        return {
            "unit": dating["place"],
            "variable": kind.variable,
            "state": (kind.after or kind.inside) if leaving else kind.inside,
            "time": day.isoformat(),
            "citation": "; ".join(dict.fromkeys(self.sources.key(row["source"]) for row in rows)),
            "confidence": dating["confidence"],
            "note": " ".join(notes),
            "scope": "core" if any(row["scope"] == "core" for row in rows) else "broad",
            **{name: "; ".join(dict.fromkeys(row[name] for row in rows if row[name])) for name in self.kept},
            **{name: rows[0][name] for name in self.of_first},
            "outcome": dating["outcome"] if leaving else "",
            "by_whom_ended": dating["by_whom_ended"] if leaving else "",
            "rival_date": dating["end_alt"] if leaving else dating["start_alt"],
            "episodes": "; ".join(row["id"] for row in rows),
        }


def make_units(places: Sequence[Row], sources: Sources) -> list[Row]:
    key = sources.key("")
    return [
        {
            "unit": row["key"],
            "label": row["name"],
            "enter": row["first_day"],
            "exit": row["last_day"],
            "lon": row["lon"],
            "lat": row["lat"],
            "kind": row["kind"],
            "part_of": row["part_of"],
            "capital": row["capital"],
            "population_millions": row["population_millions"],
            "cow_code": row["cow_code"],
            "iso3": row["iso3"],
            "sovereign_from": row["sovereign_from"],
            "citation": key,
            "confidence": "unrated",
            "note": row["note"],
        }
        for row in places
    ]


def make_ties(
    ties: Sequence[Row],
    sources: Sources,
    kept: Sequence[str] = (),
    layer: Callable[[Row], str] = lambda row: row["layer"],
    confidence: Callable[[Row], str] = lambda row: "unrated",
) -> list[Row]:
    """Carry every tie over, layer by layer, with further columns of the record."""
    made = [
        {
            "layer": layer(row),
            "source": row["from"],
            "target": row["to"],
            "weight": row["weight"],
            "start": row["start"],
            "end": row["end"],
            **{name: row[name] for name in kept},
            "citation": sources.key(row["source"]),
            "confidence": row.get("confidence") or confidence(row),
            "note": row["note"],
        }
        for row in ties
    ]
    order = {name: place for place, name in enumerate(dict.fromkeys(row["layer"] for row in made))}
    return sorted(made, key=lambda row: order[row["layer"]])


def make_covariates(covariates: Sequence[Row], sources: Sources) -> list[Row]:
    return [
        {
            "unit": row["place"],
            "covariate": row["name"],
            "value": row["value"],
            "start": row["start"],
            "end": row["end"],
            "measure": row["unit"],
            "citation": sources.key(row["source"]),
            "confidence": row["confidence"],
            "note": row["note"],
        }
        for row in covariates
    ]


def cited(rows: Sequence[Row], sources: Sources, **more: str) -> list[Row]:
    """Keep rows as they are in the record and add the key of their source, and `more` columns."""
    return [{**row, **more, "citation": sources.key(row["source"])} for row in rows]


def placed(rows: Sequence[Row], sources: Sources) -> list[Row]:
    """Keep rows about places as they are, with the name of their unit and the key of their source."""
    return [{**row, "unit": row["place"]} for row in cited(rows, sources)]


def to_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(folder: Path, name: str) -> list[Row]:
    with (folder / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def run(
    name: str,
    make: Callable[[Path], Mapping[str, bytes]],
    page: Callable[[Path], Mapping[Path, bytes]] | None = None,
) -> int:
    """Do what the command line asks for: make, or check, the tables of one packaged history.

    Parameters:
        name: of the history, and of the folder of its facts.
        make: the files of the history by name, from the folder of facts.
        page: pages of documentation that hold counts of the packaged files, and what they should be.
    """
    parser = argparse.ArgumentParser(description=f"Make the packaged history {name} from its facts.")
    parser.add_argument("facts", nargs="?", type=Path, default=FACTS / name, help="folder of the facts")
    parser.add_argument("--out", type=Path, default=HISTORIES / name, help="folder of the packaged history")
    parser.add_argument("--check", action="store_true", help="exit 1 if the packaged files are stale")
    options = parser.parse_args()
    files = {options.out / name: content for name, content in make(options.facts).items()}
    stale = [path for path, content in files.items() if not path.is_file() or path.read_bytes() != content]
    if options.check:
        if not stale and page is not None and options.out == HISTORIES / name:
            stale = [path for path, content in page(options.out).items() if path.read_bytes() != content]
        for path in stale:
            sys.stderr.write(f"{path} is not what {options.facts} gives\n")
        return int(bool(stale))
    options.out.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_bytes(files[path])
    if page is not None and options.out == HISTORIES / name:
        for path, content in page(options.out).items():
            path.write_bytes(content)
    sys.stdout.write(f"{len(files)} files in {options.out}, {len(stale)} of them written\n")
    return 0
