"""Readers: small files in the layout of each data set, with numbers of our own, and files as users have them."""

# ruff: noqa: E501  (rows of files stand as they are)

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.sources.rules import RULES
from tocsin.sources.source import sources


def written(folder: Path, text: str, name: str = "my data.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def days(values: pd.Series) -> list[str | None]:
    return [None if pd.isna(day) else str(day.date()) for day in values]


def adds_up(reading: tc.Reading) -> None:
    """Rows in are rows used and rows left out."""
    assert sum(count for what, count in reading.rows.items() if what != "read") == reading.rows["read"]
    assert reading.rows["used"] == len(reading.frame)


# --- One small file for each layout of each data set

FILES = {
    "cow_states": [
        "stateabb,ccode,statenme,styear,stmonth,stday,endyear,endmonth,endday,version\n"
        "USA,2,United States of America,1816,1,1,2016,12,31,2016\nBAV,245,Bavaria,1816,1,1,1871,1,18,2016\n",
        '"cowcode","cowc","country_name","start","end","microstate"\n'
        '2,"USA","United States of America",1816-01-01,9999-12-31,FALSE\n245,"BAV","Bavaria",1816-01-01,1871-01-18,FALSE\n',
    ],
    "gw_states": [
        "2\tUSA\tUnited States of America\t01:01:1816\t31:12:2017\n245\tBAV\tBavaria\t01:01:1816\t17:01:1871\n",
        "statenumber\tstateid\tcountryname\tstart\tend\n2\tUSA\tUnited States of America\t1816-01-01\t2020-12-31\n"
        "245\tBAV\tBavaria\t1816-01-01\t1871-01-17\n",
        '"gwcode","gwc","country_name","start","end","microstate"\n'
        '2,"USA","United States of America",1816-01-01,9999-12-31,FALSE\n245,"BAV","Bavaria",1816-01-01,1871-01-17,FALSE\n',
        "gwcode,stateabb,statename,startdate,enddate\n2,USA,United States of America,1816-01-01,2020-12-31\n"
        "245,BAV,Bavaria,1816-01-01,1871-01-17\n",
    ],
    "cow_contiguity": [
        "dyad,statelno,statelab,statehno,statehab,conttype,begin,end,notes,version\n"
        "2020,2,USA,20,CAN,1,192001,201612,,3.2\n2031,2,USA,31,BHM,4,197307,201612,,3.2\n2099,2,USA,99,XXX,0,197307,201612,,3.2\n",
        "dyad,state1no,state1ab,state2no,state2ab,year,conttype,version\n"
        "2020,2,USA,20,CAN,1990,1,3.2\n20002,20,CAN,2,USA,1990,1,3.2\n2040,2,USA,40,CUB,1990,0,3.2\n",
        "ccode1,ccode2,conttype,stdate,enddate\n2,20,1,1920-01-01,2016-12-01\n20,2,1,1920-01-01,2016-12-01\n2,900,0,1920-01-01,2016-12-01\n",
    ],
    "atop": [
        "ddyad,year,atopally,defense,offense,neutral,nonagg,consul,stateA,stateB\n"
        "2020,1950,1,1,0,0,0,1,2,20\n20002,1950,1,1,0,0,0,1,20,2\n2040,1950,0,0,0,0,0,0,2,40\n",
        "dyad,year,mem1,mem2,atopally,defense,offense,neutral,nonagg,consul\n2020,1950,2,20,1,1,0,0,0,1\n2020,1951,2,20,1,1,0,0,0,1\n",
        "ccode1,ccode2,year,atop_defense,atop_offense,atop_neutral,atop_nonagg,atop_consul\n2,20,1950,1,0,0,0,1\n2,40,1950,0,0,0,0,0\n",
    ],
    "polity": [
        "p5,cyear,ccode,scode,country,year,flag,fragment,democ,autoc,polity,polity2,durable,xrreg\n"
        "1,1,700,AFG,Afghanistan,1978,0,,0,7,-7,-7,1,2\n1,2,700,AFG,Afghanistan,1979,0,,-66,-66,-66,,0,-66\n"
        "1,3,700,AFG,Afghanistan,1992,0,,-77,-77,-77,0,0,-77\n1,4,700,AFG,Afghanistan,2001,0,,-88,-88,-88,-3,0,-88\n",
    ],
    "vdem": [
        "country_name,country_text_id,country_id,year,historical_date,project,COWcode,v2x_polyarchy,v2x_rule\n"
        "Mexico,MEX,3,1990,1990-12-31,0,70,0.375,0.25\nMexico,MEX,3,1991,1991-12-31,0,70,,\n",
    ],
    "lied": [
        "countryn,cow,year,male_suffrage,female_suffrage,executive_elections,legislative_elections,"
        "multi-party legislative elections,competitive elections,Lexical_index\n"
        "Norway,385,1912,1,0,1,1,1,1,5\nAland,,1912,1,1,0,1,1,1,2\n",
        "country,cow,year,male_suffrage,female_suffrage,exselec,legselec,opposition,competition,lexical_index\nNorway,385,1912,1,0,1,1,1,1,5\n",
    ],
    "gwf": [
        "cowcode\tyear\tgwf_country\tgwf_casename\tgwf_startdate\tgwf_enddate\tgwf_spell\tgwf_duration\tgwf_fail\tgwf_fail_subsregime\n"
        "40\t1958\tCuba\tCuba 52-59\t03oct1952\t01jan1959\t7\t6\t0\t0\n40\t1959\tCuba\tCuba 52-59\t03oct1952\t01jan1959\t7\t7\t1\t2\n",
        "cowcode,year,gwf_country,gwf_casename,gwf_nonautocracy,gwf_regimetype\n2,1950,USA,,democracy,\n",
    ],
    "archigos": [
        "obsid,leadid,ccode,idacr,leader,startdate,eindate,enddate,eoutdate,entry,exit,exitcode,prevtimesinoffice,yrborn\n"
        "USA-1869,x,2,USA,Grant,1869-03-04,1869-03-04,1877-03-04,1877-03-04,Regular,Regular,Regular,0,1822\n"
        "ZZZ-2010,y,20,CAN,Nobody,2010-03-04,2010-03-04,2015-12-31,2015-12-31,Regular,Still in Office,Still in Office,0,-999\n",
        "gwcode,obsid,leadid,leader,yrborn,gender,startdate,enddate,entry,exit,exitcode\n"
        "2,USA-1869,x,Grant,1822,M,1869-03-04,1877-03-04,Regular,Regular,Regular\n",
    ],
    "powell_thyne": [
        "country\tccode\tccode_gw\tccode_polity\tyear\tmonth\tday\tcoup\tversion\n"
        "Togo\t461\t461\t461\t1963\t1\t13\t2\t2024\nTogo\t461\t461\t461\t1966\t11\t21\t1\t2024\n",
    ],
    "powell_thyne_years": [
        '"ccode"\t"abbrev"\t"country"\t"year"\t"ccode_gw"\t"ccode_polity"\t"coup1"\t"coup2"\t"coup3"\t"coup4"\t"date1"\n'
        '461\t"TOG"\t"Togo"\t1963\t461\t461\t2\t1\t0\t0\t"13jan1963"\n461\t"TOG"\t"Togo"\t1964\t461\t461\t0\t0\t0\t0\t""\n',
    ],
    "navco_1_3": [
        "NAVCOID\tCAMPAIGN\tLOCATION\tTARGET\tBYEAR\tEYEAR\tNONVIOL\tVIOL\tSUCCESS\n"
        "1\tOne\tFrance\tthe king\t1848\t1848\t1\t0\t1\n2\tTwo\tHungary\tthe emperor\t1848\t1849\t0\t1\t-99\n3\tThree\tItaly\tx\t1848\t1849\t0\t0\t0\n",
    ],
    "navco_2_0": [
        "id,camp_name,navco1designation,location,target,lccode,year,prim_method,camp_goals,camp_size,success\n"
        "7,One,1,Chile,junta,155,1985,1,0,-99,0\n7,One,1,Chile,junta,155,1986,-99,0,2,0\n",
    ],
    "ged": [
        "id,relid,year,type_of_violence,where_prec,latitude,longitude,country,country_id,date_prec,date_start,date_end,best,high,low\n"
        "1,a,1990,1,1,33.5,36.3,Syria,652,1,1990-05-01 00:00:00.000,1990-05-01 00:00:00.000,3,4,2\n"
        "2,b,1990,3,1,33.5,36.3,Syria,652,4,1990-05-01,1990-05-31,3,4,2\n",
    ],
    "acled": [
        "event_id_cnty,event_date,year,time_precision,disorder_type,event_type,sub_event_type,actor1,iso,region,country,latitude,longitude,fatalities\n"
        "KEN1,15 January 1999,1999,1,Demonstrations,Protests,Peaceful protest,x,404,Eastern Africa,Kenya,1.0,36.0,0\n"
        "KEN2,2000-02-10,2000,3,Demonstrations,Protests,Peaceful protest,x,404,Eastern Africa,Kenya,1.0,36.0,0\n"
        "FRA1,2020-03-10,2020,2,Demonstrations,Protests,Peaceful protest,x,250,Europe,France,48.0,2.0,0\n",
    ],
    "netdiffuser": ["id,toa,group\n1001,1,1\n1002,12,1\n1003,,2\n"],
    "netdiffuser_edges": ["src,dst,w\n1001,1008,1\n1002,1002,1\n1002,1001,2\n"],
}  # fmt: skip


def case(name: str, which: int = 0) -> str:
    return FILES[name][which]


@pytest.mark.parametrize(
    ("name", "which"), [(name, k) for name, texts in FILES.items() for k in range(len(texts))]
)
def test_each_layout_is_known_by_its_columns(tmp_path: Path, name: str, which: int) -> None:
    reading = tc.read(written(tmp_path, case(name, which)))
    assert reading.source is not None and reading.source.name == name
    assert (
        list(reading.source.layouts).index(reading.layout) == min(which, len(reading.source.layouts) - 1)
        or name == "gw_states"
    )
    adds_up(reading)
    assert reading.rows["used"] > 0


def test_every_data_set_has_a_test_and_says_all_that_it_must() -> None:
    assert {source.name for source in sources()} == set(FILES)
    for source in sources():
        assert source.coverage and source.citation and source.licence and source.page, source.name
        assert set(source.rules) <= set(RULES)
        assert len(source.layouts) <= len(FILES[source.name])


def test_presence_that_goes_on_has_no_exit(tmp_path: Path) -> None:
    for name, last in (("cow_states", "1871-01-18"), ("gw_states", "1871-01-17")):
        for which in range(len(FILES[name])):
            frame = tc.read(written(tmp_path, case(name, which))).frame
            assert frame["unit"].tolist() == ["2", "245"]
            assert days(frame["enter"]) == ["1816-01-01"] * 2 and days(frame["exit"]) == [None, last]
            assert frame["label"].tolist() == ["United States of America", "Bavaria"]


def test_type_0_is_not_contiguous(tmp_path: Path) -> None:
    for which in range(3):
        reading = tc.read(written(tmp_path, case("cow_contiguity", which)))
        assert reading.rows["left out: not contiguous (type 0)"] == 1 and (reading.frame["type"] > 0).all()
    spells = tc.read(written(tmp_path, case("cow_contiguity"))).frame
    assert days(spells["start"]) == ["1920-01-01", "1973-07-01"] and days(spells["end"]) == ["2016-12-31"] * 2
    years = tc.read(written(tmp_path, case("cow_contiguity", 1))).frame
    assert days(years["start"]) == ["1990-01-01"] * 2 and days(years["end"]) == ["1990-12-31"] * 2
    months = tc.read(written(tmp_path, case("cow_contiguity", 2))).frame
    assert days(months["end"]) == ["2016-12-31"] * 2  # the month that the package writes as its first day
    bad = case("cow_contiguity").replace(",4,1973", ",6,1973")
    with pytest.raises(tc.HistoryError, match=r"row 2: a number from 0 to 5.*'6.0'"):
        tc.read(written(tmp_path, bad))


def test_alliances_keep_their_kinds(tmp_path: Path) -> None:
    reading = tc.read(written(tmp_path, case("atop")))
    assert reading.rows["left out: no obligation of any kind"] == 1
    ties = tc.ties.alliance(reading, kinds=["defense"])
    assert ties[["source", "target"]].to_numpy().tolist() == [["2", "20"], ["20", "2"]]
    once = tc.read(written(tmp_path, case("atop", 1)))
    with pytest.raises(tc.TocsinError, match="say mirror=True"):
        tc.ties.alliance(once)
    assert len(tc.ties.alliance(once, mirror=True)) == 2 and len(tc.ties.alliance(once, mirror=False)) == 1


def test_codes_of_polity_are_missing_and_counted(tmp_path: Path) -> None:
    reading = tc.read(written(tmp_path, case("polity")))
    assert reading.frame["polity"].tolist()[0] == -7 and reading.frame["polity"].isna().sum() == 3
    assert reading.frame["authority"].tolist() == ["", "foreign interruption", "interregnum", "transition"]
    assert reading.frame["polity2"].isna().tolist() == [False, True, False, False]
    counted = reading.missing.groupby("column")["cells"].sum()
    assert counted["polity"] == 3 and counted["xrreg"] == 3
    assert "1 cell of polity was -77 (interregnum) and is missing" in str(reading)


def test_columns_that_are_asked_for_are_carried_along(tmp_path: Path) -> None:
    path = written(tmp_path, case("vdem"))
    reading = tc.read(path, columns=["v2x_rule"])
    assert reading.frame["unit"].tolist() == ["3", "3"] and reading.frame["cow"].tolist() == ["70", "70"]
    assert reading.frame["v2x_polyarchy"].isna().tolist() == [False, True] and "v2x_rule" in reading.frame
    with pytest.raises(tc.TocsinError, match="did you mean 'v2x_rule'"):
        tc.read(path, columns=["v2x_rul"])


def test_rows_without_a_code_are_left_out_and_counted(tmp_path: Path) -> None:
    reading = tc.read(written(tmp_path, case("lied")))
    assert reading.rows == {"read": 2, "used": 1, "left out: no cow": 1}
    assert reading.frame.loc[0, ["label", "competition", "lexical_index"]].tolist() == ["Norway", 1, 5]


def test_leaders_still_in_office_have_no_end(tmp_path: Path) -> None:
    frame = tc.read(written(tmp_path, case("archigos"))).frame
    assert days(frame["end"]) == ["1877-03-04", None] and frame["born"].isna().tolist() == [False, True]


def test_coups(tmp_path: Path) -> None:
    frame = tc.read(written(tmp_path, case("powell_thyne"))).frame
    assert days(frame["time"]) == ["1963-01-13", "1966-11-21"]
    assert frame["outcome"].tolist() == ["successful", "failed"]
    years = tc.read(written(tmp_path, case("powell_thyne_years")))
    assert years.frame[["year", "coups", "successful"]].to_numpy().tolist() == [[1963, 2, 1], [1964, 0, 0]]
    with pytest.raises(tc.HistoryError, match="there is no such day.*1963-13-13"):
        tc.read(written(tmp_path, case("powell_thyne").replace("1963\t1\t", "1963\t13\t")))
    with pytest.raises(tc.HistoryError, match=r"the codebook knows 1 \(failed\) or 2 \(successful\)"):
        tc.read(written(tmp_path, case("powell_thyne").replace("13\t2\t", "13\t3\t")))


def test_what_is_empty_is_not_zero(tmp_path: Path) -> None:
    text = case("powell_thyne_years").replace("2\t1\t0\t0", "2\t\t0\t0")
    years = tc.read(written(tmp_path, text)).frame
    assert years["coups"].isna().tolist() == [True, False] and years["coups"][1] == 0
    bare = case("powell_thyne_years").replace("2\t1\t0\t0", "2\t1\t0\t").replace("0\t0\t0\t0", "0\t0\t0\t")
    reading = tc.read(written(tmp_path, bare))
    assert reading.empty == ("coup4",) and "nothing is known of it: coup4" in str(reading)
    reading = tc.read(written(tmp_path, case("atop").replace("0,0,0,0,0,0,2,40", "0,0,0,,0,0,2,40")))
    assert reading.rows["left out: obligations are not known"] == 1 and reading.rows["used"] == 2


def test_codes_of_states_are_numbers(tmp_path: Path) -> None:
    with pytest.raises(tc.HistoryError, match=r"row 1: a code of the list cow is a whole number \('TOG'\)"):
        tc.read(written(tmp_path, case("powell_thyne").replace("Togo\t461", "Togo\tTOG", 1)))


def test_names_that_stata_cut_and_lines_that_an_old_mac_ended(tmp_path: Path) -> None:
    text = case("lied").replace("multi-party legislative elections", "multi_party_legislative_election")
    assert tc.read(written(tmp_path, text)).source.name == "lied"  # type: ignore[union-attr]
    assert len(tc.read(written(tmp_path, case("polity").replace("\n", "\r"))).frame) == 4


def test_campaigns(tmp_path: Path) -> None:
    reading = tc.read(written(tmp_path, case("navco_1_3")))
    assert reading.frame["method"].tolist() == ["nonviolent", "violent"] and reading.frame[
        "success"
    ].isna().tolist() == [False, True]
    assert days(reading.frame["end"]) == ["1848-12-31", "1849-12-31"]
    assert reading.rows["left out: neither, or both, violent and nonviolent"] == 1
    years = tc.read(written(tmp_path, case("navco_2_0")))
    assert years.rows["left out: no prim_method"] == 1 and years.frame["size"].isna().all()


def test_spans_come_from_precision(tmp_path: Path) -> None:
    ged = tc.read(written(tmp_path, case("ged"))).frame
    assert days(ged["time"]) == ["1990-05-01"] * 2 and days(ged["time_latest"]) == [None, "1990-05-31"]
    assert ged["kind"].tolist() == ["state-based", "one-sided"] and ged["unit"].tolist() == ["652", "652"]
    acled = tc.read(written(tmp_path, case("acled"))).frame
    assert days(acled["time"]) == ["1999-01-15", "2000-02-01", "2020-03-07"]
    assert days(acled["time_latest"]) == [None, "2000-02-29", "2020-03-13"]
    assert days(acled["coded_from"]) == ["1999-01-01", "1999-01-01", "2020-01-01"]


def test_who_is_named_acts(tmp_path: Path) -> None:
    reading = tc.read(written(tmp_path, case("netdiffuser_edges")))
    assert reading.frame[["source", "target"]].to_numpy().tolist() == [["1008", "1001"], ["1001", "1002"]]
    assert reading.rows["left out: a unit names itself"] == 1


# --- Files as users have them


def test_an_encoding_is_found_or_asked_for(tmp_path: Path) -> None:
    text = case("polity").replace("Afghanistan", "Côte d'Ivoire")
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert tc.read(written(tmp_path, text, encoding=encoding)).frame["label"][0] == "Côte d'Ivoire"
    latin = written(tmp_path, text, encoding="latin-1")
    with pytest.raises(tc.TocsinError, match=r"line 2: it is not UTF-8.*'latin-1'") as refused:
        tc.read(latin)
    assert "Côte" in str(refused.value)
    assert tc.read(latin, encoding="latin-1").frame["label"][0] == "Côte d'Ivoire"
    with pytest.raises(tc.TocsinError, match="cannot be read as nonsense"):
        tc.read(latin, encoding="nonsense")


def test_a_separator_is_found_or_asked_for(tmp_path: Path) -> None:
    for sign in (";", "\t", "|"):
        assert (
            tc.read(written(tmp_path, case("polity").replace(",", sign), "p.txt")).frame["unit"][0] == "700"
        )
    both = written(tmp_path, "a;b,c\n1;2,3\n4;5,6\n")
    with pytest.raises(tc.TocsinError, match="comma .2 columns. or semicolon .2 columns.; say separator="):
        tc.read(both)
    assert list(tc.read(both, separator=";").frame) == ["a", "b,c"]
    decimals = written(
        tmp_path, case("vdem").replace(",", ";").replace("0.375", "0,375").replace("0.25", "0,25")
    )
    with pytest.raises(tc.HistoryError, match="write a point before the decimals"):
        tc.read(decimals)
    assert tc.read(decimals, decimal=",").frame["v2x_polyarchy"][0] == 0.375


def test_a_version_that_is_not_known_says_what_was_expected_and_found(tmp_path: Path) -> None:
    path = written(tmp_path, case("polity").replace(",polity2,", ",polity_2nd,"))
    with pytest.raises(
        tc.TocsinError, match=r"looks like Polity5.*expected ccode.*not found: polity2; found: p5, cyear"
    ):
        tc.read(path)
    assert tc.read(path, dataset="table").kind == "table"
    with pytest.raises(tc.TocsinError, match=r"it is no UCDP.*not found"):
        tc.read(path, dataset="ged")
    with pytest.raises(tc.TocsinError, match="did you mean 'polity'"):
        tc.read(path, dataset="politi")


def test_blank_lines_before_the_header(tmp_path: Path) -> None:
    assert tc.read(written(tmp_path, "\n\r\n" + case("polity"))).rows["used"] == 4
    assert tc.read(written(tmp_path, case("polity").replace("\n", "\r\n"))).rows["used"] == 4


SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here")
def test_files_as_they_are_published() -> None:
    nodes = tc.read(SHARED / "netdiffuseR" / "medInnovations_nodes.csv")
    edges = tc.read(SHARED / "netdiffuseR" / "medInnovations_edges.csv")
    assert (nodes.rows["used"], edges.rows["read"]) == (125, 294)
    assert len(tc.read(SHARED / "states" / "cowstates.csv").frame) == 243
    assert len(tc.read(SHARED / "states" / "gwstates.csv").frame) == 239


def test_names_of_columns_in_any_case_and_empty_rows(tmp_path: Path) -> None:
    text = case("polity").replace("ccode", "CCODE").replace("polity2", "Polity2") + ",,,,,,,,,,,,,\n"
    reading = tc.read(written(tmp_path, text))
    assert reading.rows == {"read": 5, "used": 4, "left out: the row is empty": 1}


def test_faults_name_row_and_value(tmp_path: Path) -> None:
    bad = case("polity").replace("AFG,Afghanistan,1978", "AFG,Afghanistan,197o")
    with pytest.raises(tc.HistoryError, match=r"column year: row 1: a number is wanted \('197o'\)"):
        tc.read(written(tmp_path, bad))
    empty = "\n".join(
        line if k == 0 else line.replace(",700,", ",,") for k, line in enumerate(case("polity").splitlines())
    )
    with pytest.raises(tc.TocsinError, match="the column ccode is empty"):
        tc.read(written(tmp_path, empty))
    with pytest.raises(tc.TocsinError, match="1 rows do not fit the header: row 2: 13 cells"):
        tc.read(written(tmp_path, case("polity").replace("1978,0,,", "1978,0,")))
    with pytest.raises(tc.TocsinError, match=r"1/2/1999 may be two days"):
        tc.read(written(tmp_path, case("ged").replace("1990-05-01,1990-05-31", "1/5/1990,1990-05-31")))
    with pytest.raises(tc.TocsinError, match="no table is read from .zip"):
        tc.read(written(tmp_path, "x", "x.zip"))
    with pytest.raises(tc.TocsinError, match="No such file"):
        tc.read(tmp_path / "absent.csv")


def test_every_kind_of_file_gives_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pyreadstat")
    import pyreadstat

    text = tc.read(written(tmp_path, case("polity"))).frame
    frame = pd.read_csv(tmp_path / "my data.csv")
    frame.to_parquet(tmp_path / "p.parquet")
    pyreadstat.write_dta(frame, str(tmp_path / "p.dta"))
    pyreadstat.write_sav(frame, str(tmp_path / "p.sav"))
    for name in ("p.parquet", "p.dta", "p.sav"):
        pd.testing.assert_frame_equal(tc.read(tmp_path / name).frame, text, check_dtype=False)


def test_a_table_of_no_data_set_is_read_as_it_is(tmp_path: Path) -> None:
    reading = tc.read(written(tmp_path, "who,when,how much\na,1999,1.5\nb,2000,NA\n"))
    assert reading.kind == "table" and reading.frame["when"].tolist() == [1999, 2000]
    assert np.isnan(reading.frame["how much"][1]) and reading.frame["who"].tolist() == ["a", "b"]


def workbook(path: Path, rows: list[list[str]]) -> Path:
    """A workbook of one sheet: the fewest parts that a reader of Excel files asks for."""
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>"
        for row in rows
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
        f'ContentType="{kind}.sheet.main+xml"/><Override PartName="/xl/s.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="one" sheetId="1" '
        'r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="s.xml"/></Relationships>',
        "xl/s.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w") as book:
        for name, text in parts.items():
            book.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return path


def test_excel_and_r(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    rdata = pytest.importorskip("rdata")
    text = tc.read(written(tmp_path, case("polity"))).frame
    book = workbook(tmp_path / "p.xlsx", [line.split(",") for line in case("polity").splitlines()])
    pd.testing.assert_frame_equal(tc.read(book).frame, text, check_dtype=False)
    frame = pd.read_csv(tmp_path / "my data.csv", dtype={"scode": object, "country": object})
    rdata.write_rds(tmp_path / "p.rds", frame)
    rdata.write_rda(tmp_path / "p.rda", {"p5": frame})
    for name in ("p.rds", "p.rda"):
        pd.testing.assert_frame_equal(tc.read(tmp_path / name).frame, text, check_dtype=False)


def test_a_wide_file_is_read_by_the_columns_that_are_wanted(tmp_path: Path) -> None:
    many = [f"v2x{k}" for k in range(3000)]
    header, *lines = case("vdem").splitlines()
    wide = (
        "\n".join([",".join([header, *many]), *(",".join([line, *["0.5"] * 3000]) for line in lines)]) + "\n"
    )
    reading = tc.read(written(tmp_path, wide), columns=["v2x2999"])
    assert reading.frame.shape[1] < 20 and reading.frame["v2x2999"].astype(float).tolist() == [0.5, 0.5]
