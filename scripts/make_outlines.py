"""Make the packaged present-day outlines from Natural Earth (public domain), as npm's `world-atlas` has them.

    npm pack world-atlas@2.0.2
    python scripts/make_outlines.py world-atlas-2.0.2.tgz [--check]

The countries at 1:50 million keep every vertex and every shared arc. What goes: Antarctica, the object
`land`, and numeric codes, for which the three letters of ISO 3166 stand.

    --check    write nothing; exit with status 1 if the packaged file is not what the package gives
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parent.parent
PACKAGED = REPO / "src" / "tocsin" / "show" / "outlines" / "countries-50m.topojson.gz"
CODES = Path(__file__).resolve().parent / "cartography" / "iso3166.csv"
ANTARCTICA = "010"
# Lands without a numeric code, and a second entry for Australia's islands.
WITHOUT_CODE = {
    "Kosovo": "XKX",
    "Somaliland": "XSL",
    "N. Cyprus": "XNC",
    "Indian Ocean Ter.": "AUS",
    "Siachen Glacier": "XSI",
}


def read_atlas(path: Path) -> dict[str, Any]:
    """Return the topology of countries-50m.json, from the file itself or from the package's archive."""
    if path.suffix == ".json":
        content = path.read_bytes()
    else:
        with tarfile.open(path) as archive:
            member = archive.extractfile("package/countries-50m.json")
            if member is None:
                raise SystemExit(f"{path} holds no package/countries-50m.json")
            content = member.read()
    topology: dict[str, Any] = json.loads(content)
    return topology


def outlines_of(atlas: dict[str, Any], codes: dict[str, str]) -> dict[str, Any]:
    """Return the topology of countries alone, with ISO codes as ids and only the arcs that they use."""
    geometries: list[dict[str, Any]] = []
    numbers: dict[int, int] = {}

    def renumbered(arcs: Any) -> Any:
        if isinstance(arcs, list):
            return [renumbered(item) for item in arcs]
        place = numbers.setdefault(arcs if arcs >= 0 else ~arcs, len(numbers))
        return place if arcs >= 0 else ~place

    for geometry in atlas["objects"]["countries"]["geometries"]:
        number, name = geometry.get("id"), geometry["properties"]["name"]
        if number == ANTARCTICA:
            continue
        code = codes.get(number) or WITHOUT_CODE.get(name)
        if code is None:
            raise SystemExit(f"no code for {name} ({number})")
        geometries.append(
            {
                "type": geometry["type"],
                "id": code,
                "properties": {"iso3": code, "name": name},
                "arcs": renumbered(geometry["arcs"]),
            }
        )
    return {
        "type": "Topology",
        "transform": atlas["transform"],
        "objects": {"countries": {"type": "GeometryCollection", "geometries": geometries}},
        "arcs": [atlas["arcs"][number] for number in numbers],
    }


def main() -> int:
    """Write or check the packaged file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("atlas", type=Path, help="the archive of npm pack, or countries-50m.json")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with CODES.open(encoding="utf-8", newline="") as stream:
        codes = {row["numeric"]: row["alpha3"] for row in csv.DictReader(stream)}
    text = json.dumps(
        outlines_of(read_atlas(options.atlas), codes), separators=(",", ":"), ensure_ascii=False
    )
    if options.check:
        # Bytes of gzip differ between versions of zlib; what they hold does not.
        same = PACKAGED.is_file() and gzip.decompress(PACKAGED.read_bytes()).decode("utf-8") == text
        if not same:
            sys.stderr.write(f"{PACKAGED} is not what {options.atlas} gives\n")
        return int(not same)
    PACKAGED.parent.mkdir(parents=True, exist_ok=True)
    PACKAGED.write_bytes(gzip.compress(text.encode("utf-8"), 9, mtime=0))
    sys.stdout.write(f"{PACKAGED.name}: {PACKAGED.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
