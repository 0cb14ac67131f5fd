"""Make the dated table of states and other units that `tocsin.units` looks things up in, from `facts/states`.

    python scripts/make_states.py [--check]

    --check    write nothing; exit with status 1 if the packaged table is not what the facts give

Each row is a stretch of days during which a unit has the same codes. A state that one list knows and the other does
not yet, or no longer, has a row with one code; where the two lists give a state different codes, `links.csv` says so.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
FACTS = REPO / "facts" / "states"
PACKAGED = REPO / "src" / "tocsin" / "units" / "states.csv"
FIRST, LAST = date(1, 1, 1), date.max
DAY = timedelta(days=1)
COLUMNS = (
    "name", "start", "end", "cow", "gw", "cowc", "gwc", "polity", "iso3", "iso_n", "vdem", "place",
    "part_of", "capital", "lat", "lon", "aliases",
)  # fmt: skip

Row = dict[str, str]
Code = tuple[str, str]  # scheme and code


def rows_of(name: str) -> list[Row]:
    with (FACTS / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def day(text: str, empty: date) -> date:
    """Read a day; the lists write 9999-12-31 where a state still exists."""
    return date.fromisoformat(text) if text and text != "9999-12-31" else empty


def within(row: Row, when: date, until: str = "end") -> bool:
    return day(row.get("start", ""), FIRST) <= when <= day(row[until], LAST)


def spells() -> dict[Code, list[tuple[date, date, Row]]]:
    """The days of membership of every code of either list."""
    found: dict[Code, list[tuple[date, date, Row]]] = {}
    for scheme in ("cow", "gw"):
        for row in rows_of(f"{scheme}states.csv"):
            stretch = (day(row["start"], FIRST), day(row["end"], LAST), row)
            found.setdefault((scheme, row[f"{scheme}code"]), []).append(stretch)
    return found


def all_links(codes: Iterable[Code]) -> list[Row]:
    """Which code of one list is which of the other: the ones written down, else the same number."""
    links = rows_of("links.csv")
    told = {("cow", row["cow"]) for row in links} | {("gw", row["gw"]) for row in links}
    known = set(codes)
    for scheme, code in sorted(known):
        if scheme == "cow" and not told & {("cow", code), ("gw", code)} and ("gw", code) in known:
            links.append({"cow": code, "gw": code, "start": "", "end": ""})
    return links


def names_of(written: str) -> list[str]:
    """The names that a list's entry holds: 'Yemen, People's Republic of', 'Russia (Soviet Union)', 'Italy/Sardinia'."""
    plain = re.sub(r"\s*\([^)]*\)", "", written).strip()
    found = [written, plain, *plain.split("/")]
    bracket = re.search(r"\(([^)]*)\)", written)
    if (
        bracket
        and re.match(r"[A-Z]", bracket.group(1))
        and "Electoral" not in written
        and "Ducal" not in written
    ):
        found += bracket.group(1).split("/")
    if ", " in plain:
        head, tail = plain.split(", ", 1)
        found += [f"{tail} {head}", *([] if "/" in head else [head])]
    return list(dict.fromkeys(each.strip() for each in found))


class Table:
    """The facts, and the rows made of them."""

    def __init__(self) -> None:
        self.spells = spells()
        self.links = all_links(self.spells)
        self.codes = {(row["scheme"], row["code"]): row for row in rows_of("codes.csv")}
        self.capitals = rows_of("capitals.csv")
        self.aliases = rows_of("aliases.csv")
        self.polity = rows_of("polity.csv")

    def components(self) -> list[set[Code]]:
        """Codes that links join, directly or through others."""
        groups = {code: {code} for code in self.spells}
        for link in self.links:
            a, b = ("cow", link["cow"]), ("gw", link["gw"])
            if groups[a] is not groups[b]:
                groups[a] |= groups[b]
                for code in groups[b]:
                    groups[code] = groups[a]
        unique = {id(group): group for group in groups.values()}
        return sorted(unique.values(), key=lambda group: min(int(code) for _, code in group))

    def cuts(self, group: set[Code]) -> list[date]:
        """The days on which something about a group may begin to be different."""
        found = set()
        for code in group:
            for start, end, _ in self.spells[code]:
                found |= {start, end + DAY if end < LAST else LAST}
        dated: list[tuple[Row, str]] = [(link, "end") for link in self.links if ("cow", link["cow"]) in group]
        dated += [(row, "end") for row in self.aliases if (row["scheme"], row["code"]) in group]
        dated += [(row, "end") for row in self.polity if ("cow", row["cow"]) in group]
        dated += [(row, "until") for row in self.capitals if (row["scheme"], row["code"]) in group]
        for row, until in dated:
            if row.get("start"):
                found.add(day(row["start"], FIRST))
            if row[until]:
                found.add(day(row[until], LAST) + DAY)
        return sorted(found | {LAST})

    def linked(self, cow: str, when: date) -> str | None:
        return next((link["gw"] for link in self.links if link["cow"] == cow and within(link, when)), None)

    def pairs(self, group: set[Code], when: date) -> list[dict[str, Row]]:
        """The states of a group on a day: entries of both lists, or of one."""
        active = {
            code: row
            for code in sorted(group)
            for start, end, row in self.spells[code]
            if start <= when <= end
        }
        found = []
        for scheme, code in sorted(active):
            if scheme == "cow":
                pair = {"cow": active[scheme, code]}
                gw = self.linked(code, when)
                if gw is not None and ("gw", gw) in active:
                    pair["gw"] = active["gw", gw]
                found.append(pair)
        taken = {pair["gw"]["gwcode"] for pair in found if "gw" in pair}
        found += [{"gw": active[code]} for code in sorted(active) if code[0] == "gw" and code[1] not in taken]
        return found

    def row(self, pair: dict[str, Row], when: date) -> Row:
        """What is known of a state on a day."""
        cow, gw = pair.get("cow"), pair.get("gw")
        number = gw["gwcode"] if gw else ""
        # what has a code of GW alone (Serbia) is described under it; else under the code that COW has for it
        codes: list[Code] = [("gw", number)] if ("gw", number) in self.codes else []
        codes += [("cow", cow["cowcode"])] if cow else []
        codes += [("cow", link["cow"]) for link in self.links if link["gw"] == number and within(link, when)]
        about = next((self.codes[code] for code in codes if code in self.codes), {})
        capital = next(
            (
                row
                for row in self.capitals
                if (row["scheme"], row["code"]) in codes and within(row, when, "until")
            ),
            {},
        )
        entries = [entry["country_name"] for entry in (cow, gw) if entry]
        names = [name for entry in entries for name in names_of(entry)]
        names += [
            row["alias"]
            for row in self.aliases
            if (row["scheme"], row["code"]) in codes and within(row, when)
        ]
        name = re.sub(r"\s*\([^)]*\)|/.*", "", entries[0])
        own = next((code for scheme, code in codes if scheme == "cow"), number)
        other = [row["polity"] for row in self.polity if row["cow"] == own and within(row, when)]
        return {
            "name": name,
            "cow": cow["cowcode"] if cow else "", "cowc": cow["cowc"] if cow else "",
            "gw": number, "gwc": gw["gwc"] if gw else "",
            "polity": other[0] if other else own,
            **{key: about.get(key, "") for key in ("iso3", "iso_n", "vdem")},
            **{key: capital.get(key, "") for key in ("capital", "lat", "lon")},
            "aliases": "|".join(each for each in dict.fromkeys(names) if each != name),
        }  # fmt: skip

    def rows(self) -> list[Row]:
        found: list[Row] = []
        for group in self.components():
            last: dict[str, Row] = {}
            cuts = self.cuts(group)
            for begin, after in pairwise(cuts):
                now = {}
                for pair in self.pairs(group, begin):
                    row = self.row(pair, begin)
                    key = row["cow"] + "/" + row["gw"]
                    before = last.get(key)
                    content = {
                        name: value for name, value in (before or {}).items() if name not in ("start", "end")
                    }
                    if before is not None and content == row:
                        now[key] = before
                    else:
                        now[key] = row | {"start": begin.isoformat()}
                        found.append(now[key])
                    now[key]["end"] = "" if after == LAST else (after - DAY).isoformat()
                last = now
        return found + [self.place(row) for row in rows_of("places.csv")]

    def place(self, row: Row) -> Row:
        names = names_of(row["name"])
        kept = {
            key: row[key] for key in ("place", "start", "end", "part_of", "capital", "lat", "lon", "iso3")
        }
        return kept | {"name": names[min(1, len(names) - 1)], "aliases": row["place"].split("/")[1]}


def main() -> int:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(Table().rows())
    made = stream.getvalue()
    if "--check" in sys.argv[1:]:
        current = PACKAGED.is_file() and PACKAGED.read_text(encoding="utf-8") == made
        if not current:
            sys.stderr.write(f"{PACKAGED.name} is not what facts/states gives: run scripts/make_states.py\n")
        return 0 if current else 1
    PACKAGED.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
