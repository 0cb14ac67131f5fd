"""Interventions: their sentences, what they make of ties, covariates and hazards, and what they leave alone."""

from __future__ import annotations

import datetime
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tocsin as tc
from tocsin.bayes.posterior import simulate_draws
from tocsin.bayes.random_effects import with_effects
from tocsin.ensemble.ensemble import Ensemble
from tocsin.errors import SentenceError
from tocsin.interventions.apply import checked
from tocsin.interventions.grammar import written
from tocsin.interventions.intervention import Intervention, cause_names
from tocsin.interventions.sentences import in_words, kinds, parse, parse_all, read
from tocsin.program.design import covariate_values

UNITS = ["a", "b", "c", "d", "far away"]
REGIME, ARMY = tc.StateVariable("regime", ["old", "soviet"]), tc.StateVariable("army", ["loyal", "mutinous"])
FIRST = datetime.date(1918, 11, 1)
RISE, FALL = "regime: old > soviet", "regime: soviet > old"
EARLY = {"unit": ["a"], "variable": ["regime"], "state": ["soviet"], "time": ["1918-11-04"]}
PARAMS = [-3.0, 0.5, -1.5, -0.5, -2.5]


def day(number: int) -> str:
    return (FIRST + datetime.timedelta(number)).isoformat()


def record(**more: Any) -> tc.History:
    """Five units in sixty days: a ring of borders, dated aid, hunger for all and for one, a late unit."""
    ring = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("b", "a")]
    tables: dict[str, Any] = {
        "units": {
            "unit": UNITS,
            "size": [1.0, 2.0, 3.0, 4.0, math.nan],
            "enter": [day(0), day(0), day(0), day(12), day(0)],
        },
        "events": {
            "unit": ["a", "b", "a", "c", "c"],
            "variable": ["regime", "regime", "regime", "army", "army"],
            "state": ["soviet", "soviet", "old", "mutinous", "loyal"],
            "time": [day(3), day(8), day(20), day(10), day(30)],
        },
        "ties": {
            "layer": ["border"] * len(ring) + ["aid"] * 3,
            "source": [pair[0] for pair in ring] + ["a", "a", "c"],
            "target": [pair[1] for pair in ring] + ["b", "b", "b"],
            "weight": [1.0] * len(ring) + [1.0, 3.0, 2.0],
            "start": [day(0)] * len(ring) + [day(5), day(20), day(10)],
            "end": [day(59)] * len(ring) + [day(15), day(30), day(40)],
        },
        "covariates": {
            "unit": ["*", "a", "b", "b"],
            "covariate": ["hunger"] * 4,
            "value": [1.0, 2.0, 3.0, 4.0],
            "start": [day(0), day(10), day(0), day(31)],
            "end": [day(29), day(15), day(30), day(50)],
        },
    }
    return tc.History(
        **(tables | more.pop("tables", {})),
        variables=[REGIME, ARMY],
        window=(day(0), day(59)),
        layers={"border": None, "aid": "max"},
        outside={"hunger": 0.0},
        **more,
    )


def model(*, fall: bool = True) -> tc.Model:
    rise = tc.Transition(
        "regime",
        "old",
        "soviet",
        tc.baseline("1 + hunger"),
        tc.contagion("border", "regime=soviet"),
        tc.contagion("aid", "regime=soviet"),
    )
    moves = [rise, tc.Transition("regime", "soviet", "old", tc.baseline())]
    return tc.Model([REGIME, ARMY], moves if fall else moves[:1])


def worlds(*do: Any, count: int = 200, of: tc.History | None = None, fall: bool = True) -> Ensemble:
    once = {} if fall else {"tables": {"events": EARLY}}
    program = model(fall=fall).compile(of or record(**once))
    return program.simulate(PARAMS[: 5 if fall else 4], count, 7, interventions=do)


def rows(ensemble: Ensemble) -> pd.DataFrame:
    return ensemble.events.to_pandas()


def test_a_unit_is_tied_to_itself_as_in_tables() -> None:
    """What is told in a sentence and what stands in the tables give the same worlds, to the bit."""
    ties = record().table("ties").to_pandas()
    ties = ties[ties["layer"] == "border"]
    more = pd.concat([ties, ties.iloc[:1].assign(source="a", target="a", weight=8.0)])

    def having(table: pd.DataFrame) -> tc.History:
        named = {name: table[name].tolist() for name in ("layer", "source", "target", "weight")}
        return record(tables={"events": EARLY, "ties": named})

    in_tables = rows(own(having(more)))
    for do in ("add tie border a > a weight 8", tc.add_tie("border", "a", "a", weight=8.0)):
        pd.testing.assert_frame_equal(rows(own(having(ties), do)), in_tables)
    assert not rows(own(having(ties))).equals(in_tables)


def own(of: tc.History, *do: Any) -> Ensemble:
    """Return worlds of a revolution that also comes of the loyalty of one's own army."""
    rise = tc.Transition("regime", "old", "soviet", tc.baseline("1"), tc.contagion("border", "army=mutinous"))
    mutiny = tc.Transition("army", "loyal", "mutinous", tc.baseline())
    program = tc.Model([REGIME, ARMY], [rise, mutiny]).compile(of)
    return program.simulate([-5.0, -3.0, -3.0], 200, 7, interventions=do)


# --- sentences --------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(
    [
        "comintern",
        "for",
        "to",
        "a b",
        "by",
        'a "b"',
        "\\",
        "tie",
        "layer",
        " x ",
        ">",
        "regime: old > soviet | aid",
    ]
)
WORDS = NAMES.filter(lambda text: text.strip() and not set(text) & set("|>=,") and text == text.strip())
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
DATES = st.none() | st.dates().map(str) | st.floats(0, 100).map(str)
SPAN = {"start": DATES, "end": DATES}
CLAUSES = st.tuples(WORDS, WORDS).map("=".join)
MADE = st.one_of(
    st.builds(tc.remove_layer, NAMES, **SPAN),
    st.builds(tc.scale_layer, NAMES, NUMBERS, **SPAN),
    st.builds(tc.rewire_layer, NAMES, st.integers(0, 10**9)),
    st.builds(tc.remove_tie, NAMES, NAMES, NAMES, **SPAN),
    st.builds(tc.scale_tie, NAMES, NAMES, NAMES, NUMBERS, **SPAN),
    st.builds(tc.add_tie, NAMES, NAMES, NAMES, NUMBERS, **SPAN),
    st.builds(tc.remove_cause, NAMES, st.none() | NAMES, **SPAN),
    st.builds(tc.scale_cause, NAMES, NUMBERS, st.none() | NAMES, **SPAN),
    st.builds(tc.remove_unit, NAMES, DATES),
    st.builds(tc.change_parameter, NAMES, to=NUMBERS | st.just(-math.inf)),
    st.builds(tc.change_parameter, NAMES, by=NUMBERS),
    st.builds(tc.set_covariate, NAMES, NUMBERS, st.none() | NAMES, **SPAN),
    st.builds(tc.scale, NAMES, NUMBERS, st.none() | NAMES, **SPAN),
    st.builds(tc.shift, NAMES, NUMBERS, st.none() | NAMES, **SPAN),
    st.builds(tc.force, NAMES, CLAUSES, st.dates()),
    st.builds(tc.prevent, NAMES, CLAUSES, **SPAN),
    st.builds(tc.delay, NAMES, CLAUSES, st.dates()),
    st.builds(tc.lift, NAMES, CLAUSES, st.dates()),
)


@settings(max_examples=600, deadline=None)
@given(MADE)
def test_a_printed_intervention_reads_back_as_itself(intervention: Any) -> None:
    assert read(str(intervention)) == intervention
    assert hash(intervention) == hash(read(str(intervention)))


@pytest.mark.parametrize(
    ("sentence", "printed"),
    [
        ("remove  layer aid ", "remove layer aid"),
        ("remove layer aid from 1918-11-03 to 1918-11-09", None),
        ("scale layer border by .5", "scale layer border by 0.5"),
        ("rewire layer border", "rewire layer border seed 0"),
        ("rewire layer border seed 7", None),
        ("remove tie border a > b to 1918-11-09", None),
        ("scale tie border a > b by 2 from 1918-11-09", None),
        ("add tie border a > c", "add tie border a > c weight 1"),
        ("add tie aid a > b weight 2 from 1918-11-09", None),
        ('add tie aid a > "far away" weight 2', None),
        ("remove cause regime: old > soviet | aid", None),
        ('remove cause "regime: old > soviet | aid" for a', "remove cause regime: old > soviet | aid for a"),
        ("scale cause regime: old > soviet | baseline by 2 for b from 1918-11-09", None),
        ("remove unit a", None),
        ("remove unit a from 1918-11-09", None),
        ("set hunger to 0 for a from 1918-11-03 to 1918-11-09", None),
        ("scale hunger by 0.5", None),
        ("shift hunger by -1 to 1918-11-09", None),
        ("scale size by 2 for a", None),
        ("force a regime=soviet on 1918-11-09", "force a regime=soviet at 1918-11-09"),
        ("prevent a regime=soviet from 1918-11-09", None),
        ("delay a regime=soviet until 1918-11-20", None),
        ("lift a regime=soviet at 1918-11-20", None),
        ('change parameter "regime: old > soviet | aid | susceptibility | 1" to -3', ""),
        ("change parameter regime: old > soviet | aid | susceptibility | 1 by 0.5", None),
        ("change parameter regime: old > soviet | aid | susceptibility | 1 to -inf", None),
    ],
)
def test_sentences_are_read_checked_and_printed(sentence: str, printed: str | None) -> None:
    found = parse(sentence, record(), model())
    assert str(found) == {None: sentence, "": sentence.replace('"', "")}.get(printed, printed)
    assert worlds(sentence, count=3).interventions == (str(found),)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("romove layer aid", "did you mean 'remove'"),
        ("remove layr aid", "did you mean 'layer'"),
        ("remove layer", "write it as 'remove layer LAYER [from DATE] [to DATE]'"),
        ("remove layer aid form 1918-11-03", "write it as"),
        ("scale hunger", "or 'scale COVARIATE by NUMBER [for UNIT]"),
        ("scale hunger by much", "'much' stands where a number is expected"),
        ("set hunger to nan", "a finite number"),
        ("set hunger to inf", "a finite number"),
        ("set fire to it", "a number is expected"),
        ("force a regime at 1918-11-09", "write variable=state"),
        ("force a regime=soviet", "write it as 'force UNIT VARIABLE=STATE at DATE'"),
        ("prevent a regime=soviet|old", "write variable=state"),
        ("rewire layer aid seed 1.5", "a whole number"),
        ("rewire layer aid seed -1", "a whole number"),
        ("remove tie aid a b", "'remove tie LAYER SOURCE > TARGET [from DATE] [to DATE]'"),
        ("change parameter x to nan", "a finite number"),
        ("nonsense", "there are: remove, scale"),
        ("", "cannot read the intervention ''"),
    ],
)
def test_what_is_no_sentence_is_refused_as_such(sentence: str, said: str) -> None:
    with pytest.raises(tc.SentenceError) as caught:
        parse(sentence, record(), model())
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("remove layer ad", "no layer 'ad'; did you mean 'aid'"),
        ("scale layer aid by -1", "cannot be negative"),
        ("rewire layer bordr", "did you mean 'border'"),
        ("remove tie aid a > x", "no unit 'x'"),
        ("remove tie border a > c", "'border' has no tie from 'a' to 'c'; 'c' is reached from: b"),
        ("remove tie border c > b", "only from 'b' to 'c'"),
        ("remove tie aid b > a", "only from 'a' to 'b'"),
        ("remove tie aid c > b to 1918-11-09", "is in force between 1918-11-11 and 1918-12-11"),
        ("scale tie aid a > b by -2", "cannot be negative"),
        ("add tie border a > b from 1918-11-09", "say 'scale tie ...'"),
        ("add tie aid a > b weight 0", "must be above 0"),
        ("add tie aid a > b weight -1", "must be above 0"),
        ("remove cause regime: old > soviet | ad", "did you mean 'regime: old > soviet | aid'"),
        ("scale cause regime: old > soviet | aid by -1", "hazards cannot be negative"),
        ("remove cause regime: old > soviet | aid for x", "no unit 'x'"),
        ("remove unit far", "no unit 'far'"),
        ("set hungr to 0", "did you mean 'hunger'"),
        ("scale hunger by 2 for x", "no unit 'x'"),
        ("shift hunger by 1 from 1919-11-01", "1919-11-01 is outside the window, 1918-11-01 to 1918-12-30"),
        ("shift hunger by 1 from 1918-11-09 to 1918-11-08", "it would end, at 1918-11-08, before it begins"),
        ("shift hunger by 1 from someday", "someday"),
        ("shift hunger by 1 from 3", "a plain number"),
        ("force a regime=sovjet at 1918-11-09", "did you mean 'soviet'"),
        ("force a regim=soviet at 1918-11-09", "did you mean 'regime'"),
        ("force a regime=soviet at 1920-11-09", "not present"),
        ("force d regime=soviet at 1918-11-02", "not present at 1918-11-02"),
        ("prevent a regime=sovjet", "did you mean 'soviet'"),
        ("delay a regime=soviet until 1920-01-01", "outside the window"),
        ("lift x regime=soviet at 1918-11-20", "no unit 'x'"),
        ("change parameter regime: old > soviet | aid | susceptibility to 1", "did you mean"),
    ],
)
def test_what_does_not_exist_is_named_with_what_comes_nearest(sentence: str, said: str) -> None:
    read(sentence)  # it is language
    with pytest.raises(tc.ModelError) as caught:
        worlds(sentence, count=1)
    assert said in str(caught.value)
    assert not isinstance(caught.value, tc.SentenceError)
    assert sentence.split(" ")[0] in str(caught.value)


def test_a_lift_of_three_states_must_say_what_follows() -> None:
    three = tc.StateVariable("regime", ["old", "soviet", "restored"])
    history = tc.History(units={"unit": ["a"]}, variables=[three], window=(0, 10))
    moving = tc.Model([three], [tc.Transition("regime", "old", "soviet", tc.baseline())])
    with pytest.raises(tc.ModelError, match="has 3 states.*'force a regime=old at 3'"):
        parse("lift a regime=soviet at 3", history, moving)


def test_categories_cannot_be_changed() -> None:
    declared = tc.Model(
        [REGIME, ARMY], [tc.Transition("regime", "old", "soviet", tc.baseline("1 + C(hunger)"))]
    )
    for sentence in ("scale hunger by 2", "set hunger to 1 for a"):
        with pytest.raises(tc.ModelError, match="as categories"):
            parse(sentence, record(), declared)
    assert parse("scale size by 2", record(), declared)


def test_a_thing_that_is_no_intervention_is_refused() -> None:
    with pytest.raises(tc.ModelError, match="is no intervention"):
        worlds(3)
    with pytest.raises(tc.SentenceError, match="either to= or by="):
        tc.change_parameter("x")
    assert str(tc.force("a", "regime=soviet", at=pd.Timestamp("1918-11-09"))).endswith("at 1918-11-09")
    assert (
        written("a {start}[ b {end}]", tc.remove_layer("x", start=datetime.date(1918, 1, 1)))
        == "a 1918-01-01"
    )


# --- ties and covariates over dates -------------------------------------------------------------------------

PROBES = np.arange(60) + 0.5  # the middle of each day


def weights(history: Any, layer: str) -> np.ndarray:
    """Return the weight of every pair on every day."""
    numbers, count = history.numbers, len(UNITS)
    found = np.zeros((count, count, PROBES.size))
    ties = numbers.ties[layer]
    for source, target, weight, start, end in zip(
        ties.source, ties.target, ties.weight, ties.start, ties.end, strict=True
    ):
        held = (start < PROBES) & (end >= PROBES)
        assert not (found[source, target, held] > 0).any(), "two rows of one pair in force at once"
        found[source, target, held] = weight
    return found


def values(history: Any, name: str) -> np.ndarray:
    """Return a covariate of every unit on every day."""
    if name not in history.numbers.covariates:
        return np.repeat(history.numbers.static[name][:, None], PROBES.size, axis=1)
    unit = np.repeat(np.arange(len(UNITS)), PROBES.size)
    return covariate_values(history, name, unit, np.tile(PROBES, len(UNITS))).reshape(len(UNITS), -1)


DAYS = st.none() | st.integers(0, 59)
WHO = st.none() | st.sampled_from(UNITS)
BY = st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0])
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "scale", "shift"]), st.sampled_from(["hunger", "size"]), BY, WHO, DAYS, DAYS
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(CHANGES)
def test_covariates_change_in_order_and_only_there(changes: list[tuple[Any, ...]]) -> None:
    history = record()
    wanted = {name: values(history, name) for name in ("hunger", "size")}
    do = []
    for kind, name, by, unit, start, end in changes:
        if start is not None and end is not None and end < start:
            start, end = end, start
        make = {"set": tc.set_covariate, "scale": tc.scale, "shift": tc.shift}[kind]
        first, last = None if start is None else day(start), None if end is None else day(end)
        do.append(make(name, by, unit, first, last))
        here = (
            slice(None) if unit is None else UNITS.index(unit),
            slice(start or 0, 60 if end is None else end + 1),
        )
        old = wanted[name][here]
        wanted[name][here] = by if kind == "set" else old * by if kind == "scale" else old + by
    now = checked(do, history, model())[1].as_history()
    for name, expected in wanted.items():
        np.testing.assert_array_equal(values(now, name), expected)
    # The program of the changed history keeps its parameters, and what was not touched is shared.
    assert worlds(*do, count=2).worlds == 2


TIES = st.lists(
    st.tuples(
        st.sampled_from(["remove layer", "scale layer", "remove tie", "scale tie", "add tie"]),
        st.sampled_from(["border", "aid"]),
        st.sampled_from([("a", "b"), ("c", "b"), ("a", "c"), ("far away", "d")]),
        st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        DAYS,
        DAYS,
    ),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(TIES)
def test_ties_change_in_order_and_only_there(changes: list[tuple[Any, ...]]) -> None:
    history = record()
    wanted = {layer: weights(history, layer) for layer in ("border", "aid")}
    original = {layer: each.copy() for layer, each in wanted.items()}
    do = []
    for kind, layer, (source, target), by, start, end in changes:
        if start is not None and end is not None and end < start:
            start, end = end, start
        first, last = None if start is None else day(start), None if end is None else day(end)
        time = slice(start or 0, 60 if end is None else end + 1)
        pair = (UNITS.index(source), UNITS.index(target), time)
        if kind.endswith("layer"):
            make = (
                tc.remove_layer(layer, first, last)
                if kind[0] == "r"
                else tc.scale_layer(layer, by, first, last)
            )
            wanted[layer][:, :, time] *= by if kind[0] == "s" else 0.0
        elif kind == "add tie":
            if (wanted[layer][pair] > 0).any() and layer == "border":
                continue
            make = tc.add_tie(layer, source, target, by + 1.0, first, last)
            wanted[layer][pair] = np.maximum(wanted[layer][pair], by + 1.0)
        else:
            if not ((wanted[layer][pair] > 0) | (original[layer][pair] > 0)).any():
                continue
            ends = (source, target, first, last)
            make = (
                tc.remove_tie(layer, *ends)
                if kind[0] == "r"
                else tc.scale_tie(layer, source, target, by, first, last)
            )
            wanted[layer][pair] *= by if kind[0] == "s" else 0.0
        do.append(make)
    now = checked(do, history, model())[1].as_history()
    for layer, expected in wanted.items():
        np.testing.assert_array_equal(weights(now, layer), expected)


def test_a_changed_covariate_gives_the_worlds_of_a_history_that_has_it() -> None:
    table = record().covariates
    table = table[["unit", "covariate", "value", "start", "end"]].astype({"unit": str, "covariate": str})
    fed = pd.concat(
        [
            table[table["unit"] == "*"],
            pd.DataFrame(
                {
                    "unit": ["a", "a"],
                    "covariate": ["hunger"] * 2,
                    "value": [2.0, 5.0],
                    "start": [day(10), day(13)],
                    "end": [day(12), day(20)],
                }
            ).astype({"start": table["start"].dtype, "end": table["end"].dtype}),
            table[table["unit"] == "b"],
        ]
    )
    there = worlds(of=record(tables={"covariates": fed}))
    here = worlds(f"set hunger to 5 for a from {day(13)} to {day(20)}")
    assert here.events.equals(there.events)
    assert not here.events.equals(worlds().events)


def test_the_value_outside_rows_changes_too() -> None:
    """Beyond its rows hunger is 0; a shift of all values, dated or not, reaches there."""
    changed = checked(["shift hunger by 2"], record(), model())[1]
    assert changed.as_history().outside == {"hunger": 2.0}
    late = rows(worlds("shift hunger by 8"))["time"].mean()
    assert late < rows(worlds())["time"].mean()


def test_rewiring_keeps_degrees_and_its_seed_says_how() -> None:
    history = record()
    before = weights(history, "border")
    after = [
        weights(checked([f"rewire layer border seed {seed}"], history, model())[1].as_history(), "border")
        for seed in (0, 1, 2, 3)
    ]
    for each in after:
        np.testing.assert_array_equal(each.sum(axis=0), before.sum(axis=0))
        np.testing.assert_array_equal(each.sum(axis=1), before.sum(axis=1))
    assert any((each != before).any() for each in after)


# --- worlds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "null",
    [
        f"scale layer border by 1 from {day(3)}",
        "scale tie border a > b by 1",
        "scale hunger by 1",
        f"scale hunger by 1 for a from {day(3)} to {day(5)}",
        f"shift hunger by 0 from {day(3)}",
        f"set hunger to 1 for d from {day(15)} to {day(20)}",
        f"scale cause {RISE} | aid by 1",
        f"remove cause {RISE} | aid for far away".replace("far away", '"far away"'),
        f"change parameter {RISE} | aid | susceptibility | 1 by 0",
        f"delay a regime=soviet until {day(0)}",
        "lift d army=mutinous at 1918-11-20",
        f"remove tie aid a > b from {day(16)} to {day(20)}",
    ],
)
def test_what_changes_nothing_changes_no_bit(null: str) -> None:
    history = record()
    if null.startswith("remove tie"):  # in these days the pair has no tie but for the rows of other days
        kept = history.ties
        kept = kept[~((kept["layer"] == "aid") & (kept["weight"] == 3.0))]
        history = record(tables={"ties": kept[["layer", "source", "target", "weight", "start", "end"]]})
        with pytest.raises(tc.ModelError, match="in force between"):
            worlds(null, of=history)
        return
    assert worlds(null, of=history).events.equals(worlds(of=history).events)


def test_an_island_stays_the_same_to_the_bit_when_the_other_loses_its_ties() -> None:
    """Of 12 units 60 of 144 pairs are tied, which is dense; without those of the second island it is sparse."""
    islands = [[f"{island}{number}" for number in range(6)] for island in "ab"]
    pairs = [(one, other) for island in islands for one in island for other in island if one != other]
    state = tc.StateVariable("s", ["old", "new"])
    history = tc.History(
        units={"unit": [unit for island in islands for unit in island]},
        ties={
            "layer": ["l"] * len(pairs),
            "source": [source for source, _ in pairs],
            "target": [target for _, target in pairs],
            "weight": [0.1 + 0.37 * (number % 7) for number in range(len(pairs))],
        },
        variables=[state],
        window=(0, 10),
        layers=["l"],
    )
    moves = [("old", "new", "new"), ("new", "old", "old")]
    model = tc.Model(
        [state],
        [
            tc.Transition("s", a, b, tc.baseline(), tc.contagion("l", when=f"s={held}"))
            for a, b, held in moves
        ],
    )
    program = model.compile(history)
    params = {name: math.log(0.05 if "baseline" in name else 0.3) for name in program.parameter_names}
    lost = [f"remove tie l {source} > {target}" for source, target in pairs if source.startswith("b")]

    def first_island(*do: str) -> pd.DataFrame:
        events = program.simulate(params, 200, 1, interventions=list(do)).events.to_pandas()
        return events[events["unit"].astype(str).str.startswith("a")].reset_index(drop=True)

    whole = first_island()
    assert len(whole) > 1000
    pd.testing.assert_frame_equal(whole, first_island(*lost), check_exact=True)


def test_a_state_is_barred_on_the_days_that_are_named() -> None:
    free, barred = (
        rows(worlds(count=800)),
        rows(worlds(f"prevent a regime=soviet from {day(5)} to {day(9)}", count=800)),
    )
    mine = barred[(barred["unit"] == "a") & (barred["to"] == "soviet")]
    assert not ((mine["time"] >= 5) & (mine["time"] < 10)).any()
    assert (mine["time"] < 5).any()
    assert (mine["time"] > 10).any()
    before = free[free["time"] < 5].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, barred[barred["time"] < 5].reset_index(drop=True))
    late = rows(worlds(f"delay a regime=soviet until {day(30)}", count=400))
    assert late[(late["unit"] == "a") & (late["to"] == "soviet")]["time"].min() > 30


def test_a_variable_that_follows_the_record_can_be_barred_and_delayed() -> None:
    """The army of c is mutinous from the 10th to the 30th."""

    def mutinous(*do: str) -> list[float]:
        share = worlds(*do, count=3).probability("army", "mutinous", times=[day(12), day(25), day(40)])
        return [float(value) for value in share.sel(unit="c")]

    assert mutinous() == [1, 1, 0]
    assert mutinous("prevent c army=mutinous") == [0, 0, 0]
    assert mutinous(f"prevent c army=mutinous from {day(10)} to {day(10)}") == [0, 0, 0]
    assert mutinous(f"prevent c army=mutinous from {day(11)}") == [1, 1, 0]
    assert mutinous(f"prevent c army=mutinous to {day(9)}") == [1, 1, 0]
    assert mutinous(f"delay c army=mutinous until {day(20)}") == [0, 1, 0]
    assert mutinous(f"delay c army=mutinous until {day(35)}") == [0, 0, 0]
    assert mutinous(f"lift c army=mutinous at {day(20)}") == [1, 0, 0]
    assert mutinous(f"force a army=mutinous at {day(20)}", f"lift c army=mutinous at {day(11)}") == [0, 0, 0]


def test_what_is_forced_happens_and_what_is_lifted_ends() -> None:
    forced = rows(worlds(f"force c regime=soviet at {day(6)}", count=100))
    made = forced[forced["cause"] == "forced"]
    assert set(zip(made["unit"], made["time"], made["to"], strict=True)) == {("c", 6.0, "soviet")}
    lifted = worlds(f"lift a regime=soviet at {day(10)}", count=400)
    ended = rows(lifted)[rows(lifted)["cause"] == "forced"]
    assert set(zip(ended["unit"], ended["time"], ended["to"], strict=True)) == {("a", 10.0, "old")}
    held = worlds(count=400).probability("regime", "soviet", times=[day(10)]).sel(unit="a").item()
    assert len(ended) == round(400 * held)
    # Forced, and kept: the two compose.
    kept = worlds(f"force c regime=soviet at {day(6)}", f"prevent c regime=old from {day(6)}", count=100)
    assert kept.probability("regime", "soviet", times=[day(59)]).sel(unit="c").item() == 1


def test_a_cause_is_removed_where_and_when_it_is_said() -> None:
    none = rows(worlds(f"remove cause {RISE} | border"))
    assert "border" not in set(none["cause"])
    part = rows(worlds(f"remove cause {RISE} | border for b from {day(5)} to {day(20)}", count=600))
    spread = part[part["cause"] == "border"]
    assert not ((spread["unit"] == "b") & (spread["time"] > 5) & (spread["time"] <= 21)).any()
    assert ((spread["unit"] == "b") & (spread["time"] <= 5)).any()
    assert (spread["unit"] == "c").any()
    # To scale a cause is to add to its intercept.
    doubled = rows(worlds(f"scale cause {RISE} | border by 2"))
    name = f"{RISE} | border | susceptibility | 1"
    moved = rows(worlds(tc.change_parameter(name, by=math.log(2.0))))
    np.testing.assert_allclose(doubled["time"], moved["time"], rtol=1e-9)
    assert rows(worlds(tc.change_parameter(name, to=-math.inf))).equals(none)


def test_a_missing_covariate_does_no_harm_where_the_state_is_barred() -> None:
    needy = tc.Model([REGIME, ARMY], [tc.Transition("regime", "old", "soviet", tc.baseline("1 + size"))])
    alone = record(
        tables={"events": {"unit": ["a"], "variable": ["regime"], "state": ["soviet"], "time": [day(3)]}}
    )
    program = needy.compile(alone)
    with pytest.raises(tc.FitError, match="missing for 'far away'"):
        program.simulate([-4.0, 0.1], 5, 1)
    for do in (
        'prevent "far away" regime=soviet',
        f'prevent "far away" regime=soviet from {day(0)} to {day(59)}',
        f'remove cause {RISE} | baseline for "far away"',
        'set size to 1 for "far away"',
        'remove unit "far away"',
    ):
        assert program.simulate([-4.0, 0.1], 5, 1, interventions=[do]).worlds == 5


def test_a_removed_unit_does_nothing_and_sends_nothing() -> None:
    gone = worlds("remove unit a", count=300)
    table = rows(gone)
    assert "a" not in set(table["unit"])
    assert "a" not in set(table["source"].dropna())
    assert gone.probability("regime", "old").sel(unit="a").isnull().all()
    assert gone.summary("regime", "old").loc["a", "share"] == 0
    late = rows(worlds(f"remove unit a from {day(20)}", count=300))
    assert late[late["unit"] == "a"]["time"].max() < 20
    assert late[late["source"] == "a"]["time"].max() < 20
    first = rows(worlds(count=300))
    pd.testing.assert_frame_equal(
        first[first["time"] < 20].reset_index(drop=True), late[late["time"] < 20].reset_index(drop=True)
    )
    # The unit that entered late is not let in by the break that would have let it in.
    assert "d" not in set(rows(worlds(f"remove unit d from {day(3)}"))["unit"])


def test_what_nothing_ties_is_left_alone() -> None:
    def far(*do: str) -> list[dict[str, Any]]:
        return [row for row in worlds(*do).events.to_pylist() if row["unit"] == "far away"]

    for do in (
        "remove unit a",
        "prevent b regime=soviet",
        "set hunger to 9 for a",
        f"force c regime=soviet at {day(2)}",
    ):
        assert far(do) == far()


@pytest.mark.parametrize(
    "do",
    [
        "remove layer border",
        f"remove layer border from {day(10)} to {day(20)}",
        "scale layer aid by 0.5",
        "remove tie border a > b",
        f"scale tie border a > b by 0.2 from {day(5)}",
        f"remove cause {RISE} | border",
        f"scale cause {RISE} | baseline by 0.5 for a",
        "prevent a regime=soviet",
        f"delay a regime=soviet until {day(20)}",
        "remove unit b",
        "shift hunger by -1 for a",
    ],
)
def test_what_takes_away_never_advances_an_event(do: str) -> None:
    """Monotone coupling: two states, irreversible, `while` memory, alpha = 1, positive terms."""
    free, less = (
        worlds(*change, fall=False).first_times("regime", "soviet").set_index(["world", "unit"])["time"]
        for change in ((), (do,))
    )
    assert set(less.index) <= set(free.index)
    assert (less >= free.loc[less.index]).all()
    assert len(less) < len(free) or (less > free.loc[less.index]).any()


def test_interventions_are_checked_on_top_of_those_before_them() -> None:
    added = ["add tie aid b > d weight 2", "scale tie aid b > d by 0.5"]
    assert [str(each) for each in parse_all(added, record(), model())] == added
    with pytest.raises(tc.ModelError, match="no tie from 'b' to 'd'"):
        parse_all(added[::-1], record(), model())
    up, down = "shift hunger by 1", "scale hunger by 2"
    table = [
        values(checked(order, record(), model())[1].as_history(), "hunger")
        for order in ((up, down), (down, up))
    ]
    assert (table[0] == table[1] + 1).all()
    with pytest.raises(tc.ModelError, match="not present"):
        parse_all([f"remove unit a from {day(5)}", f"force a regime=soviet at {day(9)}"], record(), model())


def test_worlds_with_parameters_of_their_own_change_all_alike() -> None:
    effects = with_effects(model(), record())
    vectors = np.array([PARAMS, [value - 0.5 for value in PARAMS]])
    name = f"{RISE} | border | susceptibility | 1"

    def drawn(*do: Any) -> Any:
        return simulate_draws(effects, vectors, np.empty((2, 0)), 6, 3, do, None, record()).events

    without = drawn(f"remove cause {RISE} | border")
    assert without.equals(drawn(tc.change_parameter(name, to=-math.inf)))
    assert not without.equals(drawn())


def test_numbers_as_times_hold_over_start_and_end() -> None:
    history = tc.History(
        units={"unit": ["a", "b"]},
        ties={"layer": ["l"], "source": ["a"], "target": ["b"]},
        variables=[REGIME],
        window=(0.0, 10.0),
    )
    rise = tc.Model(
        [REGIME],
        [tc.Transition("regime", "old", "soviet", tc.baseline(), tc.contagion("l", "regime=soviet"))],
    )
    program = rise.compile(history)
    barred = rows(
        program.simulate([-1.0, 0.0], 400, 1, interventions=["prevent a regime=soviet from 2 to 4"])
    )
    mine = barred[barred["unit"] == "a"]["time"]
    assert not ((mine > 2) & (mine <= 4)).any()
    assert (mine < 2).any()
    assert (mine > 4).any()
    with pytest.raises(tc.ModelError, match="12 is outside the window"):
        program.simulate([-1.0, 0.0], 1, 1, interventions=["remove layer l from 12"])


def test_months_can_be_changed_too() -> None:
    history = tc.History(
        units={"unit": ["a", "b"]},
        events={"unit": ["a"], "variable": ["regime"], "state": ["soviet"], "time": ["1918-03"]},
        ties={"layer": ["l"], "source": ["a"], "target": ["b"]},
        variables=[REGIME],
        window=("1918-01", "1919-12"),
        clock="month",
    )
    rise = tc.Model(
        [REGIME],
        [tc.Transition("regime", "old", "soviet", tc.baseline(), tc.contagion("l", "regime=soviet"))],
    )
    given = rise.with_params(dict.fromkeys(rise.compile(history).parameter_names, -2.0))
    out = rows(given.simulate(history, 200, 1, interventions=["remove layer l from 1918-06 to 1918-08"]))
    spread = out[out["cause"] == "l"]["time"]
    assert not ((spread > 5) & (spread <= 8)).any()
    assert (spread > 8).any()


def test_half_life_with_a_power_response_breaks_monotone_coupling() -> None:
    """Two examples at once count for more than two apart; a change that delays one may bring them together."""
    history = tc.History(
        units={"unit": ["a", "b", "x", "z"], "regime": ["old", "old", "old", "soviet"]},
        ties={"layer": ["wire", "road", "road"], "source": ["z", "a", "b"], "target": ["a", "x", "x"]},
        variables=[REGIME],
        window=(0.0, 30.0),
    )
    rise = tc.Transition(
        "regime",
        "old",
        "soviet",
        tc.baseline("1"),
        tc.contagion("wire", "regime=soviet"),
        tc.contagion("road", "regime=soviet", half_life=2.0, response="power"),
    )
    made = tc.Model([REGIME], [rise]).compile(history)
    values = dict.fromkeys(made.parameter_names, -2.5)
    values[f"{RISE} | wire | susceptibility | 1"] = 0.0
    values[f"{RISE} | road | susceptibility | 1"] = -2.0
    values[f"{RISE} | road | response | alpha"] = math.log(4.0)
    with_, without = (
        made.simulate(values, 2000, 2, interventions=do)
        .first_times("regime", "soviet")
        .set_index(["world", "unit"])["time"]
        for do in ((), ("remove layer wire",))
    )
    shared = with_.index.intersection(without.index)
    advanced = without.loc[shared] < with_.loc[shared] - 1e-9
    assert set(shared[advanced].get_level_values("unit")) == {"x"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("remove the comintern", "remove layer comintern"),
        ("Without Moscow’s support.", "remove layer comintern"),
        ("what if there had been no hunger?", "scale food_crisis by 0"),
        ("no Hungary", "remove unit hungary"),
        ("without the Red Army", "remove layer red_army"),
    ],
)
def test_sentences_as_people_say_them(said: str, meant: str) -> None:
    history = tc.load_history("1917")
    model = tc.Model.from_toml(history.model_path)
    assert str(parse(said, history, model)) == meant


def test_what_the_model_does_not_have_is_answered_in_kind() -> None:
    history = tc.load_history("1917")
    model = tc.Model.from_toml(history.model_path)
    with pytest.raises(
        SentenceError, match=r"persons are not in this model; what is: .*Moscow's support \(comintern\)"
    ):
        parse("no Lenin", history, model)
    with pytest.raises(SentenceError, match="did you mean 'Hungary'"):
        parse("without Hungry", history, model)


def test_changes_have_the_words_of_the_history() -> None:
    history = tc.load_history("1917")
    assert in_words([tc.remove_layer("comintern")], history) == "Without the Comintern"  # scenarios.toml
    assert in_words([tc.scale_layer("pow_return", 0.5)], history) == "returned prisoners, 0.5 times as strong"
    assert in_words([tc.prevent("bavaria", "regime=soviet")], history) == "no soviet republic in Bavaria"
    changed = "add tie comintern russia > italy weight 1"
    said = in_words([parse(changed, history, tc.Model.from_toml(history.model_path))], history)
    assert said == "with Moscow's support from Russia to Italy"


def test_a_kind_that_lacks_a_part_cannot_be_made() -> None:
    parts: dict[str, Any] = {
        "FORM": "silence {unit}",
        "said": staticmethod(lambda unit: None),
        "words": lambda self, history: "silence",
        "touch": lambda self, program, found: None,
        "put": lambda self, program: None,
    }
    before = list(Intervention.kinds)
    for part in parts:
        rest = {name: value for name, value in parts.items() if name != part}
        with pytest.raises(TypeError, match=r"Silence lacks " + ("a change" if part == "put" else part)):
            type("Silence", (Intervention,), rest)
    assert Intervention.kinds == before
    # What is whole can be said at once.
    try:
        whole = type("Silence", (Intervention,), {**parts, "said": staticmethod(lambda unit: unit)})
        assert whole in kinds() and read("silence hungary") == "hungary"
    finally:
        Intervention.kinds[:] = before


def test_every_kind_has_words() -> None:
    """Each kind, said in a sentence: it is read, written and told in words."""
    history = tc.load_history("1917")
    program = tc.Model.from_toml(history.model_path).compile(history)
    cause = cause_names(program.model)[0]
    asked = {
        "RemoveLayer": "remove layer comintern from 1919-03-04",
        "ScaleLayer": "scale layer comintern by 2",
        "RewireLayer": "rewire layer land_border seed 3",
        "RemoveTie": "remove tie comintern russia > germany",
        "ScaleTie": "scale tie comintern russia > germany by 2",
        "AddTie": "add tie comintern russia > mexico weight 1",
        "RemoveCause": f"remove cause {cause} for hungary",
        "ScaleCause": f"scale cause {cause} by 0.5",
        "SetCovariate": "set food_crisis to 0 for germany",
        "ScaleCovariate": "scale food_crisis by 0.5",
        "ShiftCovariate": "shift food_crisis by -1 from 1919-01-01",
        "RemoveUnit": "remove unit hungary",
        "Force": "force germany regime=soviet at 1918-11-09",
        "Prevent": "prevent hungary regime=soviet",
        "Delay": "delay hungary regime=soviet until 1919-06-01",
        "Lift": "lift bavaria mutiny=mutinous at 1919-04-20",
        "SetParameter": f"change parameter {program.parameter_names[0]} to -3",
        "ShiftParameter": f"change parameter {program.parameter_names[0]} by 1",
    }
    assert {kind.__name__ for kind in kinds()} == set(asked)
    for name, sentence in asked.items():
        it = read(sentence)
        assert type(it).__name__ == name and str(read(str(it))) == str(it)
        assert it.words(history) != str(it) and "{" not in it.words(history)
