"""The ledger: what worlds return of what was staked, counted by hand; declarations, files, and wrong input."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.road import small_folder
from helpers.small_wave import wave
from typer.testing import CliRunner

import tocsin as tc
from tocsin.cli.main import app
from tocsin.ensemble.paired import observed_world
from tocsin.ensemble.spells import wilson

FOLDER = Path(str(tc.__file__)).parent / "histories" / "1917"


def ledger(**changes: object) -> tc.Ledger:
    """Return a ledger about the small wave: Hungary's coal goes to Italy, and comes back if Austria rises."""
    content = {
        "stocks": [
            tc.Stock("coal", "hungary", 80, "%", whole=100, rivals=[tc.Figure("70 or so", 60, 75, "a book")]),
            tc.Stock("people", "hungary", 2.0, "millions", place="slovakia"),
            tc.Stock("people", "hungary", 3.0, "millions", place="austria"),
            tc.Stock("art", "hungary", 5),
        ],
        "treaties": [tc.Treaty("peace", "italy", ["coal", "people"], at="1919-04-01")],
        "clauses": [
            tc.Clause("revolution", "austria regime=soviet", ["coal"], by="1919-10-31"),
            tc.Clause("land by land", "place regime=soviet", ["people"], at="1919-12-31"),
        ],
        "title": "A test",
    }
    return tc.Ledger(**(content | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def worlds() -> tc.Ensemble:
    history, given = wave()
    return given.simulate(history, worlds=400, seed=3)  # type: ignore[attr-defined,no-any-return]


def test_each_world_is_valued_as_a_count_by_hand_says(worlds: tc.Ensemble) -> None:
    value = ledger().value(worlds)
    assert len(value) == 400 * 3  # nothing moves the art
    assert (value["signed"] == 90).all() and (value["signed_on"] == "1919-04-01").all()
    spells = worlds.durations("regime", "soviet")
    austria = spells[spells["unit"] == "austria"]
    limit = worlds.frame.to_number("1919-11-01")
    for world in range(0, 400, 4):
        row = value[(value["world"] == world) & (value["stock"] == "coal")].iloc[0]
        mine = austria[(austria["world"] == world) & (austria["end"] > 90) & (austria["start"] < limit)]
        when = max(90.0, mine["start"].min()) if len(mine) else math.nan
        assert row["returned_at"] == when or (math.isnan(when) and math.isnan(row["returned_at"]))
        assert (row["returned"], row["returned_low"], row["returned_high"]) == (
            (80, 60, 80) if len(mine) else (0, 0, 0)
        )
        assert row["holder"] == ("hungary" if len(mine) else "italy")
        for place, amount in (("slovakia", 2.0), ("austria", 3.0)):
            held = spells[
                (spells["world"] == world) & (spells["unit"] == place) & spells["censored"]
            ]  # at the end of the last day
            row = value[(value["world"] == world) & (value["place"] == place)].iloc[0]
            assert row["returned"] == (amount if len(held) else 0.0)
            if len(held):
                assert row["returned_at"] == max(90.0, held["start"].iloc[0])
    assert {"revolution", "land by land"} == set(value["way"].dropna())


def test_the_cause_of_a_return_is_that_of_its_event(worlds: tc.Ensemble) -> None:
    value = ledger().value(worlds)
    events = worlds.events.to_pandas()
    found = value.dropna(subset=["cause"])
    assert len(found) > 50
    places = found["place"].astype(object).fillna("austria")
    for row, place in zip(found.to_dict("records"), places, strict=True):
        mine = events[
            (events["world"] == row["world"])
            & (events["unit"] == place)
            & (events["time"] == row["returned_at"])
            & (events["to"] == "soviet")
        ]
        assert list(mine["cause"]) == [row["cause"]]
    held = value[value["returned_at"] == 90.0]
    assert held["cause"].isna().all()


def test_shares_and_amounts_have_their_intervals(worlds: tc.Ensemble) -> None:
    book = ledger()
    value, summary = book.value(worlds), book.summary(worlds).set_index("stock")
    coal = value[value["stock"] == "coal"]
    share = float((coal["returned"] > 0).mean())
    lower, upper = wilson(np.array([share]), 400)
    assert summary.loc["coal", "returned"] == pytest.approx(share)
    assert summary.loc["coal", "returned_lower"] == pytest.approx(lower[0])
    assert summary.loc["coal", "returned_upper"] == pytest.approx(upper[0])
    assert summary.loc["coal", ["amount", "low", "high"]].tolist() == [80, 60, 80]
    people = value[value["stock"] == "people"].groupby("world")["returned"].sum()
    assert summary.loc["people", "mean"] == pytest.approx(people.mean())
    for name, level in (("q05", 0.05), ("q50", 0.5), ("q95", 0.95)):
        assert summary.loc["people", name] == np.quantile(people, level, method="inverted_cdf")
    dates = ["1919-05-01", "1919-08-01", "1919-12-31"]
    found = book.returned(worlds, dates)
    shares = found[found["clause"] == "revolution"]["share"].tolist()
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] < 1
    assert book.returned(worlds).iloc[0]["share"] == pytest.approx(share)
    assert (found["lower"] <= found["share"]).all() and (found["share"] <= found["upper"]).all()


def test_a_treaty_may_need_a_state_and_a_condition_may_have_to_last(worlds: tc.Ensemble) -> None:
    soviet = "hungary regime=soviet"
    gated = ledger(treaties=[tc.Treaty("peace", "italy", ["coal"], at="1919-04-01", when=soviet)], clauses=[])
    probability = worlds.probability("regime", "soviet", ["1919-04-01"]).sel(unit="hungary")
    assert (gated.value(worlds)["staked"] > 0).mean() == pytest.approx(float(probability[0]))
    free = ledger(treaties=[tc.Treaty("peace", "italy", ["coal"], when=soviet)], clauses=[])
    first = worlds.first_times("regime", "soviet").query("unit == 'hungary'").set_index("world")["time"]
    signed = free.value(worlds).set_index("world")["signed"].dropna()
    assert (signed == first.loc[signed.index]).all() and len(signed) == len(first)
    spells = worlds.durations("regime", "soviet").query("unit == 'austria'")
    lasting = ledger(clauses=[tc.Clause("stands", "austria regime=soviet", ["coal"], lasting=40)])
    length = spells["end"] - spells["start"].clip(lower=90)
    expected = set(spells["world"][length >= 40])
    value = lasting.value(worlds).query("stock == 'coal' and returned > 0")
    assert set(value["world"]) == expected
    either = ledger(clauses=[tc.Clause("one of two", "austria|slovakia regime=soviet|restored", ["coal"])])
    alone = ledger(clauses=[tc.Clause("one", "austria regime=soviet|restored", ["coal"])])
    assert either.returned(worlds)["returned"][0] >= alone.returned(worlds)["returned"][0] > 0


def test_the_earliest_clause_gives_back_and_a_dated_one_comes_in_every_world(worlds: tc.Ensemble) -> None:
    both = ledger(
        clauses=[
            tc.Clause("revolution", "austria regime=soviet", ["coal"]),
            tc.Clause("annulment", at="1919-08-01", stocks=["coal"]),
        ]
    )
    value = both.value(worlds).query("stock == 'coal'")
    assert (value["returned"] == 80).all()
    early = value["way"] == "revolution"
    assert 0 < early.mean() < 1
    assert (value["returned_at"][early] <= 212).all() and (value["returned_at"][~early] == 212).all()


def test_what_happened_is_valued_by_the_same_rules() -> None:
    history, _ = wave()
    book = ledger(
        treaties=[tc.Treaty("peace", "italy", ["coal"], at="1919-02-01")],
        clauses=[tc.Clause("revolution", "hungary regime=soviet")],
    )
    row = book.in_fact(history).iloc[0]
    assert (row["returned"], str(row["returned_on"].date()), row["way"]) == (80, "1919-03-21", "revolution")
    assert book.value(observed_world(history)).equals(book.in_fact(history))


def test_an_ensemble_in_parts_gives_the_same_answers(worlds: tc.Ensemble, tmp_path: Path) -> None:
    history, given = wave()
    parts = given.simulate(history, worlds=400, seed=3, folder=tmp_path / "parts")  # type: ignore[attr-defined]
    assert len(parts.parts) > 3
    book = ledger()
    pd.testing.assert_frame_equal(book.value(parts), book.value(worlds), check_categorical=False)
    pd.testing.assert_frame_equal(book.summary(parts), book.summary(worlds))
    pd.testing.assert_frame_equal(book.returned(parts), book.returned(worlds))
    outcome = tc.Outcome.parse("time regime=soviet")
    assert (outcome(parts) == outcome(worlds)).all()


def test_times_may_be_numbers(worlds: tc.Ensemble) -> None:
    history = tc.History(
        units={"unit": ["a", "b"]},
        events={"unit": ["b"], "variable": ["s"], "state": ["on"], "time": [4.0]},
        variables=[tc.StateVariable("s", ["off", "on"])],
        window=(0, 10),
    )
    stocks, treaty = [tc.Stock("corn", "a", 1)], [tc.Treaty("deal", "b", "corn", at=2)]
    for by, back in ((3.9, 0), (4.0, 1), (9, 1)):
        book = tc.Ledger(stocks, treaty, [tc.Clause("turn", "b s=on", by=by)])
        row = book.in_fact(history).iloc[0]
        assert row["returned"] == back and "returned_on" not in row
        assert tc.Ledger.from_toml(book.to_toml()) == book


def test_break_even_is_the_formula() -> None:
    book = ledger()
    level = book.break_even([0.0, 0.2, 0.9])
    assert level["stock"].unique().tolist() == ["coal"]  # the whole of the others is not known
    assert level["probability"].tolist() == pytest.approx([1.0, 1 - 20 / 80, 0.0])
    assert level["probability_low"].tolist() == pytest.approx([1.0, 1 - 20 / 60, 0.0])
    assert level["probability_high"].tolist() == pytest.approx([1.0, 1 - 20 / 80, 0.0])
    other = book.break_even(losing={"people": 4.0})
    assert other["probability"].tolist() == pytest.approx([1 - 4 / 5])
    with pytest.raises(tc.ModelError, match=r"between 0 and 1, not 1.5[\s\S]*did you mean 'people'"):
        book.break_even([1.5], losing={"peeple": 1})


def test_the_bet_turns_the_worlds_into_a_risk(worlds: tc.Ensemble) -> None:
    book = ledger()
    row = book.bet(worlds).iloc[0]
    found = book.returned(worlds).iloc[0]
    assert row["risk"] == pytest.approx(0.8 * (1 - found["share"]))
    assert row["risk_low"] == pytest.approx(0.6 * (1 - found["upper"]))
    assert row["risk_high"] == pytest.approx(0.8 * (1 - found["lower"]))
    with pytest.raises(tc.ModelError, match="there is no clause 'revolutions'; did you mean 'revolution'"):
        book.bet(worlds, "revolutions")


def test_a_wrong_ledger_is_refused_whole() -> None:
    with pytest.raises(tc.ModelError) as caught:
        tc.Ledger(
            [
                tc.Stock("coal", "a", -1),
                tc.Stock("iron", "a", 5, whole=4),
                tc.Stock("iron", "a", 5, confidence="hihg"),
                tc.Stock("gold", "a", math.nan),
                tc.Stock("corn", "a", "much", whole="all"),  # type: ignore[arg-type]
                tc.Stock("salt", "a", 1, whole="all", rivals=[tc.Figure("5 to 4", 5, 4)]),  # type: ignore[arg-type]
                tc.Stock("wood", "a", 1, whole="all"),  # type: ignore[arg-type]
            ],
            [
                tc.Treaty("one", "b", ["coal", "irn"]),
                tc.Treaty("two", "b", ["coal"], at="1918-03-03", when="a regime"),
            ],
            [
                tc.Clause("back", "regime=soviet", ["gold"], lasting=-1),
                tc.Clause("back", "place regime=soviet", ["coal"], at="1919-01-01", by="1919-01-01"),
                tc.Clause("never"),
                tc.Clause("nobody", "| regime=soviet", lasting="long"),  # type: ignore[arg-type]
            ],
        )
    text = str(caught.value)
    for part in (
        "'coal': amount must be at least 0, not -1",
        "whole, 4, is less than a figure of the part, 5",
        "stock 'iron': declared twice",
        "did you mean 'high'?",
        "'gold': amount must be at least 0, not nan",
        "'corn': amount is a number, not 'much'",
        "the rival figure '5 to 4' has low 5 and high 4",
        "'wood': whole is a number, not 'all'",
        "cannot read the condition '| regime=soviet'",
        "lasting is a number, not 'long'",
        "treaty 'one': say when it moves stocks",
        "there is no stock 'irn'; did you mean 'iron'?",
        "the stock 'coal' is already moved by 'one'",
        "cannot read the condition 'a regime'",
        "cannot read the condition 'regime=soviet'",
        "no treaty moves the stock 'gold'",
        "lasting must be at least 0, not -1",
        "the stock 'coal' lies in no place",
        "give at or by, not both",
        "clause 'never': say when it gives back",
        "clauses: 'back' is named twice",
    ):
        assert part in text, part


def test_names_and_dates_that_worlds_do_not_have_are_refused_in_one_go(worlds: tc.Ensemble) -> None:
    book = tc.Ledger(
        [tc.Stock("coal", "hungry", 1), tc.Stock("land", "italy", 1, place="slovenia")],
        [tc.Treaty("peace", "itly", ["coal", "land"], at="1920-04-01")],
        [
            tc.Clause("a", "autria regime=soviet"),
            tc.Clause("b", "austria regime=soviets", by="soon"),
            tc.Clause("c", "austria regimes=soviet"),
        ],
    )
    with pytest.raises(tc.TocsinError) as caught:
        book.value(worlds)
    text = str(caught.value)
    for part in (
        "no unit 'hungry'; did you mean 'hungary'",
        "no unit 'slovenia'; did you mean 'slovakia'",
        "no unit 'itly'; did you mean 'italy'",
        "the time 1920-04-01 lies outside the window",
        "no unit 'autria'; did you mean 'austria'",
        "'soviets'; did you mean 'soviet'",
        "'soon' is not a date",
        "unknown variable 'regimes'; did you mean 'regime'",
    ):
        assert part in text, part
    with pytest.raises(tc.TocsinError, match="outside the window"):
        ledger().returned(worlds, ["1925-01-01"])


def test_a_ledger_is_the_same_after_toml(tmp_path: Path) -> None:
    book = ledger(facts=[tc.Fact("signed", "1919-04-01", "date", "a book", note="twice")], note="a note")
    assert tc.Ledger.from_toml(book.to_toml()) == book
    path = tmp_path / "ledger.toml"
    path.write_text(book.to_toml(), encoding="utf-8")
    assert tc.load_ledger(path) == book
    assert tc.Treaty("x", "b", "coal", at=date(1919, 4, 1)).at == "1919-04-01"


def test_a_wrong_file_is_refused_with_every_place(tmp_path: Path) -> None:
    path = tmp_path / "ledger.toml"
    path.write_text(
        """
tilte = "x"
[[stock]]
name = "coal"
holder = "a"
amuont = 3
[[stock]]
name = "iron"
holder = 4
amount = "much"
rivals = [{text = "5", low = "five"}]
[[treaty]]
name = "peace"
taker = "b"
stocks = 3
at = "March"
""",
        encoding="utf-8",
    )
    with pytest.raises(tc.ModelError) as caught:
        tc.load_ledger(path)
    text = str(caught.value)
    assert str(path) in text
    for part in (
        "unknown key 'tilte'; did you mean 'title'",
        "stock 1 (coal): unknown key 'amuont'; did you mean 'amount'",
        "stock 1 (coal): the key 'amount' is missing",
        "stock 2 (iron): holder is text, not 4",
        "stock 2 (iron): amount is a number, not 'much'",
        "stock 2 (iron), rival 1: low is a number, not 'five'",
        "treaty 1 (peace): stocks is a list of names, not 3",
        "treaty 1 (peace): at is a date such as 1918-03-03, not 'March'",
    ):
        assert part in text, part
    path.write_text("[[stock]", encoding="utf-8")
    with pytest.raises(tc.ModelError, match="not TOML"):
        tc.load_ledger(path)
    with pytest.raises(tc.ModelError, match="has no ledger"):
        tc.load_ledger(tmp_path / ".." / tmp_path.name) if path.unlink() is None else None
    with pytest.raises(tc.HistoryError, match="1917"):
        tc.load_ledger("1971")


# --- Brest-Litovsk --------------------------------------------------------------------------------------


def test_the_packaged_ledger_is_what_the_terms_give() -> None:
    import csv
    import sys

    scripts = str(Path(__file__).resolve().parents[1] / "scripts")
    sys.path.insert(0, scripts)
    try:
        import ledger_1917
    finally:
        sys.path.remove(scripts)
    packaged = tc.load_ledger("1917")
    assert packaged == ledger_1917.make()
    with (FOLDER / "brest_litovsk.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["item"]: row for row in csv.DictReader(stream)}
    kept = {stock.name: stock for stock in packaged.stocks}
    for item, name in ledger_1917.STOCKS.items():
        row, stock = rows[item], kept[name]
        assert (stock.amount, stock.measure) == (float(row["value"]), row["unit"])
        assert (stock.source, stock.citation, stock.confidence, stock.note) == (
            row["source"],
            row["citation"],
            row["confidence"],
            row["note"],
        )
        assert "; ".join(rival.text for rival in stock.rivals) == row["alt_value"]
    facts = {fact.name: fact for fact in packaged.facts}
    assert set(rows) == set(facts) | set(ledger_1917.STOCKS)
    assert (kept["territory"].low, kept["territory"].high) == (780_000, 2_500_000)
    assert (kept["wheat_land"].low, kept["wheat_land"].high) == (27, 33)
    assert kept["metal_works"].low == kept["metal_works"].high  # 46.5% is no number of works
    sources = {row["key"] for row in csv.DictReader((FOLDER / "sources.csv").open(encoding="utf-8"))}
    assert {stock.citation for stock in packaged.stocks} <= sources


def test_what_came_back_in_fact() -> None:
    history = tc.load_history("1917")
    value = tc.load_ledger("1917").in_fact(history)
    assert (value["staked"] > 0).all()
    people = value[value["stock"] == "people"].set_index("place")["returned"] > 0
    assert set(people.index[people]) == {"ukraine", "belarus", "georgia", "armenia", "azerbaijan"}
    rest = value[value["stock"] != "people"].set_index("stock")
    assert rest.loc["gold", "returned"] == 0
    others = rest.drop(index="gold")
    assert (others["way"] == "annulment").all() and (others["returned_on"] == "1918-11-13").all()


# --- the verb -------------------------------------------------------------------------------------------

ROAD = """
title = "The road"
[[stock]]
name = "mill"
holder = "aa"
amount = 2
whole = 3
[[treaty]]
name = "sale"
taker = "bb"
stocks = ["mill"]
at = 1919-01-10
[[clause]]
name = "rising"
when = "cc regime=soviet"
"""


def test_the_verb_prints_the_answer_and_writes_tables(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "road")
    (folder / "ledger.toml").write_text(ROAD, encoding="utf-8")
    args = ["ledger", str(folder), "--worlds", "40", "--seed", "3"]
    first = CliRunner().invoke(app, args)
    assert first.exit_code == 0, first.output
    assert "The road: what was staked" in first.output and "What this cannot say" in first.output
    assert "mill 2" in first.output and "1919-01-22" in first.output  # what happened on the road
    again = CliRunner().invoke(
        app,
        [*args, "--by", "1919-01-20", "--do", "force cc regime=soviet at 1919-01-15", "--out", str(tmp_path)],
    )
    assert again.exit_code == 0, again.output
    assert "a rising by 1919-01-20 gives back what was staked" in " ".join(again.output.split())
    assert "Changed in the fit, changed: force cc regime=soviet at 1919-01-15" in " ".join(
        again.output.split()
    )
    table = pd.read_csv(tmp_path / "returned.csv").set_index("worlds_of")
    assert table.loc["the fit, changed", "share"] == 1 > table.loc["the fit", "share"]
    drawn = CliRunner().invoke(app, [*args, "--draws", "best", "--given", "until 1919-01-15"])
    assert drawn.exit_code == 0, drawn.output
    assert "Worlds of the record until 1919-01-15: sale is made in 40 of 40" in " ".join(drawn.output.split())
    assert "all are at the best estimates" in " ".join(drawn.output.split())
    assert "draws of the parameters from their likelihood" in " ".join(again.output.split())
    value = pd.read_csv(tmp_path / "value.csv")
    assert len(value) == 2 * 40 and set(value["staked"]) == {2}
    assert len(pd.read_csv(tmp_path / "staked.csv")) == 1


def test_the_verb_refuses_what_is_wrong(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "road")
    runner = CliRunner()
    missing = runner.invoke(app, ["ledger", str(folder)])
    assert missing.exit_code == 1 and "has no ledger" in missing.output
    (folder / "ledger.toml").write_text(ROAD.replace("cc regime", "cd regime"), encoding="utf-8")
    unknown = runner.invoke(app, ["ledger", str(folder)])
    assert unknown.exit_code == 1 and "there is no unit 'cd'" in unknown.output
    (folder / "ledger.toml").write_text(ROAD, encoding="utf-8")
    for option, code in (
        (["--by", "soon"], 2),
        (["--by", "1950-01-01"], 1),
        (["--worlds", "none"], 2),
        (["--given", "soon"], 2),
    ):
        assert runner.invoke(app, ["ledger", str(folder), *option]).exit_code == code
