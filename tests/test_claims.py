"""Claims: every query runs, every figure comes from the data, and nothing can be smuggled in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import tocsin as tc
from tocsin.cli.main import app
from tocsin.report.claims import (
    FIELD,
    Claims,
    as_words,
    claims_of,
    claims_section,
    frame_of,
    read_claims,
    tally,
    write_claims,
)

HISTORY = tc.load_history("1917")
CLAIMS = claims_of(HISTORY)
NAMES = ("units", "events", "ties", "covariates", "episodes", "sources")
TABLES = {name: HISTORY.table(name).to_pandas() for name in NAMES}
FIGURES = re.compile(r"\d+(?:[.,]\d+)*")


def test_all_claims_have_a_figure_a_verdict_and_a_source() -> None:
    answers = CLAIMS.answered(HISTORY)
    assert [a.claim.id for a in answers] == [f"c{k:02d}" for k in range(1, 29)]
    assert all(a.source and a.figure and a.claim.claim for a in answers)
    assert all(a.stands is not False for a in answers), [a.claim.id for a in answers if a.stands is False]
    bare = [a.claim.id for a in answers if not a.claim.query]
    assert bare == ["c24"] and "not computed" in answers[23].verdict
    assert not any("unknown" in a.figure or "{" in a.figure or "nan" in a.figure for a in answers)
    # What the curated list had found by hand, found again by query.
    figures = {a.claim.id: a.figure for a in answers}
    for name, words in {
        "c05": ["82 days", "367 days", "429"],
        "c10": ["21 March 1919"],
        "c13": ["15 days before Budapest", "32 days before Munich"],
        "c16": ["51 delegates", "29 places"],
        "c18": ["133 days"],
        "c19": ["25 days", "19 of them"],
        "c22": ["930,000", "56 million", "255 days"],
        "c25": ["Of 41", "10 stood"],
    }.items():
        assert all(word in figures[name] for word in words), figures[name]


def changed() -> tuple[dict[str, pd.DataFrame], Claims]:
    """Return the tables with something changed in every one, and the claims with other facts."""
    tables = {name: table.copy() for name, table in TABLES.items()}
    episodes = tables["episodes"]
    # The longer ago, the further it moves: so intervals change as well as dates.
    first = pd.to_datetime(episodes["start"])
    moved = first - pd.to_timedelta((pd.Timestamp("1925-01-01") - first).dt.days // 9, unit="D")
    episodes["start"] = moved.dt.date
    ends = pd.to_datetime(episodes["end"])
    episodes["end"] = (ends - pd.Timedelta(days=3)).where(episodes["place"] != "ukraine").dt.date
    episodes.loc[episodes["by_whom_ended"].notna(), "by_whom_ended"] += ", and others"
    keep = ~((episodes["kind"] == "comintern_delegate") & episodes["place"].isin(["france", "korea", "usa"]))
    new = episodes[episodes["place"] == "sweden"].assign(place="japan", kind="comintern_delegate")
    tables["episodes"] = pd.concat([episodes[keep], new], ignore_index=True)
    covariates = tables["covariates"]
    covariates["value"] = covariates["value"] + 1.0
    split = covariates["covariate"] == "party_split"
    covariates.loc[split, "value"] = 1.0
    for column in ("start", "end"):
        dates = pd.to_datetime(covariates[column])
        covariates[column] = (dates + pd.Timedelta(days=2)).dt.date
    tables["ties"] = tables["ties"].iloc[::2].reset_index(drop=True)
    units = tables["units"]
    units.loc[units["unit"] == "bavaria", "kind"] = "a kingdom"
    extra = {name: table.copy() for name, table in CLAIMS.tables.items()}
    facts = extra["facts"]
    facts["value"] = [FIGURES.sub(_another, str(value), count=1) for value in facts["value"]]
    terms = extra["brest_litovsk"]
    terms["value"] = [FIGURES.sub(_another, str(value), count=1) for value in terms["value"]]
    return tables, Claims(CLAIMS.title, CLAIMS.about, CLAIMS.claims, extra, CLAIMS.setup)


def _another(found: re.Match[str]) -> str:
    text = found.group(0)
    return str(int(text) + 1) if text.isdigit() else f"{float(text) * 1.1:.3f}"


def test_every_figure_follows_the_data() -> None:
    before = CLAIMS.answers(TABLES)
    tables, claims = changed()
    after = claims.answers(tables)
    for old, new in zip(before, after, strict=True):
        if old.claim.query:
            assert old.figure != new.figure, (old.claim.id, old.figure)
    # And a verdict that the data no longer bear out is not repeated as if it were.
    ends = tables["episodes"]["place"].eq("hungary") & tables["episodes"]["kind"].eq("soviet_republic")
    tables["episodes"].loc[ends, "end"] = pd.Timestamp("1919-04-01").date()
    hungary = next(a for a in claims.answers(tables) if a.claim.id == "c18")
    assert hungary.stands is False and "do not bear it out" in hungary.verdict


def test_no_figure_is_typed() -> None:
    for claim in CLAIMS.claims:
        bare = FIELD.sub("", claim.sentence).replace("of 100", "")
        assert not re.search(r"\d", bare), claim.id
    facts = CLAIMS.tables["facts"]
    assert facts["citation"].notna().all() and facts["key"].is_unique
    assert set(facts["confidence"]) <= {"high", "medium", "low", "unrated"}
    asked = CLAIMS.setup + " ".join(claim.query for claim in CLAIMS.claims)
    assert all(f"'{key}'" in asked for key in facts["key"]), "every fact is used"


def test_files_of_all_kinds(tmp_path: Path) -> None:
    answers = CLAIMS.answered(HISTORY)
    for name in ("a.csv", "a.html", "a.md"):
        write_claims(CLAIMS, answers, tmp_path / name)
        assert "133 days" in (tmp_path / name).read_text(encoding="utf-8")
    read = pd.read_csv(tmp_path / "a.csv")
    assert list(read["id"]) == [a.claim.id for a in answers] and read["source"].notna().all()
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<h1>What the page says</h1>" in page and "<script" not in page and page.count("<li ") == 28
    assert tally(answers).startswith("Of 28 claims 9 true, 10 approximately, 8 contested and 1 false")
    with pytest.raises(tc.TocsinError, match=r"\.csv, \.html or \.md"):
        write_claims(CLAIMS, answers, tmp_path / "a.pdf")
    assert len(frame_of(answers)) == 28


def folder(path: Path, text: str, tables: dict[str, str] | None = None) -> tc.History:
    """Return a small history that brings claims of its own."""
    regime = tc.StateVariable("regime", ["old", "soviet"])
    tc.History(
        {"unit": ["a", "b"]},
        {"unit": ["a"], "variable": ["regime"], "state": ["soviet"], "time": [2.0]},
        variables=[regime],
        window=(0.0, 5.0),
    ).write(path)
    (path / "claims.toml").write_text(text, encoding="utf-8")
    for name, content in (tables or {}).items():
        (path / name).write_text(content, encoding="utf-8")
    return tc.load_history(path)


OWN = '''
title = "What is said"
tables = ["own.csv"]
[[claim]]
id = "one"
claim = "Many <b>rose</b>"
sentence = "{count} of {all} rose, at {when}; {word}."
query = """
SELECT count(*) AS count, (SELECT count(*) FROM units) AS "all", max(time) AS "when", (SELECT max(x) FROM own) AS word
FROM events"""
stands = "count > 1"
verdict = "true"
citation = "A book"
'''


def test_a_history_brings_its_own(tmp_path: Path) -> None:
    history = folder(tmp_path / "h", OWN, {"own.csv": "x\n<i>odd</i>\n"})
    claims = claims_of(history)
    (answer,) = claims.answered(history)
    assert answer.figure == "1 of 2 rose, at 2; <i>odd</i>."
    assert answer.stands is False
    text = claims_section(claims, [answer])
    assert "<i>" not in text and "<b>rose" not in text
    history.write(tmp_path / "again")
    assert claims_of(tc.load_history(tmp_path / "again")).answered(history)[0].figure == answer.figure
    assert (
        claims_of(history.select(units=["a"]))
        .answered(history.select(units=["a"]))[0]
        .figure.startswith("1 of 1")
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{count} of", "3 of", "a figure is typed"),
        ("{count}", "{cuont}", "did you mean 'count'"),
        ("SELECT count", "SELEC count", "SQL"),
        ("FROM events", "FROM events, units", None),
        ("max(time)", "time", "SQL"),
        ('verdict = "true"', 'verdict = "tru"', "did you mean 'true'"),
        ("stands", "stand", "did you mean 'stands'"),
        ('id = "one"', 'id = ""', "without an id"),
        ('"own.csv"', '"../own.csv"', "in the folder of its history"),
        ('"own.csv"', '"other.csv"', "cannot be read"),
        ("[[claim]]\nid", "[[claim]]\nid = 3\n#", "without an id"),
        ("title", "titel", "did you mean 'title'"),
        ("[[claim]]", "[[claims]]", "did you mean 'claim'"),
        (
            "SELECT count(*) AS count,",
            "SELECT (SELECT content FROM read_text('/etc/passwd')) AS count,",
            "SQL",
        ),
        ("{when}", "{word:.2f}", "one"),
        ("{when}", "{when.__class__}", "typed|{when"),
    ],
)
def test_wrong_and_hostile_claims(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    assert old in OWN
    history = folder(tmp_path / "h", OWN.replace(old, new, 1), {"own.csv": "x\nodd\n"})
    if said is None:
        claims_of(history).answered(history)
        return
    try:
        answers = claims_of(history).answered(history)
    except tc.TocsinError as error:
        assert re.search(said, str(error)), error
    else:
        assert "{when.__class__}" in answers[0].figure


def test_a_query_gives_one_row(tmp_path: Path) -> None:
    text = OWN.replace('FROM events"', "FROM events WHERE unit = 'z' GROUP BY unit\"")
    history = folder(tmp_path / "h", text, {"own.csv": "x\nodd\n"})
    with pytest.raises(tc.TocsinError, match="gives 0 rows"):
        claims_of(history).answered(history)
    with pytest.raises(tc.TocsinError, match="two claims have the id"):
        path = tmp_path / "h" / "claims.toml"
        path.write_text(OWN + OWN[OWN.index("[[claim]]") :], encoding="utf-8")
        read_claims(path)


@pytest.mark.parametrize(
    ("value", "form", "words"),
    [
        (1234567, "", "1,234,567"),
        (1919, "d", "1919"),
        (0.5, ".0%", "50%"),
        (pd.Timestamp("1919-03-02"), "", "2 March 1919"),
        (pd.Timestamp("1919-03-02"), "%B %Y", "March 1919"),
        (["a", "b", "c"], "", "a, b and c"),
        ([], "", "none"),
        (None, "", "unknown"),
        (float("nan"), "", "unknown"),
        (True, "", "yes"),
        ("x", "", "x"),
    ],
)
def test_values_as_words(value: Any, form: str, words: str) -> None:
    assert as_words(value, form) == words


def tocsin(*words: str) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_verb(tmp_path: Path) -> None:
    one = tocsin("claims", "1917", "--id", "c18")
    assert one.exit_code == 0 and "133 days" in one.output and "SELECT" in one.output
    lost = tocsin("claims", "1917", "--id", "c88")
    assert lost.exit_code == 1 and "there is no claim" in lost.output
    assert tocsin("claims", "1917", "--out", "a.pdf").exit_code == 2
    assert tocsin("claims", "1917", "--out", str(tmp_path / "a.md")).exit_code == 0
    folder(tmp_path / "h", OWN, {"own.csv": "x\nodd\n"})
    (tmp_path / "h" / "claims.toml").unlink()
    none = tocsin("claims", str(tmp_path / "h"))
    assert none.exit_code == 1 and "brings no claims" in none.output
