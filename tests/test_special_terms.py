"""Special terms of formulas: the age of a state and the exposure are cut out, and what they may not be is refused."""

import pytest

import tocsin as tc
from tocsin.errors import ModelError
from tocsin.model.special_terms import cut_special


def terms(formula):
    return [(special.name, times) for special, times in cut_special(formula).terms]


def test_formula_without_special_terms_stays_as_it_is():
    for formula in ("1 + x * log(z)", "exposure + `time_in_state`", "1 + `exposure(a, b=c)`"):
        cut = cut_special(formula)
        assert cut.formula == cut.remainder == formula
        assert cut.specials == cut.terms == ()


def test_special_terms_alone_and_times_static_terms():
    cut = cut_special("1 + x * log( time_in_state ) + z")
    assert cut.formula == "1 + x * `log(time_in_state)` + z"
    assert cut.remainder == "1 + x + z"
    assert terms("1 + x * log(time_in_state) + z") == [
        ("log(time_in_state)", ""),
        ("log(time_in_state)", "x"),
    ]
    assert terms("0 + (1 + x):time_in_state") == [("time_in_state", ""), ("time_in_state", "x")]
    assert terms("a/x:log(time_in_state)") == [("log(time_in_state)", "a:x")]


def test_pieces_have_levels_of_which_the_first_is_the_reference():
    (special,) = cut_special("pieces(time_in_state, 7, 30, 2.5e2)").specials
    assert (special.name, special.cuts) == ("time_in_state", (7, 30, 250))
    assert special.levels == ("0-7", "7-30", "30-250", "250+")
    assert cut_special("log(time_in_state)").specials[0].levels == ()
    (none,) = cut_special("pieces(exposure(border, regime=a), 0, 2)").specials
    assert none.levels == ("0", "0-2", "2+")


@pytest.mark.parametrize(
    "formula",
    [
        "log(time_in_state, unknown='entry')",
        'log(time_in_state, unknown = "entry")',
        "log(time_in_state(unknown=entry))",
    ],
)
def test_ages_counted_from_entry_are_asked_for(formula):
    (special,) = cut_special(formula).specials
    assert (special.form, special.unknown, special.name) == ("log", "entry", "log(time_in_state)")


def test_exposure_with_all_that_it_may_say():
    text = "exposure('land border', regime = a|b  and army=won-over, mark=population, normalise=target)"
    (special,) = cut_special(f"1 + war:log1p({text})").specials
    assert (special.layer, special.clause) == ("land border", "regime=a|b and army=won-over")
    assert (special.normalise, special.mark, special.form) == ("target", "population", "log1p")
    inside = "exposure(land border, regime=a|b and army=won-over, normalise=target, mark=population)"
    assert special.name == f"log1p({inside})"
    assert terms(f"1 + war:log1p({text})") == [(f"log1p({inside})", "war")]
    assert cut_special("above(exposure(border, regime=a), 2)").specials[0].cuts == (2,)
    assert terms("exposure(a, s=t) + above(exposure(a, s=t), 2) + log(time_in_state)")[2] == (
        "log(time_in_state)",
        "",
    )


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("time_in_state**2", "alone or times static terms"),
        ("log(time_in_state) + time_in_state", "two terms of age"),
        ("pieces(time_in_state, 7) + pieces(time_in_state, 8)", "two forms"),
        ("sqrt(time_in_state)", "inside sqrt"),
        ("bs(time_in_state, df=3)", "inside bs"),
        ("log1p(time_in_state)", "inside log1p"),
        ("log(time_in_state + 1)", "arithmetic beside time_in_state"),
        ("log(2 * time_in_state)", "inside 'log(2 * time_in_state)'"),
        ("exp(log(time_in_state))", "inside 'exp(log(time_in_state))'"),
        ("time_in_state(army)", "age of another variable's state, which is not possible yet"),
        ("pieces(time_in_state)", "0 numbers"),
        ("pieces(time_in_state, 7, 3)", "above zero and increase"),
        ("pieces(time_in_state, 0, 3)", "above zero and increase"),
        ("pieces(time_in_state, x)", "'x' in pieces"),
        ("log(time_in_state, 3)", "takes nothing further"),
        ("log(time_in_state, unknwon=entry)", "did you mean 'unknown'"),
        ("log(time_in_state, unknown=zero)", "unknown='entry'"),
        ("log(time_in_state", "never closed"),
        ("time_in_state - time_in_state", "takes it away"),
        ("exposure(border)", "without a layer or without a clause"),
        ("exposure(border, normalise=target)", "without a layer or without a clause"),
        ("exposure(border, regime=a, army=b)", "'army'"),
        ("exposure(border, regime=a, normalise=source)", "normalise=target"),
        ("log(exposure(border, regime=a))", "inside log"),
        ("exposure(a, b=c):time_in_state", "alone or times static terms"),
        ("pieces(exposure(a, b=c), 1) + exposure(a, b=c)", "two forms"),
        ("above(exposure(a, b=c), 1, 2)", "2 numbers"),
    ],
)
def test_what_special_terms_may_not_be_is_refused_in_words(formula, words):
    with pytest.raises(ModelError, match=r"the formula '") as caught:
        cut_special(formula)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("do", "words"),
    [
        ("set time_in_state to 3 for u1", "age of a state follows.*force, prevent"),
        ("scale time_in_state by 2", "age of a state follows"),
        ("no time_in_state", "age of a state follows"),
        ("set exposure(l, s=b) to 0", "exposure follows from the states of others.*remove the layer"),
        ("without exposure(l, s=b)", "exposure follows"),
        ("shift exposure by 2", "exposure follows"),
        ("set level to 2 for u1", "tells the levels of the cause 'l'"),
        ("set zone to 2", "category of the units"),
        ("set t to 3", "the calendar"),
    ],
)
def test_what_follows_the_course_of_events_cannot_be_set_and_that_is_said(do, words):
    state = tc.StateVariable("s", ["a", "b"])
    history = tc.History(
        units={"unit": ["u1", "u2"], "zone": ["p", "q"], "level": [1.0, 2.0]},
        ties={"layer": ["l"], "source": ["u1"], "target": ["u2"]},
        variables=[state],
        window=(0.0, 9.0),
        clock="continuous",
    )
    abroad = tc.contagion("l", "s=b", half_life="estimate", by="level")
    model = tc.Model([state], [tc.Transition("s", "a", "b", tc.baseline("1 + exposure(l, s=b)"), abroad)])
    program = model.compile(history)
    with pytest.raises(tc.ModelError, match=words):
        program.simulate([-1.0] * len(program.parameter_names), 1, 1, [do])
