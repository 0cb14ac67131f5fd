"""What if: worlds with a change beside the same worlds without it, and what that says in words and numbers."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from tocsin.ensemble.chains import Chains, chains_of
from tocsin.ensemble.paired import Paired
from tocsin.errors import ModelError, TocsinError, suggestion
from tocsin.interventions.sentences import in_words, parse_all
from tocsin.model.declaration import layers_of
from tocsin.program.condition import CLOCKS, Condition
from tocsin.states import parse_clause
from tocsin.wording.numbers import hundred, listed, moment, noun, of_worlds

if TYPE_CHECKING:
    from tocsin.ensemble.frame import Frame
    from tocsin.fit.parameterised import Parameterised
    from tocsin.history.history import History
    from tocsin.interventions.intervention import Intervention
    from tocsin.program.program import Program

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The answer to a what-if question.

    Attributes:
        history: what happened.
        program: the model compiled against it, unchanged.
        interventions: the change asked about.
        against: the change that it is set beside; nothing by default.
        condition: what the worlds are given: ``nothing``, ``until DATE`` or ``history``.
        wave: variable and state that are followed unless another is asked for.
        pairs: the two ensembles, paired; under ``history`` for each coupling of the clocks (``cause``,
            ``source``, ``fresh``), else under the one name ``cause``.
        best: what the parameters are called where all worlds have the same: ``at the best estimates`` of a fit.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> answer = fit.what_if(history, "remove layer comintern", worlds=50, seed=1)
        >>> len(answer.sentences()) > 1
        True
    """

    history: History
    program: Program
    interventions: tuple[Intervention, ...]
    against: tuple[Intervention, ...]
    condition: Condition
    wave: tuple[str, str]
    pairs: dict[str, Paired]
    best: str = "at the given parameters"
    _chains: dict[str, Chains] = field(default_factory=dict)

    @property
    def worlds(self) -> int:
        """Return how many pairs of worlds there are of each coupling."""
        return next(iter(self.pairs.values())).worlds

    @property
    def drawn(self) -> bool:
        """Return whether worlds have parameters drawn from their uncertainty."""
        return next(iter(self.pairs.values())).changed.draws is not None

    @property
    def question(self) -> str:
        """Return the change, and what it is set beside, as sentences of ``--do``."""
        asked = "; ".join(str(each) for each in self.interventions) or "nothing changed"
        beside = "; ".join(str(each) for each in self.against)
        return f"{asked} – beside: {beside}" if beside else asked

    @property
    def asked(self) -> str:
        """Return the question as people say it: its title in scenarios.toml, or phrases of `[words]`."""
        asked = in_words(self.interventions, self.history)
        return f"{asked} – beside: {in_words(self.against, self.history)}" if self.against else asked

    def table(
        self,
        variable: str | None = None,
        state: str | None = None,
        at: Iterable[Any] | None = None,
        precision: float | None = None,
    ) -> pd.DataFrame:
        """Return how the worlds differ, measure by measure and coupling by coupling; see `Paired.table`.

        Parameters:
            variable, state: by default the wave.
            at: dates at which the units in the state are counted; by default the last of the window.
        """
        pair = self._state(variable, state)
        frame = next(iter(self.pairs.values())).changed.frame
        points = [frame.last if frame.dated else frame.end] if at is None else list(at)
        return self._stacked(lambda paired: paired.table(*pair, points, precision))

    def range(self, variable: str | None = None, state: str | None = None) -> pd.DataFrame:
        """Return between what the mean differences lie over the couplings, which no data can choose among.

        Returns:
            One row a measure: low and high (least and greatest mean difference), and expected_lower and
            expected_upper (the ends of their 95% intervals of the expected effect). With one coupling they are that
            one's.
        """
        table = self.table(variable, state)
        grouped = table.groupby("measure", sort=False)
        return pd.DataFrame(
            {
                "low": grouped["difference"].min(),
                "high": grouped["difference"].max(),
                "expected_lower": grouped["expected_lower"].min(),
                "expected_upper": grouped["expected_upper"].max(),
            }
        ).reset_index()

    def units(self, variable: str | None = None, state: str | None = None) -> pd.DataFrame:
        """Return unit by unit in how many worlds it came into a state, coupling by coupling; see `Paired.units`.

        The units whose share changes most stand first.
        """
        pair = self._state(variable, state)

        def ordered(paired: Paired) -> pd.DataFrame:
            table = paired.units(*pair)
            order = (-(table["gained"] + table["lost"])).argsort(kind="stable")
            return table.iloc[order].reset_index()

        return self._stacked(ordered)

    def chains(self, clocks: str | None = None) -> Chains:
        """Return by what chains of causes the change reached the units; see `tocsin.ensemble.chains`.

        Parameters:
            clocks: the coupling, where there are several; by default the first.
        """
        name = next(iter(self.pairs)) if clocks is None else clocks
        if name not in self.pairs:
            raise TocsinError(f"there are no worlds under {name!r} clocks" + suggestion(name, self.pairs))
        if name not in self._chains:
            both = [*self.interventions, *self.against]
            self._chains[name] = chains_of(self.pairs[name], self.program, both)
        return self._chains[name]

    def variance_ratio(self, variable: str | None = None, state: str | None = None) -> pd.Series[float]:
        """Return how many times the variance of each difference would be greater without shared luck.

        (Var X + Var Y) / Var(X - Y) over pairs of worlds. Given history, the unchanged world is one and the
        same, and the ratio is 1.
        """
        table = self.table(variable, state)
        table = table[table["clocks"] == table["clocks"].iloc[0]] if "clocks" in table else table
        return table.set_index("measure")["variance_ratio"]

    def sentences(self) -> list[str]:
        """Return the answer in plain sentences, each computed from the worlds."""
        return sentences(self)

    def __str__(self) -> str:
        return "\n".join(self.sentences())

    def __repr__(self) -> str:
        return f"WhatIf({self.question!r}, given={str(self.condition)!r}, worlds={self.worlds})"

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self.sentences())
        table = self.table().drop(columns=["needed_unpaired"], errors="ignore")
        return f"<h4>{html.escape(self.question)}</h4>{said}{table.round(3).to_html(index=False)}"

    def label(self, unit: object) -> str:
        """Return what the history calls a unit."""
        return self._labels.get(str(unit), str(unit))

    @cached_property
    def _labels(self) -> dict[str, str]:
        units = self.history.units
        if "label" not in units:
            return {}
        known = units[units["label"].notna()].drop_duplicates("unit")
        return {
            str(unit): str(label).split(" (")[0]
            for unit, label in zip(known["unit"], known["label"], strict=True)
        }

    def _state(self, variable: str | None, state: str | None) -> tuple[str, str]:
        if state is not None and variable is None:
            raise TocsinError("name the variable of the state")
        if variable is not None and state is None:
            raise TocsinError(f"name the state of {variable!r}")
        return self.wave if variable is None or state is None else (variable, state)

    def _stacked(self, question: Callable[[Paired], pd.DataFrame]) -> pd.DataFrame:
        parts = []
        for name, paired in self.pairs.items():
            part = question(paired)
            if self.condition.given == "history":
                part.insert(0, "clocks", name)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)


def what_if(
    given: Parameterised,
    history: History,
    interventions: Sequence[Intervention | str] | Intervention | str,
    worlds: int,
    seed: int,
    condition: str,
    against: Sequence[Intervention | str] | Intervention | str,
    clocks: Sequence[str] | str | None,
    draws: Any,
    wave: str | None,
    progress: Progress | None,
) -> WhatIf:
    """Answer a what-if question; see `Given.what_if`."""
    from tocsin.ensemble.simulate import check_numbers
    from tocsin.fit.estimates import Fit

    check_numbers(worlds, seed)
    if worlds < 2:
        raise ModelError(f"a comparison needs 2 pairs of worlds or more, not {worlds}")
    program = given.program(history)
    changes = tuple(parse_all(_listed(interventions), history, given.model))
    beside = tuple(parse_all(_listed(against), history, given.model))
    asked = Condition.parse(condition, "cause", history)
    couplings = [clocks] if isinstance(clocks, str) else list(clocks or ())
    if asked.given == "history":
        couplings = couplings or list(CLOCKS)
    elif couplings:
        Condition.parse(condition, couplings[0], history)  # says why there is none to choose
    couplings = couplings or ["cause"]
    pairs = {}
    for name in couplings:
        Condition.parse(condition, name, history)

        def drawn(do: Sequence[Intervention], what: str, name: str = name) -> Any:
            tell = None if progress is None else lambda done, all_: progress(what, done, all_)
            return given.simulate(
                history, worlds, seed, do, progress=tell, given=condition, clocks=name, draws=draws
            )

        under = f" under {name} clocks" if len(couplings) > 1 else ""
        pairs[name] = Paired(
            drawn(changes, f"simulating changed worlds{under}"),
            drawn(beside, f"simulating the worlds beside them{under}"),
        )
    best = "at the best estimates" if isinstance(given, Fit) else "at the given parameters"
    return WhatIf(history, program, changes, beside, asked, _wave(given, wave), pairs, best)


def _listed(changes: Sequence[Intervention | str] | Intervention | str) -> list[Intervention | str]:
    from tocsin.interventions.intervention import Intervention

    return [changes] if isinstance(changes, str | Intervention) else list(changes)


def _wave(given: Parameterised, clause: str | None) -> tuple[str, str]:
    """Return the state that is followed: the one named, or the first that spreads by contagion."""
    model = given.model
    if clause is not None:
        named = parse_clause(clause, model.by_name)
        if len(named) != 1 or len(next(iter(named.values()))) != 1:
            raise TocsinError(f"the wave {clause!r} must be one state of one variable, such as regime=soviet")
        variable, states = next(iter(named.items()))
        return variable, next(iter(states))
    abroad = [t for t in model.transitions if any(layers_of(cause) for cause in t.causes)]
    variable = next(
        v.name for v in model.variables if v.name in {t.variable for t in abroad or model.transitions}
    )
    return variable, next(t.to for t in model.transitions if t.variable == variable)


# --- The answer to a what-if question in plain sentences; every number is computed, none is typed

COUPLING = {
    "cause": "If every reason of every place keeps its luck, whoever gives it (cause clocks)",
    "source": "If the luck belongs to the tie, so that another source brings other luck (source clocks)",
    "fresh": "If chance is new from the first difference on (fresh clocks)",
}

_ASKED = (
    "changed",
    "unchanged",
    "difference",
    "expected_lower",
    "expected_upper",
    "wave_lower",
    "wave_upper",
    "less",
    "more",
)

NAMED = 3  # units and paths that sentences name

SMALL = 0.005  # shares of worlds below this are not worth a sentence


def sentences(answer: WhatIf) -> list[str]:
    """Return what was asked, what changes, where, by what way, and what the answer cannot say."""
    return [
        _asked(answer),
        *_differences(answer),
        *_range(answer),
        *_units(answer),
        *_ways(answer),
        *cannot_say(answer),
    ]


def signed_mean(value: float, digits: int = 2) -> str:
    """Return a mean difference with its sign and a true minus; what rounds to nothing has no sign."""
    text = f"{value:+,.{digits}f}"
    return "0" if not text.strip("+-0.") else text.replace("-", "−")


def _asked(answer: WhatIf) -> str:
    frame, condition = next(iter(answer.pairs.values())).changed.frame, answer.condition
    pairs = f"{answer.worlds:,} pairs of worlds"
    start = moment(frame.start, frame)
    if condition.given == "history":
        how = f"our own world with this changed, in {pairs} for each coupling of chance"
    elif condition.given == "until":
        assert condition.until is not None
        known = condition.until - (frame.clock in ("month", "year"))  # a month or a year is known to its end
        how = f"{pairs} that agree with what happened until {moment(known, frame)} and then go on"
    else:
        how = f"worlds in general, {pairs} simulated from {start} on"
    machine = "" if answer.asked == answer.question else f" ({answer.question})"
    return f"What if: {answer.asked}?{machine} Asked of {how}; the worlds of a pair share their luck.{_drawn(answer)}"


def _drawn(answer: WhatIf) -> str:
    """Return whether parameters were drawn, and in how many draws a wave has no end."""
    if not answer.drawn:
        return f" All of them are {answer.best}."
    found: dict[str, None] = {}
    for name, paired in answer.pairs.items():
        head, *stops = paired.doubt
        found[head] = None
        under = f"Under {name} clocks, i" if len(answer.pairs) > 1 else "I"
        found |= dict.fromkeys(f"{under}{stop[1:]}" for stop in stops)
    return " " + " ".join(found)


def _entered(answer: WhatIf) -> str:
    variable, state = answer.wave
    return (
        answer.history.waves.get(f"{variable}={state}", ("", ""))[1] or f"entries into {variable} “{state}”"
    )


def _differences(answer: WhatIf) -> list[str]:
    table = answer.table()
    found = []
    for name, paired in answer.pairs.items():
        rows = table[table["clocks"] == name] if "clocks" in table else table
        rows = rows.set_index("measure")
        entries = rows.loc["entries", list(_ASKED)].astype(float).to_dict()
        head = f"{COUPLING[name]}: " if "clocks" in table else ""
        if entries["less"] == 0 and entries["more"] == 0:
            text = f"{_entered(answer)}: {entries['changed']:.1f} a world on average, with the change and without it"
        else:
            text = (
                f"{_entered(answer)}: on average {entries['changed']:.1f} a world with the change, "
                f"{entries['unchanged']:.1f} without. {expected_words(entries, answer.drawn, answer.best)} "
                f"{one_wave_words(entries)} "
                f"There are fewer {of_worlds(entries['less'])}, and more {of_worlds(entries['more'])}"
            )
        same = float(paired.same.mean()) if paired.worlds else 0.0
        text = text if head else text[0].upper() + text[1:]
        rest = "Every world changes in some event." if same == 0 else _still(same)
        found.append(" ".join([f"{head}{text}.", *_held_and_standing(rows, paired.changed.frame), rest]))
    return found


def _held_and_standing(rows: pd.DataFrame, frame: Frame) -> list[str]:
    """Return the other two outcomes: the time that all of them held, and how many stand at the end."""
    said = []
    for measure in rows.index:
        if measure == "duration":
            what = f"{noun(frame.clock, True).capitalize()} held, all together"
        elif str(measure).startswith("standing"):
            what = "Standing at the end"
        else:
            continue
        row = rows.loc[measure, list(_ASKED)].astype(float).to_dict()
        fine = 0 if measure == "duration" and frame.dated else 2
        effect, *span = (
            signed_mean(row[each], fine) for each in ("difference", "expected_lower", "expected_upper")
        )
        low, high = one_wave(row)
        said.append(
            f"{what}, on average: {row['changed']:,.1f} with the change, {row['unchanged']:,.1f} without; expected "
            f"effect {effect} (95% interval {span[0]} to {span[1]}), difference in one wave {low} to {high}."
        )
    return said


def expected_words(row: Mapping[Any, float], drawn: bool, best: str = "at the best estimates") -> str:
    """Return 'The expected effect is −0.43 (95% interval −1.46 to +0.11, over the parameters).'"""
    span = f"{signed_mean(row['expected_lower'])} to {signed_mean(row['expected_upper'])}"
    if drawn:
        return f"The expected effect is {signed_mean(row['difference'])} (95% interval {span}, over the parameters)."
    return (
        f"The expected effect {best} is {signed_mean(row['difference'])} (95% interval {span}, for want of more worlds "
        "alone)."
    )


def one_wave(row: Mapping[Any, float]) -> tuple[str, str]:
    """Return the ends of the difference in one wave as text: '−4' and '+2'."""
    low, high = (signed_mean(row[name], 1).removesuffix(".0") for name in ("wave_lower", "wave_upper"))
    return low, high


def one_wave_words(row: Mapping[Any, float]) -> str:
    """Return 'In one wave the difference lies between −4 and +2 (95 of 100 pairs of worlds, luck and all).'"""
    low, high = one_wave(row)
    return (
        f"In one wave the difference lies between {low} and {high} (95 of 100 pairs of worlds, luck and all)."
    )


def _still(same: float) -> str:
    worlds = of_worlds(same)
    return f"{worlds[0].upper()}{worlds[1:]} not one event of any kind changes."


def _range(answer: WhatIf) -> list[str]:
    if len(answer.pairs) < 2:
        return []
    table = answer.range().set_index("measure")
    row = table.loc["entries"].astype(float).to_dict()
    return [
        f"Over the couplings the expected effect runs from {signed_mean(row['low'])} to "
        f"{signed_mean(row['high'])} (with their 95% intervals, {signed_mean(row['expected_lower'])} to "
        f"{signed_mean(row['expected_upper'])}). No data can tell which coupling is right: the answer is that range."
    ]


def _units(answer: WhatIf) -> list[str]:
    """Return the units that change most; under several couplings with the range of their shares."""
    table = answer.units()
    moved = table.assign(moved=table["gained"] + table["lost"])
    grouped = moved.groupby("unit", sort=False)
    # Under several couplings: those that change whichever is right.
    order = grouped["moved"].min().sort_values(ascending=False, kind="stable")
    chosen = [unit for unit, size in order.items() if size >= SMALL][:NAMED]
    if not chosen:
        always = " under every coupling" if len(answer.pairs) > 1 else ""
        return [f"No place's part in it changes in more than 5 of 1,000 worlds{always}."]
    parts = []
    for unit in chosen:
        rows = grouped.get_group(unit)
        low, high = hundred(rows["share"].min()), hundred(rows["share"].max())
        share = low if low == high else f"{low} to {high}"
        parts.append(
            f"{answer.label(unit)} ({share} of 100 worlds instead of {hundred(rows['share_unchanged'].iloc[0])})"
        )
    head = "Whichever coupling is right, it" if len(answer.pairs) > 1 else "It"
    return [f"{head} changes most for {listed(parts)}."]


def _ways(answer: WhatIf) -> list[str]:
    """Return the commonest paths that go beyond what the change touches itself."""
    paths = answer.chains().table(*answer.wave, 1000, answer.label, answer.history.called)
    further = paths[(paths["steps"] > 1) & (paths["share"] >= SMALL)].head(NAMED)
    if not len(further):
        return ["Beyond what it touches itself it goes along no way that is common to 5 of 1,000 worlds."]
    ways = [f"{row['path']}, {of_worlds(row['share'])}" for row in further.to_dict("records")]
    return [f"Beyond what it touches itself it goes on most often by these ways: {'; '.join(ways)}."]


def cannot_say(answer: WhatIf) -> list[str]:
    """Return what the answer rests on and cannot say."""
    free, gated = dated_layers(answer)
    said = []

    def called(layers: list[str]) -> str:
        return listed([answer.history.called(name) for name in layers])

    if free:
        which = "the layer" if len(free) == 1 else "the layers"
        said.append(
            f"The answer is conditional on the ties as they were: those of {which} {called(free)} stand when "
            "and where they stood, also in worlds in which nothing would have called for them."
        )
    if gated:
        said.append(
            f"Ties of {called(gated)} act only on a place whose own state calls them up, and so fall silent where "
            "it does not."
        )
    if not answer.drawn:
        said.append(
            f"All worlds are {answer.best}, as if these were certain: the intervals hold the chance of so many worlds "
            'and no doubt about the parameters (draws="fit" draws those of a fit).'
        )
    return said


def dated_layers(answer: WhatIf) -> tuple[list[str], list[str]]:
    """Return the layers in use whose ties come and go with time: those nothing calls up, and those gated.

    A cause is gated where its transition leaves a state that is not the one on entry, or requires another
    state of the unit: its ties do nothing until the unit itself has come to be there.
    """
    numbers, model = answer.history.numbers, answer.program.model
    free: dict[str, None] = {}
    gated: dict[str, None] = {}
    used = [(move, layer) for move, cause in answer.program.causes for layer in layers_of(cause)]
    for move, layer in used:
        rows = numbers.ties.get(layer)
        if rows is None or not len(rows.weight):
            continue
        if not ((rows.start > numbers.start) | (rows.end < numbers.end)).any():
            continue
        initial = model.by_name[move.variable].initial
        required = {} if move.requires is None else parse_clause(move.requires, model.by_name)
        called = initial not in move.origin or any(
            model.by_name[name].initial not in states for name, states in required.items()
        )
        (gated if called else free)[layer] = None
    return list(free), [name for name in gated if name not in free]
