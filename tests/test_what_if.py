"""What-if questions: the answer under each question, its words, its page, and the verbs that ask."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from helpers.road import MODEL, small_folder, small_history
from typer.testing import CliRunner

import tocsin as tc
from tocsin.cli.main import app
from tocsin.report.what_if_page import ask, comparison_of
from tocsin.what_if.answer import WhatIf, dated_layers, signed_mean

PARAMS = {
    "regime: old > soviet | baseline | propensity | 1": -4.5,
    "regime: old > soviet | road | susceptibility | 1": -3.0,
    "regime: soviet > old | baseline | propensity | 1": -3.5,
}


def given() -> tuple[tc.History, object]:
    return small_history(), tc.Model.from_toml(MODEL).with_params(PARAMS)


def asked(*do: str, **more: object) -> WhatIf:
    history, model = given()
    return model.what_if(history, list(do), **{"worlds": 300, "seed": 5, **more})  # type: ignore[attr-defined, no-any-return]


def test_an_answer_is_the_difference_of_its_two_ensembles() -> None:
    history, model = given()
    answer = asked("prevent bb regime=soviet")
    one = model.simulate(history, 300, 5, ["prevent bb regime=soviet"])  # type: ignore[attr-defined]
    other = model.simulate(history, 300, 5)  # type: ignore[attr-defined]
    pair = answer.pairs["cause"]
    assert pair.changed.events.equals(one.events)
    assert pair.unchanged.events.equals(other.events)
    table = answer.table().set_index("measure")
    mean = (one.counts("regime", "soviet")["entries"] - other.counts("regime", "soviet")["entries"]).mean()
    assert table.loc["entries", "difference"] == pytest.approx(mean)
    assert list(table.index[:4]) == ["entries", "units", "first", "duration"]
    assert table.index[4] == "standing 1919-03-01"
    assert list(answer.table(at=["1919-01-20"])["measure"])[-1] == "standing 1919-01-20"
    assert answer.variance_ratio()["entries"] > 1
    units = answer.units().set_index("unit")
    assert units.index[0] == "bb"
    assert units.loc["bb", "share"] == 0
    assert answer.chains().table()["path"].iloc[0] == "change → bb"
    low = answer.range().set_index("measure").loc["entries"]
    assert low["low"] == low["high"] == pytest.approx(mean)
    with pytest.raises(tc.TocsinError, match="name the state of 'regime'"):
        answer.table("regime")
    with pytest.raises(tc.TocsinError, match="no worlds under 'fresh' clocks; there are: cause"):
        answer.chains("fresh")


def test_our_own_world_is_asked_under_every_coupling() -> None:
    """What is not changed stays as it was (VERIFY 12), and the range spans the couplings."""
    nothing = asked("scale layer road by 1", given="history", worlds=40)
    assert list(nothing.pairs) == ["cause", "source", "fresh"]
    for pair in nothing.pairs.values():
        assert pair.same.all()
        assert (pair.changed.counts("regime", "soviet")["entries"] == 4).all()
    answer = asked("prevent bb regime=soviet", given="history")
    table = answer.table()
    entries = table[table["measure"] == "entries"].set_index("clocks")
    assert set(entries.index) == {"cause", "source", "fresh"}
    assert (entries["unchanged"] == 4).all()
    span = answer.range().set_index("measure").loc["entries"]
    assert span["low"] == entries["difference"].min()
    assert span["high"] == entries["difference"].max()
    assert span["expected_lower"] <= span["low"]
    assert span["expected_upper"] >= span["high"]
    text = str(answer)
    assert "cause clocks" in text
    assert "fresh clocks" in text
    assert "No data can tell which coupling is right" in text
    one = asked("prevent bb regime=soviet", given="history", clocks="source")
    assert list(one.pairs) == ["source"]
    assert (
        one.table()
        .drop(columns="clocks")
        .equals(table[table["clocks"] == "source"].drop(columns="clocks").reset_index(drop=True))
    )


def test_worlds_that_agree_until_a_date_differ_after_it_only() -> None:
    answer = asked("remove layer road from 1919-01-25", given="until 1919-01-20")
    pair = answer.pairs["cause"]
    for side in (pair.changed, pair.unchanged):
        early = side.events.to_pandas()
        early = early[early["time"] < 19]
        assert set(zip(early["unit"], early["to"], strict=True)) == {("aa", "soviet"), ("bb", "soviet")}
    assert (answer.chains().events["time"] >= 24).all()
    assert "agree with what happened until 20 January 1919" in str(answer)


def test_against_another_change_the_two_scenarios_stand_side_by_side() -> None:
    answer = asked("prevent bb regime=soviet", against="prevent cc regime=soviet")
    units = answer.units().set_index("unit")
    assert units.loc["bb", "share"] == 0
    assert units.loc["cc", "share_unchanged"] == 0
    assert "beside: prevent cc regime=soviet" in answer.question
    same = asked("prevent bb regime=soviet", against=["prevent bb regime=soviet"])
    assert same.pairs["cause"].same.all()
    assert "In every world not one event of any kind changes." in str(same)


def test_worlds_with_parameters_of_their_own() -> None:
    draws = pd.DataFrame([PARAMS, {name: value - 1 for name, value in PARAMS.items()}])
    answer = asked("remove layer road", draws=draws, worlds=60)
    assert answer.drawn
    assert "taken as if they were certain" not in str(answer)
    plain = asked("remove layer road", worlds=60)
    first = [each.pairs["cause"].changed.events.to_pandas() for each in (answer, plain)]
    left, right = (frame[frame["world"] % 2 == 0].reset_index(drop=True) for frame in first)
    pd.testing.assert_frame_equal(left, right)


def test_the_sentences_say_what_the_table_says() -> None:
    answer = asked("remove layer road")
    row = answer.table().set_index("measure").loc["entries"]
    text = str(answer)
    head = f"The expected effect at the given parameters is {signed_mean(row['difference'])}"
    assert f"{head} (95% interval {signed_mean(row['expected_lower'])}" in text
    assert f"In one wave the difference lies between {signed_mean(row['wave_lower'], 0)} and" in text
    fewer = f"There are fewer in {round(100 * row['less'])} of 100 worlds"
    assert fewer in text
    assert "no doubt about the parameters" in text
    assert [signed_mean(x) for x in (-0.5, 0.25, 0.001, -0.004)] == ["−0.50", "+0.25", "0", "0"]
    assert "<script>" not in answer._repr_html_()
    assert repr(answer).startswith("WhatIf('remove layer road', given='nothing'")


def test_dated_ties_are_named_and_gated_ones_told_apart() -> None:
    """Aid may be sent to where a rising has begun; troops act only on what has risen."""
    regime = tc.StateVariable("regime", ["old", "soviet"])
    ties = {
        "layer": ["aid", "troops", "road"],
        "source": ["a", "a", "a"],
        "target": ["b", "b", "b"],
        "start": ["1919-01-10", "1919-01-10", "1919-01-01"],
        "end": ["1919-02-10", "1919-02-10", "1919-03-01"],
    }
    history = tc.History(
        {"unit": ["a", "b"]}, ties=ties, variables=[regime], window=("1919-01-01", "1919-03-01")
    )
    model = tc.Model(
        [regime],
        [
            tc.Transition(
                "regime",
                "old",
                "soviet",
                tc.baseline(),
                tc.contagion("aid", "regime=soviet"),
                tc.contagion("road", "regime=soviet"),
            ),
            tc.Transition("regime", "soviet", "old", tc.contagion("troops", "regime=old")),
        ],
    )
    params = dict.fromkeys(model.compile(history).parameter_names, -3.0)
    answer = model.with_params(params).what_if(history, "remove layer aid", worlds=50)
    assert dated_layers(answer) == (["aid"], ["troops"])
    assert "conditional on the ties as they were: those of the layer aid stand" in str(answer)
    assert "Ties of troops act only on a place whose own state calls them up" in str(answer)


@pytest.mark.parametrize(
    ("do", "more", "error", "said"),
    [
        ("prevnt bb regime=soviet", {}, tc.SentenceError, "did you mean 'prevent'"),
        ("prevent bbb regime=soviet", {}, tc.ModelError, "did you mean 'bb'"),
        ("remove layer road", {"given": "histry"}, tc.SentenceError, "did you mean 'history'"),
        ("remove layer road", {"given": "until 1950-01-01"}, tc.ModelError, "outside the window"),
        ("remove layer road", {"clocks": "fresh"}, tc.ModelError, "it needs given='history'"),
        ("remove layer road", {"given": "history", "clocks": ["warm"]}, tc.SentenceError, "clocks="),
        ("remove layer road", {"against": "remove layer rod"}, tc.ModelError, "did you mean 'road'"),
        ("remove layer road", {"wave": "regime=soviett"}, tc.ModelError, "did you mean 'soviet'"),
        ("remove layer road", {"wave": "regime=old|soviet"}, tc.TocsinError, "one state of one variable"),
        ("remove layer road", {"worlds": -1}, tc.ModelError, "at least 0"),
        ("remove layer road", {"worlds": 1}, tc.ModelError, "2 pairs of worlds or more"),
    ],
)
def test_wrong_questions_are_refused(do: str, more: dict[str, object], error: type, said: str) -> None:
    with pytest.raises(error) as caught:
        asked(do, **more)
    assert said in str(caught.value)


# --- verbs and page ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_folder(tmp_path_factory.mktemp("small"))


def tocsin(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    return result.exit_code, result.output


def test_whatif_prints_and_writes(folder: Path, tmp_path: Path) -> None:
    code, output = tocsin(
        "whatif",
        folder,
        "--do",
        "prevent bb regime=soviet",
        "--given",
        "history",
        "--worlds",
        40,
        "--out",
        tmp_path,
    )
    assert code == 0, output
    assert "What if: no regime “soviet” in Bb? (prevent bb regime=soviet) Asked of" in " ".join(
        output.split()
    )
    assert "what-if.html" in output
    page = (tmp_path / "what-if.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page  # a unit's label tries to be markup
    assert "(source clocks)" in page
    assert "By what ways it came" in page
    assert page.count("<svg") >= 6
    table = pd.read_csv(tmp_path / "table.csv")
    assert set(table["clocks"]) == {"cause", "source", "fresh"}
    facts = json.loads((tmp_path / "what-if.json").read_text())
    assert facts["given"] == "history"
    assert facts["interventions"] == ["prevent bb regime=soviet"]
    assert facts["sentences"][0].startswith("What if: no regime “soviet” in Bb")
    assert {"bb", "aa"} <= set(pd.read_csv(tmp_path / "units.csv")["unit"])
    assert pd.read_csv(tmp_path / "chains.csv")["path"].str.startswith("change → ").all()
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["chains.csv", "table.csv", "units.csv", "what-if.html", "what-if.json"]


def test_the_page_shows_the_same_worlds_as_the_answer(folder: Path) -> None:
    done = ask(str(folder), None, ["prevent bb regime=soviet"], worlds=30, given="until 1919-01-20")
    c = comparison_of(done.answer, "cause")
    assert c.baseline is not None
    assert c.ensemble.interventions == ("prevent bb regime=soviet",)
    assert c.ensemble.given == "until 1919-01-20"
    assert done.default_folder.name.startswith(f"{folder.name}-what-if-")
    assert list(done.parameters) == done.answer.program.parameter_names


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Missing option '--do'"),
        (("--do", "prevnt bb regime=soviet"), 2, "cannot read the intervention"),
        (("--do", "prevent bb regime=soviet", "--given", "histry"), 2, "did you mean 'history'"),
        (("--do", "prevent bb regime=soviet", "--against", "x"), 2, "cannot read the intervention 'x'"),
        (("--do", "prevent bbb regime=soviet"), 1, "did you mean 'bb'"),
        (("--do", "prevent bb regime=soviet", "--given", "until 1950-01-01"), 1, "outside the window"),
        (("--do", "prevent bb regime=soviet", "--wave", "regime=x"), 1, "no state 'x'"),
        (("--do", "prevent bb regime=soviet", "--worlds", "0"), 2, "Invalid value"),
    ],
)
def test_a_wrong_question_on_the_command_line(
    folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    found, output = tocsin("whatif", folder, *arguments)
    assert found == code
    assert said in output


@pytest.mark.parametrize("what", ["history", "until 1919-01-20"])
def test_a_replay_given_what_happened_repeats_to_the_bit(folder: Path, tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    do = ("--do", "prevent bb regime=soviet", "--given", what, "--worlds", 40, "--out", out)
    code, output = tocsin("replay", folder, *do, *(("--clocks", "source") if what == "history" else ()))
    assert code == 0, output
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["given"] == what
    assert manifest["clocks"] == ("source" if what == "history" else "cause")
    read = tc.Ensemble.read(out / "ensemble.parquet")
    assert read.given == {"history": "history, source clocks"}.get(what, what)
    code, output = tocsin("replay", "--again", out / "manifest.json")
    assert code == 0, output
    assert "The same to the bit" in output
    # An older manifest, which says nothing of it, is of worlds given nothing.
    del manifest["given"], manifest["clocks"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert "differ" in tocsin("replay", "--again", out / "manifest.json")[1]
    manifest["interventions"] = ["nonsense"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    code, output = tocsin("replay", "--again", out / "manifest.json")
    assert code == 1
    assert "manifest.json: cannot read the intervention 'nonsense'" in output


def test_replay_refuses_clocks_without_a_history(folder: Path) -> None:
    assert tocsin("replay", folder, "--clocks", "fresh")[0] == 2
    assert tocsin("replay", folder, "--given", "history", "--clocks", "warm")[0] == 2
    assert tocsin("replay", folder, "--given", "until someday")[0] == 1
    assert tocsin("replay", "--again", "x", "--given", "history")[0] == 2


@pytest.mark.parametrize("question", ["nothing", "until 1919-01-20", "history"])
@pytest.mark.parametrize(
    "do",
    [
        "remove layer road from 1919-01-25 to 1919-02-10",
        "scale tie road aa > bb by 3 from 1919-01-02",
        "add tie road aa > ee weight 2 from 1919-01-25",
        "rewire layer road seed 3",
        "remove cause regime: old > soviet | road for cc from 1919-01-25",
        "scale cause regime: soviet > old | baseline by 0.2 from 1919-01-25",
        "remove unit ee from 1919-01-25",
        "prevent ee regime=soviet from 1919-01-25",
        "delay ee regime=soviet until 1919-02-10",
        "lift cc regime=soviet at 1919-02-01",
        "force dd regime=soviet at 1919-02-01",
        "change parameter regime: old > soviet | road | susceptibility | 1 by 0.5",
    ],
)
def test_every_intervention_can_be_asked_in_every_meaning(do: str, question: str) -> None:
    """The record: aa 4th to 20th of January, bb 9th on, cc 22nd, ee 30th; a state barred or a unit gone is so."""
    answer = asked(do, given=question, worlds=40)
    for pair in answer.pairs.values():
        changed = pair.changed.events.to_pandas()
        if do.startswith(("prevent", "remove unit")):
            mine = changed[(changed["unit"] == "ee") & (changed["to"] == "soviet")]
            assert not (mine["time"] >= 24).any()
        if do.startswith("delay"):
            mine = changed[(changed["unit"] == "ee") & (changed["to"] == "soviet")]
            assert not (mine["time"] < 40).any()
        if do.startswith(("lift", "force")):
            unit, state = do.split(" ")[1], "old" if do.startswith("lift") else "soviet"
            forced = changed[changed["cause"] == "forced"]
            assert set(zip(forced["unit"], forced["to"], forced["time"], strict=True)) <= {
                (unit, state, 31.0)
            }
        if question == "history" and "1919-01-25" in do:
            early, other = (
                side[side["time"] < 23][["world", "time", "unit", "to"]].reset_index(drop=True)
                for side in (changed, pair.unchanged.events.to_pandas())
            )
            pd.testing.assert_frame_equal(early, other)


def test_the_verbs_take_draws(folder: Path, tmp_path: Path) -> None:
    do = ("--do", "remove layer road", "--worlds", 40)
    told = (("fit", "200 draws of the parameters"), ("best", "at the best estimates"), ("9", "Over 9 draws"))
    for draws, said in told:
        out = tmp_path / draws
        code, output = tocsin("whatif", folder, *do, "--draws", draws, "--out", out)
        assert code == 0, output
        assert said in " ".join(output.split())
        facts = json.loads((out / "what-if.json").read_text())
        assert (facts["draws"] or {"count": 0})["count"] == {"fit": 200, "best": 0, "9": 9}[draws]
        page = (out / "what-if.html").read_text()
        assert "Difference in one wave" in page and said in page
        table = pd.read_csv(out / "table.csv")
        assert {"expected_lower", "expected_upper", "wave_lower", "wave_upper"} <= set(table.columns)
        code, output = tocsin(
            "replay", folder, "--worlds", 20, "--draws", draws, "--out", tmp_path / f"replay-{draws}"
        )
        assert code == 0 and said in " ".join(output.split())
        as_of = ("--as-of", "1919-02-01", "--horizon", 10, "--past", 0)
        code, output = tocsin("forecast", folder, *as_of, "--worlds", 40, "--draws", draws)
        assert code == 0 and said in " ".join(output.split()), output
    for verb in (("whatif", *do), ("replay",), ("forecast",)):
        code, output = tocsin(verb[0], folder, *verb[1:], "--draws", "bets")
        assert code == 2 and "is not fit, best or a number of draws" in " ".join(
            output.replace("│", " ").split()
        )
