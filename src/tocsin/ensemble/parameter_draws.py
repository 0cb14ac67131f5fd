"""Parameters drawn from their uncertainty, and the worlds of them that had to be stopped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tocsin.errors import ModelError
from tocsin.kernels.simulation import ENDLESS
from tocsin.program.parameters import pack

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.model.learned import Learned

WHY = {True: "no end", False: "hazard too large"}


class Stopped(NamedTuple):
    """A world that was stopped: its number, status, cause, unit and time of where it was stopped."""

    world: int
    status: int
    cause: int
    unit: int
    time: float

    @property
    def why(self) -> str:
        """Return why: ``no end`` (more events than a world may have) or ``hazard too large`` (for a number)."""
        return WHY[self.status == ENDLESS]


@dataclass(frozen=True, eq=False)
class Draws:
    """Parameters drawn from their uncertainty: world k has draw k mod D.

    Attributes:
        names: of the parameters.
        vectors: one row a draw (D, P); minus infinity for a strength of zero.
        said: how they were drawn, in words.
    """

    names: tuple[str, ...]
    vectors: NDArray[np.float64]
    said: str

    def __len__(self) -> int:
        return len(self.vectors)

    def of(self, worlds: NDArray[np.int64] | int) -> Any:
        """Return the numbers of the draws that worlds have."""
        return worlds % len(self.vectors)

    def frame(self) -> pd.DataFrame:
        """Return a row for each draw and a column for each parameter."""
        import pandas as pd

        return pd.DataFrame(self.vectors, columns=list(self.names))

    def content(self) -> dict[str, Any]:
        """Return the draws as plain content that JSON holds exactly."""
        packed = np.ascontiguousarray(self.vectors, dtype="<f8").tobytes()
        return {
            "names": list(self.names),
            "said": self.said,
            "count": len(self.vectors),
            "float64": base64.b64encode(packed).decode("ascii"),
        }

    @staticmethod
    def read(content: Any) -> Draws | None:
        """Return the draws in plain content, None where there are none; raise ValueError if they are broken."""
        if content is None:
            return None
        try:
            names = tuple(str(name) for name in content["names"])
            packed = base64.b64decode(content["float64"], validate=True)
            vectors = np.frombuffer(packed, dtype="<f8").reshape(int(content["count"]), len(names))
            return Draws(names, vectors.astype(np.float64), str(content["said"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"draws that cannot be read: {error}") from None

    def some(self, names: Sequence[str]) -> Draws:
        """Return the draws of some of the parameters, in the order of `names`; raise ModelError if one is lacking."""
        lacking = [name for name in names if name not in self.names]
        if lacking:
            raise ModelError(f"there are no draws of {lacking[0]!r}")
        places = [self.names.index(name) for name in names]
        return Draws(tuple(names), np.ascontiguousarray(self.vectors[:, places]), self.said)

    def under(self, names: Sequence[str]) -> Draws:
        """Return the draws with their parameters in another order.

        Raises:
            ModelError: they are those of another model.
        """
        if list(names) == list(self.names):
            return self
        pack(dict.fromkeys(self.names, 0.0), list(names))
        places = [self.names.index(name) for name in names]
        return Draws(tuple(names), np.ascontiguousarray(self.vectors[:, places]), self.said)


def draws_of(draws: Any, names: Sequence[str], learned: Learned | None = None) -> Draws:
    """Return draws of parameters in the order of `names`.

    Parameters:
        learned: what the formulas of the program learnt, with which a posterior's must agree.
        draws: `Draws`, a frame with a column for each parameter name, an array (D, P) in the order of `names`, or
            a Posterior without random effects.

    Raises:
        ModelError: they do not fit the model.
    """
    if isinstance(draws, Draws):
        return draws.under(names)
    said = "{} draws of the parameters, as they were given"
    if hasattr(draws, "flat") and hasattr(draws, "effects"):
        if draws.effects.blocks:
            raise ModelError("draws= takes no posterior with random effects: they belong to its own worlds")
        if sorted(draws.parameter_names) != sorted(names):
            raise ModelError("draws= come from a posterior of another model")
        if learned is not None and not learned.agrees(draws.learned):
            raise ModelError(
                "draws= come from a posterior whose categories have other levels or references: simulate with "
                "posterior.simulate(history), or with_params(params, learned=posterior.learned)"
            )
        said = "{} draws of the parameters from their posterior"
        places = [draws.parameter_names.index(name) for name in names]
        draws = draws.flat()[0][:, places]
    elif hasattr(draws, "columns"):
        columns = [str(name) for name in draws.columns]
        pack(dict.fromkeys(columns, 0.0), list(names))
        draws = draws.to_numpy()[:, [columns.index(name) for name in names]]
    try:
        vectors = np.array(draws, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelError("draws= must hold numbers") from None
    if vectors.ndim != 2 or vectors.shape[1] != len(names) or not len(vectors):
        raise ModelError(
            f"draws= must have a row for each draw and {len(names)} parameters, not the shape {vectors.shape}"
        )
    for vector in vectors:
        pack(vector, list(names))
    return Draws(tuple(names), vectors, said.format(f"{len(vectors):,}"))


def stopped_words(stopped: Sequence[Stopped], draws: Draws | None, worlds: int) -> list[str]:
    """Return, for each reason, in how many draws and worlds it came up; nothing where no world was stopped."""
    if draws is None:
        return []
    found = []
    used = min(len(draws), worlds)
    for why, words in (
        ("no end", "the wave has no end"),
        ("hazard too large", "a hazard is too large for a number"),
    ):
        mine = [each.world for each in stopped if each.why == why]
        if mine:
            numbers = len({int(draws.of(world)) for world in mine})
            count = "1 world was" if len(mine) == 1 else f"{len(mine):,} of {worlds:,} worlds were"
            found.append(
                f"In {numbers:,} of {used:,} draws {words}: {count} stopped there, count with what they had until "
                "then, and are left out of the differences."
            )
    return found
