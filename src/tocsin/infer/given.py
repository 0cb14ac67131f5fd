"""A model with parameters: what can be asked of it without a fit, and of a fit as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client

    from tocsin.ensemble import Ensemble
    from tocsin.history import History
    from tocsin.infer.attribution import Attribution
    from tocsin.model import Model
    from tocsin.program import Program
    from tocsin.program.interventions import Intervention


class Given:
    """A model with a value for every parameter.

    Parameters:
        model: the declaration.
        values: a value for every parameter name.
    """

    def __init__(self, model: Model, values: Mapping[str, float]) -> None:
        self.model = model
        self.values = dict(values)
        self._compiled: tuple[str, Program] | None = None

    def program(self, history: History) -> Program:
        """Return the model compiled against a history; the last one is remembered."""
        if self._compiled is None or self._compiled[0] != history.digest:
            self._compiled = (history.digest, self.model.compile(history))
        return self._compiled[1]

    def log_likelihood(self, history: History) -> float:
        """Return the log-likelihood of a history at these parameters; see `Program.loglik`."""
        return self.program(history).loglik(self.values)

    def simulate(
        self,
        history: History,
        worlds: int = 1000,
        seed: int = 1917,
        interventions: Sequence[Intervention | str] = (),
        progress: Callable[[int, int], None] | None = None,
        folder: str | Path | None = None,
        runner: Client | None = None,
    ) -> Ensemble:
        """Simulate worlds of a history at these parameters; see `Program.simulate`."""
        from tocsin.ensemble.simulate import simulate

        program = self.program(history)
        vector = program.pack(self.values)
        return simulate(program, vector, worlds, seed, interventions, progress, folder, runner)

    def attribute(self, history: History) -> Attribution:
        """Return for every explained event the share of each cause and each source.

        share of cause c = lambda_c / sum of all causes, at the instant of the event. Shares say what moved
        the hazard at that instant; they are not but-for probabilities.
        """
        from tocsin.infer.attribution import attribute

        program = self.program(history)
        return attribute(program, program.pack(self.values))

    def hazards_by_cause(
        self,
        history: History,
        transition: str | None = None,
        unit: str | None = None,
        times: Iterable[Any] | None = None,
    ) -> pd.DataFrame:
        """Return what each cause added to the hazard of what happened, through time.

        expected = integral of lambda_c over the interval, of one unit or summed over all units at risk: the
        number of events that the cause would bring in it, given what happened before.

        Parameters:
            history: what happened.
            transition: the name of one transition; by default all.
            unit: one unit; by default the sum over all.
            times: dates or numbers that bound the intervals; by default the window in at most 120 of them.

        Returns:
            One row a transition, cause and interval: transition, cause, start, end, [date], expected, and
            hazard, its mean per unit of the clock.

        Raises:
            TocsinError: there is no such transition or unit, or the times are not in order in the window.
        """
        from tocsin.program.course import course

        program = self.program(history)
        return course(program, program.pack(self.values), transition, unit, times)

    def residuals(self, history: History) -> pd.DataFrame:
        """Return the integrated hazards between events at these parameters; see `Program.residuals`."""
        return self.program(history).residuals(self.values)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None}
