"""What came out: each prepared what-if beside the unchanged worlds, in numbers and in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tocsin.classroom.prepared import Prepared
from tocsin.ensemble.comparison import Range, range_of
from tocsin.ensemble.paired import Paired
from tocsin.explorer.answers import difference_scene
from tocsin.explorer.questions import Question
from tocsin.model.followed_state import Wave
from tocsin.what_if.answer import expected_words, one_wave_words
from tocsin.wording.numbers import of_worlds

if TYPE_CHECKING:
    from tocsin.explorer.run import Laboratory


@dataclass(frozen=True)
class PreparedOutcome:
    """A prepared what-if and what it did to a state.

    Attributes:
        scenario: what was changed.
        show: the state that is looked at.
        scene: what the page is told (`difference_scene`).
        entries: mean events into the state, changed and unchanged, and their difference with the 95% interval of the
            expected effect, and what it is in one wave (`Paired.table`).
        drawn: whether the worlds draw the parameters; else they are at the best estimates.
        ours: what the page is told of our own world with the change; None where it was not asked.
    """

    scenario: Prepared
    show: Wave
    scene: Mapping[str, Any]
    entries: Mapping[str, float]
    drawn: bool
    ours: Mapping[str, Any] | None = None

    @property
    def certain(self) -> bool:
        """Return whether the interval of the expected effect leaves out zero."""
        return not self.entries["expected_lower"] <= 0 <= self.entries["expected_upper"]

    @property
    def average(self) -> str:
        """Return the means with and without the change, the expected effect, and the difference in one wave."""
        row = self.entries
        if row["difference"] == row["less"] == row["more"] == 0:
            return f"In no world does it change the number of {self.show.standing}."
        return (
            f"On average {row['changed']:.1f} {self.show.entered} in a world instead of {row['unchanged']:.1f}. "
            f"{expected_words(row, self.drawn)} {one_wave_words(row)}"
        )

    def row(self, unit: str) -> Mapping[str, Any] | None:
        """Return what is said of a unit, or None where it is in no world in the state."""
        found: Mapping[str, Any] | None = next(
            (row for row in self.scene["rows"] if row["unit"] == unit), None
        )
        return found

    def in_our_world(self, units: Sequence[str] = ()) -> list[str]:
        """Return what the change makes of our own world, and of some of its units, a sentence each."""
        if self.ours is None:
            return []
        rows = {row["unit"]: row["sentence"] for row in self.ours["rows"]}
        return [f"{self.ours['headline']}.", *(rows[unit] for unit in units if unit in rows)]

    @property
    def most(self) -> Mapping[str, Any] | None:
        """Return the row of the unit that changes most, among those that surely change and are not named in it."""
        # That Hungary changes where Hungary is held back is no news.
        named = {word for sentence in self.scenario.do for word in sentence.split()}
        sure = [row for row in self.scene["rows"] if row["unit"] not in named and surely(row)]
        return max(sure, key=lambda row: abs(row["difference"][0]), default=None)


def surely(row: Mapping[str, Any]) -> bool:
    """Return whether the interval of a unit's difference leaves out zero."""
    return not row["difference"][1] <= 0 <= row["difference"][2]


def outcome_of(laboratory: Laboratory, scenario: Prepared, show: Wave) -> PreparedOutcome:
    """Return what a prepared what-if did to a state, in the worlds of a laboratory."""
    worlds, seed = laboratory.limits.worlds, laboratory.seed
    changed, plain = laboratory.reader.scenarios(scenario.do, (), worlds, seed)
    scene = difference_scene(laboratory, Question(changed, plain, show))
    pair = Paired(laboratory.worlds(changed, show), laboratory.worlds(plain, show))
    table = pair.table(show.variable, show.state)
    entries = table.set_index("measure").loc["entries"].to_dict()
    numbers = {str(name): float(value) for name, value in entries.items()}
    return PreparedOutcome(scenario, show, scene, numbers, laboratory.draws is not None)


def tenths(value: float) -> str:
    """Return a difference with its sign and one digit: '+1.0', '−2.3', '0.0'."""
    text = f"{value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def entries_range(laboratory: Laboratory, show: Wave) -> Range:
    """Return events into a state: as they were, and as the unchanged worlds have them."""
    counts = laboratory.worlds(laboratory.standard, show).counts(show.variable, show.state)["entries"]
    seen = laboratory.observed.counts(show.variable, show.state)["entries"]
    return range_of(counts, float(seen.iloc[0]) if len(seen) else 0.0)


def as_it_is(outcome: PreparedOutcome, unit: str, label: str) -> str:
    """Return in how many unchanged worlds a unit comes into a state, with its interval."""
    row = outcome.row(unit)
    if row is None:
        return f"{label} {outcome.show.comes} in no world, and did not in the record."
    share, low, high = row["base"]
    seen = "It did" if row["observed"] else "It did not"
    return (
        f"{label} {outcome.show.comes} {of_worlds(share)} (95% interval {100 * low:.0f} to {100 * high:.0f}). "
        f"{seen} in the record."
    )


def with_change(outcome: PreparedOutcome, units: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Return what the change does to units, a sentence each."""
    found = []
    for unit in units:
        row = outcome.row(unit)
        found.append(row["sentence"] if row else f"{names[unit]}: in no world, with or without the change.")
    return found
