"""One question, asked in every place that answers it, has one answer: the same numbers in the same words."""

from __future__ import annotations

import html
import re

import pytest
from typer.testing import CliRunner

import tocsin as tc
from tocsin.classroom import site
from tocsin.classroom.outcomes import outcome_of
from tocsin.cli.main import app
from tocsin.ensemble.paired import Paired
from tocsin.explorer.answers import difference_scene
from tocsin.explorer.questions import Question
from tocsin.what_if.answer import signed_mean

WORLDS, SEED = 200, 1917
DO = "remove layer comintern"
SENTENCES = re.compile(r"The expected effect is [^()]*\([^()]*\)\. In one wave [^()]*\([^()]*\)\.")


def effect(text: str) -> str:
    """What a text says of the expected effect and of one wave, wherever its lines are broken."""
    found = SENTENCES.search(" ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split()))
    assert found, text[:2000]
    return found[0]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each place says."""
    folder = tmp_path_factory.mktemp("same")
    counts = ["--worlds", str(WORLDS), "--seed", str(SEED)]
    asked = CliRunner().invoke(app, ["whatif", "1917", "--do", DO, *counts, "--out", str(folder / "asked")])
    assert asked.exit_code == 0, asked.output
    lived = CliRunner().invoke(app, ["replay", "1917", "--do", DO, *counts, "--out", str(folder / "lived")])
    assert lived.exit_code == 0, lived.output

    laboratory = site._laboratory(site.plan("1917", worlds=WORLDS), lambda *_: None)
    assert laboratory.seed == SEED
    show = laboratory.wave
    question = Question(*laboratory.reader.scenarios((DO,), (), WORLDS, SEED), show)
    planned = next(each for each in site.plan("1917", worlds=WORLDS).scenarios if each.do == (DO,))
    return {
        "terminal": asked.output,
        "page": (folder / "asked" / "what-if.html").read_text(),
        "report": (folder / "lived" / "report.html").read_text(),
        "explorer": difference_scene(laboratory, question)["answer"],
        "class": outcome_of(laboratory, planned, show).average,
    }


def test_every_place_says_the_same(said: dict[str, str]) -> None:
    answers = {place: effect(text) for place, text in said.items()}
    assert len(set(answers.values())) == 1, answers


def test_and_it_is_what_the_library_says(said: dict[str, str]) -> None:
    history = tc.load_history("1917")
    fit = tc.Model.from_toml(history.model_path).fit(history)
    assert history.question is not None
    asked = {"worlds": WORLDS, "seed": SEED, "given": history.question.given}
    both = [fit.simulate(history, interventions=do, **asked) for do in ([DO], [])]
    row = Paired(*both).table("regime", "soviet").set_index("measure").loc["entries"]
    told = [signed_mean(row[name]) for name in ("difference", "expected_lower", "expected_upper")]
    assert effect(said["terminal"]).startswith(
        f"The expected effect is {told[0]} (95% interval {told[1]} to {told[2]}, over the parameters)."
    )


def test_our_own_world_answers_the_page_as_it_answers_the_library() -> None:
    history = tc.load_history("1917")
    laboratory = site._laboratory(site.plan("1917", worlds=50), lambda *_: None)
    show, do = laboratory.wave, "prevent russia regime=soviet"
    told = difference_scene(
        laboratory, Question(*laboratory.reader.scenarios((do,), (), 50, SEED, True), show)
    )
    fit = tc.Model.from_toml(history.model_path).fit(history)
    asked = fit.what_if(history, do, worlds=50, seed=SEED, given="history")
    row = asked.range().set_index("measure").loc["entries"]
    assert told["expected_effect"][1:] == pytest.approx([row["low"], row["high"]], abs=1e-4)
    units = asked.units().groupby("unit")["share"].agg(["min", "max"])
    for each in told["rows"]:
        assert each["changed"][1:] == pytest.approx(units.loc[each["unit"]].tolist(), abs=1e-4)
        assert each["base"] == [float(each["observed"])] * 3
    assert told["rows"][0]["difference"][1] <= -0.9 and "In our world" in told["headline"]
