"""Make the borders of the history `1917`: seven cuts from July 1914 to December 1923, in one TopoJSON.

    python scripts/make_borders_1917.py [--check] [--report [FOLDER ...]]

Beside the packaged history, in `borders/`, lie the lines drawn by hand with their treaties (lines.geojson),
the pieces into which they cut present-day countries (pieces.csv), and what each land was made of and when
(composition.csv). A correction is one edit there and one run of this script; the outlines of today are
packaged with Tocsin. The same files give the same bytes with the same shapely.

    --check    write nothing; exit with status 1 if the packaged file is not what these files give
    --report   write nothing; print the overlap with yardsticks beside the overlap that was published; folders
               hold yardsticks.json, iou.csv and the yardsticks' own files
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import shapely
from cartography.cutting import Cutter, Piece, Row, polygons, thinned
from cartography.measure import against_yardsticks, flaws, lands_of
from cartography.topology import Topology, as_text

from tocsin.maps.geometry import present_day

REPO = Path(__file__).resolve().parent.parent
FOLDER = REPO / "src" / "tocsin" / "histories" / "1917" / "borders"
SHARED = REPO.parent / "shared"
PACKAGED = FOLDER / "borders.topojson"
DATES = ("1914-07-01", "1917-03-01", "1918-04-01", "1919-04-15", "1920-08-01", "1922-06-01", "1923-12-31")
TOLERANCE = 0.02  # degrees, within Europe
WATER = "water_"  # lands whose key begins so are used up and not drawn
KEPT = ("key", "unit", "state", "name", "approx")


def make(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the topology of all cuts, and what was noteworthy in making it.

    Raises:
        SystemExit: a line does not cut through, a piece is empty, unknown, used twice or left over.
    """
    countries, names = read_countries()
    lines = json.loads((folder / "lines.geojson").read_text(encoding="utf-8"))["features"]
    cutter = Cutter(countries, lines, read_rows(folder / "pieces.csv"))
    pieces = cutter.cut()
    if cutter.faults:
        raise SystemExit("\n".join(cutter.faults))
    thin = thinned(pieces, TOLERANCE)
    rows = read_rows(folder / "composition.csv")
    topology = Topology()
    for date in DATES:
        topology.add_areas(f"borders_{date}", composed(rows, thin, names, date))
        overlays = [
            line for line in lines if not line["properties"]["cuts"] and in_force(line["properties"], date)
        ]
        if overlays:
            topology.add_lines(
                f"lines_{date}",
                [
                    ({key: line["properties"][key] for key in ("id", "name", "from_date", "to_date")}, at)
                    for line in overlays
                    for at in [line["geometry"]["coordinates"]]
                ],
            )
    points = read_rows(folder / "points.csv")
    topology.add_points(
        "points",
        [
            ({key: row[key] for key in KEPT if key in row}, (float(row["lon"]), float(row["lat"])))
            for row in points
        ],
    )
    return topology.encoded(), cutter.notes


def read_countries() -> tuple[dict[str, Any], dict[str, str]]:
    """Return the outlines of today by code, and the names of the countries."""
    parts: dict[str, list[Any]] = {}
    names: dict[str, str] = {}
    for about, land in lands_of(present_day(), "countries"):
        names.setdefault(about["iso3"], about["name"])
        parts.setdefault(about["iso3"], []).extend(
            part for each in polygons(land) for part in polygons(shapely.make_valid(each))
        )
    return {code: shapely.MultiPolygon(faces) for code, faces in parts.items()}, names


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def in_force(row: Mapping[str, Any], date: str) -> bool:
    """Return whether a row holds on a date; its `to_date` is the first day on which it does not."""
    return bool(row["from_date"] <= date < row["to_date"])


def composed(
    rows: Sequence[Row], pieces: Mapping[Piece, Any], names: Mapping[str, str], date: str
) -> Iterator[tuple[dict[str, str], Any]]:
    """Yield the lands of a date with their geometry, the rest of the world under its present names.

    Raises:
        SystemExit: two lands claim one piece, or one part of a cut country is claimed by none.
    """
    used: dict[Piece, str] = {}
    for row in rows:
        if not in_force(row, date):
            continue
        parts = recipe(row["recipe"], pieces)
        for piece in parts:
            if piece in used:
                raise SystemExit(f"{date}: {'.'.join(piece)} belongs to {used[piece]} and to {row['key']}")
            used[piece] = row["key"]
        if not row["key"].startswith(WATER):
            yield (
                {key: row[key] for key in KEPT},
                shapely.coverage_union_all([pieces[part] for part in parts]),
            )
    rest: dict[str, list[Piece]] = {}
    for piece in pieces:
        if piece not in used:
            rest.setdefault(piece[0], []).append(piece)
    for country, parts in rest.items():
        if any(name != "all" for _, name in parts):
            raise SystemExit(f"{date}: nobody holds {', '.join('.'.join(part) for part in parts)}")
        about = {
            "key": f"x_{country.lower()}",
            "unit": "",
            "state": "",
            "name": names[country],
            "approx": "no",
        }
        yield about, shapely.coverage_union_all([pieces[part] for part in parts])


def recipe(text: str, pieces: Mapping[Piece, Any]) -> list[Piece]:
    """Return the pieces of a recipe: `POL` is a whole country, `POL.galicia` a piece, `-POL.galicia` not it.

    Raises:
        SystemExit: a piece is unknown.
    """
    chosen: list[Piece] = []
    for token in text.split():
        country, _, name = token.lstrip("-").partition(".")
        meant = [piece for piece in pieces if piece[0] == country and name in ("", piece[1])]
        if not meant:
            raise SystemExit(f"composition.csv: there is no piece {token.lstrip('-')!r}")
        if token.startswith("-"):
            chosen = [piece for piece in chosen if piece not in meant]
        else:
            chosen += [piece for piece in meant if piece not in chosen]
    return chosen


def report(topology: Mapping[str, Any], folders: Sequence[Path]) -> str:
    """Return a table of overlaps with the yardsticks that are there, beside the published figures."""
    home = next((folder for folder in folders if (folder / "yardsticks.json").is_file()), None)
    if home is None:
        raise SystemExit(f"no yardsticks.json in {', '.join(map(str, folders))}")
    yardsticks = json.loads((home / "yardsticks.json").read_text(encoding="utf-8"))
    published = {
        (row["cut"], row["kind"], row["name"], row["yardstick"]): row["iou"]
        for row in read_rows(home / "iou.csv")
    }
    lines = [f"{'cut':11} {'kind':7} {'name':34} {'yardstick':20} overlap published"]
    for row in against_yardsticks(topology, yardsticks, folders):
        known = published.get((row["cut"], row["kind"], row["name"], row["yardstick"]), "")
        lines.append(
            f"{row['cut']:11} {row['kind']:7} {row['name']:34} {row['yardstick']:20} "
            f"{row['iou']:.3f}   {known}"
        )
    lines.append(f"{len(lines) - 1} of {len(yardsticks)} yardsticks are there")
    for date in DATES:
        broken, worst = flaws(topology, f"borders_{date}")
        lines.append(f"{date}: {broken} shapes touch themselves, largest overlap {worst:.5f} square degrees")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Make, check or measure the packaged borders."""
    parser = argparse.ArgumentParser(description="Make the borders of the history 1917.")
    parser.add_argument("--check", action="store_true", help="exit 1 if the packaged file is stale")
    parser.add_argument("--report", nargs="*", type=Path, metavar="FOLDER", help="measure against yardsticks")
    options = parser.parse_args()
    topology, notes = make(FOLDER)
    text = as_text(topology)
    if options.report is not None:
        folders = options.report or [SHARED / "facts" / "borders" / "1917", SHARED / "data" / "borders"]
        sys.stdout.write(report(topology, folders))
        return 0
    if options.check:
        same = PACKAGED.is_file() and PACKAGED.read_text(encoding="utf-8") == text
        if not same:
            sys.stderr.write(f"{PACKAGED} is not what the files beside it give\n")
        return int(not same)
    PACKAGED.write_text(text, encoding="utf-8")
    for note in notes:
        sys.stdout.write(f"{note}\n")
    size = len(gzip.compress(text.encode("utf-8"), 9))
    sys.stdout.write(f"{PACKAGED.name}: {len(text):,} characters, {size:,} bytes compressed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
