"""A model with parameters: what can be asked of it without a fit, and of a fit as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None}
