"""`tocsin new` and `tocsin intake`: the lines that they print run, from the file to a fitted model."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tocsin as tc
from tocsin.cli.main import app

COW = [
    "2",
    "20",
    "70",
    "200",
    "210",
    "211",
    "220",
    "225",
    "230",
    "235",
]  # of one code in all lists but V-Dem's and ISO's
VDEM = ["3", "20", "66", "76", "77", "91", "96", "101", "148", "21"]
ISO = ["840", "124", "484", "826", "528", "056", "250", "756", "724", "620"]
NAMES = ["Mexico", "Canada", "France", "Spain", "Portugal", "Belgium", "Sweden", "Denmark", "Greece", "Chile"]
YEARS = range(1980, 1992)

LUCK = random.Random(7)


def rows(codes: list[str], row: Callable[[str, int, int], str]) -> str:
    """A row for each unit and year; the third argument is 0 before a year of the unit's own and 1 from then on."""
    turn = {code: LUCK.choice([1984, 1987, 1990, 2000]) for code in codes}
    return "\n".join(row(code, year, int(year >= turn[code])) for code in codes for year in YEARS) + "\n"


def coups(codes: list[str], row: Callable[[str, int, int], str]) -> str:
    return "\n".join(row(code, LUCK.choice(YEARS), LUCK.randint(1, 12)) for code in codes * 3) + "\n"


FILES: dict[str, str] = {
    "polity": "ccode,country,year,polity,polity2\n" + rows(COW, lambda c, y, v: f"{c},x,{y},{9 * v},{9 * v}"),
    "vdem": "country_name,country_text_id,country_id,year,v2x_regime\n"
    + rows(VDEM, lambda c, y, v: f"x,XXX,{c},{y},{1 + v}"),
    "lied": "country,cow,year,male_suffrage,female_suffrage,exselec,legselec,opposition,competition,lexical_index\n"
    + rows(COW, lambda c, y, v: f"x,{c},{y},{v},0,1,1,1,1,4"),
    "gwf": "cowcode,year,gwf_country,gwf_casename,gwf_fail,gwf_duration\n"
    + rows(COW, lambda c, y, v: f"{c},{y},x,x 1,{int(LUCK.random() < 0.2)},1"),
    "powell_thyne_years": "ccode,country,year,coup1,coup2,coup3,coup4\n"
    + rows(COW, lambda c, y, v: f"{c},x,{y},{LUCK.choice([0, 0, 1, 2])},0,0,0"),
    "powell_thyne": "country,ccode,year,month,day,coup\n" + coups(COW, lambda c, y, m: f"x,{c},{y},{m},3,1"),
    "ged": "id,type_of_violence,country,country_id,date_prec,date_start,date_end\n"
    + coups(COW, lambda c, y, m: f"1,1,x,{c},1,{y}-{m:02d}-03,{y}-{m:02d}-03"),
    "acled": "event_id_cnty,event_date,time_precision,event_type,country,iso\n"
    + coups(ISO, lambda c, y, m: f"A{m},{y}-{m:02d}-03,1,Protests,x{c},{c}"),
    "archigos": "obsid,ccode,leader,startdate,enddate,entry,exit,exitcode\n"
    + coups(COW, lambda c, y, m: f"a,{c},b,1979-01-01,{y}-{m:02d}-03,Regular,Irregular,x"),
    "navco_1_3": "NAVCOID,CAMPAIGN,LOCATION,BYEAR,EYEAR,NONVIOL,VIOL\n"
    + coups(NAMES, lambda c, y, m: f"{m},x,{c},{y},{y + 1},1,0"),
    "navco_2_0": "id,location,year,prim_method,navco1designation\n"
    + rows(NAMES, lambda c, y, v: f"1,{c},{y},{v},1"),
    "netdiffuser": "id,toa\n" + "".join(f"{k},{1 + k % 5}\n" for k in range(1, 20)) + "20,\n",
    "table": "country,year,strike\n" + rows(NAMES, lambda c, y, v: f"{c},{y},{int(LUCK.random() < 0.2)}"),
}

BORDERS = "statelno,statehno,conttype,begin,end\n" + "".join(
    f"{a},{b},1,192001,201612\n" for a, b in pairwise(COW)
)

MEMBERS = "stateabb,ccode,statenme,styear,stmonth,stday,endyear,endmonth,endday\n" + "".join(
    f"X,{code},x,1920,1,1,2016,12,31\n" for code in COW
)


def lines_of(*files: Path) -> str:
    result = CliRunner().invoke(app, ["intake", *map(str, files)])
    assert result.exit_code == 0, result.output
    return result.output.partition("# from here to a fitted model:\n")[2]


def ran(lines: str) -> dict[str, object]:
    """Run the lines; what they print is the account and the estimates."""
    found: dict[str, object] = {}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(lines, "lines", "exec"), found)
    assert "rows read" in said.getvalue() and "estimate" in said.getvalue()
    return found


@pytest.mark.parametrize("name", FILES)
def test_the_lines_of_a_file_run(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(FILES[name], encoding="utf-8")
    lines = lines_of(path)
    assert len(lines.splitlines()) <= 10
    history = ran(lines)["history"]
    assert isinstance(history, tc.History) and len(history.events)
    assert history.layers or name in ("netdiffuser", "table")


@pytest.mark.parametrize("time", ["19{:02d}-05-03", "19{:02d}"])
def test_a_list_of_events_of_no_data_set(tmp_path: Path, time: str) -> None:
    path = tmp_path / "strikes.csv"
    when = "date" if "-" in time else "year"
    rows_ = [f"{name},{time.format(60 + k)}" for k, name in enumerate(NAMES * 2)]
    path.write_text(f"country,{when}\n" + "\n".join(rows_) + "\n", encoding="utf-8")
    history = ran(lines_of(path))["history"]
    assert isinstance(history, tc.History) and len(history.events) == 20


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"country,year,coup\n", "no row tells what happened (0 read)"), (b"\x7fELF\0\0\0", "this is no text")],
)
def test_files_of_nothing(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    result = CliRunner().invoke(app, ["intake", str(tmp_path / "mine.csv")])
    assert result.exit_code == 1 and told in result.output


def test_ties_and_units_from_files_of_their_own(tmp_path: Path) -> None:
    events, borders, units = (tmp_path / name for name in ("coups.txt", "borders.csv", "states.csv"))
    events.write_text(FILES["powell_thyne"].replace(",", "\t"), encoding="utf-8")
    borders.write_text(BORDERS, encoding="utf-8")
    units.write_text(MEMBERS, encoding="utf-8")
    history = ran(lines_of(events, borders, units))["history"]
    assert isinstance(history, tc.History)
    assert len(history.units) == 10 and len(history.ties) == 18 and list(history.layers) == ["contiguity"]


def test_ties_of_cow_among_units_of_another_list(tmp_path: Path) -> None:
    panel, borders = tmp_path / "vdem.csv", tmp_path / "borders.csv"
    panel.write_text(FILES["vdem"], encoding="utf-8")
    borders.write_text(BORDERS, encoding="utf-8")
    history = ran(lines_of(panel, borders))["history"]
    assert isinstance(history, tc.History)
    assert {"20", "66"} <= set(history.ties["source"])  # the United States and Canada of V-Dem


def test_who_is_named_acts_in_a_study_of_adoption(tmp_path: Path) -> None:
    nodes, edges = tmp_path / "nodes.csv", tmp_path / "edges.csv"
    nodes.write_text(FILES["netdiffuser"], encoding="utf-8")
    edges.write_text("src,dst,w\n" + "".join(f"{k},{k + 1},1\n" for k in range(1, 19)), encoding="utf-8")
    history = ran(lines_of(nodes, edges))["history"]
    assert isinstance(history, tc.History)
    assert history.ties.loc[0, ["source", "target"]].tolist() == ["2", "1"]


def test_files_that_say_nothing_of_what_happened(tmp_path: Path) -> None:
    borders, odd = tmp_path / "borders.csv", tmp_path / "odd.csv"
    borders.write_text(BORDERS, encoding="utf-8")
    result = CliRunner().invoke(app, ["intake", str(borders)])
    assert result.exit_code == 1 and "9 used" in result.output
    assert (
        "one file of events, spells, adoptions or a panel is wanted, not 0: borders.csv (ties)"
        in result.output
    )
    odd.write_text("a,b\n1,2\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["intake", str(odd)])
    assert result.exit_code == 1 and "no column is called as a unit" in result.output


def test_what_was_said_stands_in_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(FILES["polity"].replace(",x,", ",é,").encode("latin-1"))
    result = CliRunner().invoke(app, ["intake", str(path)])
    assert result.exit_code == 1 and "say encoding=" in result.output
    result = CliRunner().invoke(app, ["intake", str(path), "--encoding", "latin-1"])
    assert result.exit_code == 0
    ran(result.output.partition("# from here to a fitted model:\n")[2])


def test_a_new_history_runs_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "my-history"
    made = CliRunner().invoke(app, ["new", str(folder)])
    assert made.exit_code == 0 and "history.toml" in made.output
    lines = made.output.partition("# or in Python:\n")[2]
    assert len(lines.splitlines()) <= 11
    found: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(lines, "lines", "exec"), found)
    assert "vote: no > yes | border" in said.getvalue()
    history = tc.load_history(folder)
    assert not history.warnings and history.model_path is not None
    assert tc.Model.from_toml(history.model_path).fit(history).loglik == found["fit"].loglik  # type: ignore[attr-defined]
    again = CliRunner().invoke(app, ["new", str(folder)])
    assert again.exit_code == 1 and "stand there already" in again.output
