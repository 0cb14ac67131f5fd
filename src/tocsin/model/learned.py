"""What the formulas of a model learn from the history that it is fitted to, kept as one object.

A category has a reference and levels, a column of numbers a mean and a spread, a spline its knots. They
belong to the history that was fitted: another history is read with them, and never teaches its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tocsin.errors import ModelError

Level = str | int | float


@dataclass(frozen=True)
class Role:
    """What one formula learnt: that of a baseline, of a susceptibility or of an infectiousness.

    Attributes:
        terms: names of the terms, in the order of the parameters.
        levels: the levels of every category that the formula reads, the reference first, by what reads it (``x``,
            or ``C(year)`` where numbers are taken as a category). State variables declare theirs in the model.
        numbers: names that were read as numbers.
        centre, scale: mean and spread of each term over the time at risk of the transition in the fitted
            history; empty where nobody asked for them. They are about the search and the priors; parameters
            are always on the user's scale.
        transforms: what a transform learnt (means, knots), by its text.
    """

    terms: tuple[str, ...]
    levels: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    transforms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def learns(self) -> bool:
        """Return whether parameters of this formula mean nothing without what it learnt."""
        return bool(self.levels or self.transforms)


@dataclass(frozen=True)
class Learned(Mapping[str, Role]):
    """What all formulas of a model learnt, by ``transition | cause | role``.

    A fit and a posterior keep it (`fit.learned`), and so does every program (`program.learned`).
    """

    roles: Mapping[str, Role] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Role:
        return self.roles[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.roles)

    def __len__(self) -> int:
        return len(self.roles)

    def __hash__(self) -> int:
        return hash(tuple(self.roles))

    @property
    def learns(self) -> bool:
        """Return whether any formula needs what it learnt."""
        return any(role.learns for role in self.roles.values())

    @property
    def references(self) -> dict[str, Level]:
        """Return the reference of every category, by its name; of each formula, where they differ."""
        found: dict[str, Level] = {}
        for name, role in self.roles.items():
            for column, levels in role.levels.items():
                if found.setdefault(column, levels[0]) != levels[0]:
                    found[f"{column} in {name}"] = levels[0]
        return found

    def agrees(self, other: Learned) -> bool:
        """Return whether parameters by the one mean what they do by the other: the same levels and transforms."""
        return all(
            name in other and (role.levels, role.transforms) == (other[name].levels, other[name].transforms)
            for name, role in self.roles.items()
        )

    def with_numbers(self, role: str, centre: tuple[float, ...], scale: tuple[float, ...]) -> Learned:
        """Return the same with the mean and the spread of the terms of one formula."""
        known = replace(self.roles[role], centre=tuple(centre), scale=tuple(scale))
        return Learned({**self.roles, role: known})

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values that JSON holds exactly."""
        return {
            name: {
                "terms": list(role.terms),
                "levels": {column: list(levels) for column, levels in role.levels.items()},
                "numbers": list(role.numbers),
                "centre": list(role.centre),
                "scale": list(role.scale),
                "transforms": {text: dict(state) for text, state in role.transforms.items()},
            }
            for name, role in self.roles.items()
        }

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> Learned:
        """Read what `to_dict` wrote; raise ModelError where it is something else."""
        try:
            return Learned(
                {
                    str(name): Role(
                        tuple(str(term) for term in role["terms"]),
                        {str(column): tuple(levels) for column, levels in role["levels"].items()},
                        tuple(str(column) for column in role["numbers"]),
                        tuple(float(value) for value in role["centre"]),
                        tuple(float(value) for value in role["scale"]),
                        {str(text): dict(state) for text, state in role["transforms"].items()},
                    )
                    for name, role in content.items()
                }
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"this is not what formulas learnt ({type(error).__name__}: {error}): hand over `fit.learned`"
            ) from None
