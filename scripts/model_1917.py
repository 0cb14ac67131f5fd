"""Fit the packaged model of 1917, put it to the test, and print the tables of docs/models/1917.md.

    python scripts/model_1917.py [--write | --check] [TABLE ...]

Every number of that page stands in a table between two marks, and every table is made here.

    --write    put the tables into the page
    --check    write nothing; exit with status 1 if the page holds other numbers
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from choices_1917 import (
    ARMY,
    DAY,
    EXAMPLE,
    ONSET,
    SUPPORT,
    Numbered,
    Record,
    alone,
    at_home,
    chosen,
    home_formulas,
    onset,
    records,
    with_memory,
)
from markdown_1917 import entered, interval, number, serve_tables, table, tables_asked
from worlds_1917 import SEED, Worlds

import tocsin as tc
from tocsin.fit.compare import CHECK
from tocsin.fit.summary import legend, p_value

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models" / "1917.md"
DRAWS = 50


def explained(fit: tc.Fit, history: tc.History) -> pd.Series[Any]:
    """Return the sum of shares by transition and cause: how many events each cause explains."""
    shares = fit.attribute(history).causes.groupby(["transition", "cause"], sort=False)["share"].sum()
    assert isinstance(shares, pd.Series)
    return shares


class Results:
    """What the tables are made of; everything is computed when it is first asked for."""

    @cached_property
    def history(self) -> tc.History:
        return tc.load_history("1917")

    @cached_property
    def model(self) -> tc.Model:
        path = self.history.model_path
        assert path is not None
        return tc.Model.from_toml(path)

    @cached_property
    def fit(self) -> tc.Fit:
        return self.model.fit(self.history)

    # --- the fit ----------------------------------------------------------------------------------------

    def estimates(self) -> str:
        """Return the table of the fit's summary."""
        found = self.fit.summary()
        rows = []
        for name, row in found.iterrows():
            transition, cause, role, term = str(name).split(" | ")
            strength = role == "susceptibility" and term == "1"
            shown = "strength" if strength else "rate at home" if term == "1" else term
            p = row["test"] if row["test"] == CHECK else p_value(row["p"])
            ends = interval(row["lower"], row["upper"])
            rows.append((transition, cause, shown, number(row["estimate"]), ends, p))
        good = "below" if self.fit.score.abs().max() < 1e-6 else "NOT below"
        return (
            table(("transition", "cause", "term", "estimate", "95% interval", "p"), rows)
            + "".join(f"\n- {meaning}" for meaning in legend(found, penalised=False))
            + "\n"
            + f"\nLog-likelihood {number(self.fit.loglik)}; {self.fit.df} free parameters; {self.fit.nobs} "
            + f"events explained; largest element of the gradient {good} 0.000001.\n\n"
            + "".join(f"- Warning of the fit: {warning}\n" for warning in self.fit.warnings)
        )

    def shares(self) -> str:
        """Return the table of causes: events explained, and what is lost without the cause."""
        total = self.fit.attribute(self.history).total()
        counted = {(row["transition"], row["cause"]): row for _, row in total.iterrows()}
        rows = []
        for transition in self.model.transitions:
            full: float | None = None
            for cause in transition.causes:
                row = counted[transition.name, cause.name]
                lost = ""
                if cause.name != "baseline":
                    full = self._loglik(transition.causes, transition) if full is None else full
                    left = [other for other in transition.causes if other is not cause]
                    lost = number(full - self._loglik(left, transition))
                share = f"{100 * row['share']:.0f}%"
                rows.append((transition.name, cause.name, number(row["events explained"], 1), share, lost))
        text = table(("transition", "cause", "events explained", "share", "lost without it"), rows)
        move = onset(self.model)
        full = self._loglik(move.causes, move)
        for words, layers in (
            ("example", EXAMPLE),
            ("support", SUPPORT),
            ("example and support", EXAMPLE + SUPPORT),
        ):
            left = [cause for cause in move.causes if getattr(cause, "layer", "") not in layers]
            listed = ", ".join(layers)
            lost = number(full - self._loglik(left, move))
            text += f"\n- Soviet republics, {words} ({listed}) left out together: {lost} lost."
        return text + "\n"

    def _loglik(self, causes: Sequence[Any], transition: tc.Transition) -> float:
        move = tc.Transition(transition.variable, transition.origin, transition.to, *causes)
        return tc.Model(self.model.variables, [move]).fit(self.history).loglik

    # --- choices ----------------------------------------------------------------------------------------

    def _row(self, record: Record, causes: Sequence[Any]) -> tuple[str, ...]:
        """Return gains and shares of the onset of soviet republics for one reading and one set of causes."""
        kept = [cause for cause in causes if getattr(cause, "layer", "") in ("", ARMY)]
        home = [cause for cause in kept if not hasattr(cause, "layer")]
        fits = [alone(record, chosen_causes).fit(record.history) for chosen_causes in (home, kept, causes)]
        shares = explained(fits[2], record.history)[ONSET]
        events = shares.sum()
        parts = [float(shares.reindex(list(names)).sum()) / events for names in ((ARMY,), EXAMPLE, SUPPORT)]
        return (
            str(round(events)),
            number(fits[2].loglik - fits[0].loglik, 1),
            number(fits[2].loglik - fits[1].loglik, 1),
            *(number(part) for part in parts),
            number(sum(parts)),
        )

    def choices(self) -> str:
        """Return the onset of soviet republics under each reading of the record and each memory."""
        rows = []
        for record in records(self.history):
            for memory, half_life in (("half-life of 30 days", 30.0), ("while it lasts", None)):
                causes = with_memory(onset(self.model).causes, half_life)
                rows.append((record.name, memory, *self._row(record, causes)))
        head = (
            "record",
            "memory of example",
            "onsets",
            "gain over home alone",
            "gain over home and red_army",
        )
        return table((*head, "red_army", "example", "support", "all abroad"), rows)

    def layers(self) -> str:
        """Return home plus one layer at a time: gain over home alone, and share of onsets along the layer."""
        rows = []
        read = records(self.history)
        for layer in (*EXAMPLE, *SUPPORT, ARMY):
            for memory, half_life in (("while", None), ("30 days", 30.0)):
                cells = []
                for record in read:
                    home = chosen(onset(self.model), ())
                    both = [*home, tc.contagion(layer, "regime=soviet", half_life=half_life)]
                    fits = [alone(record, causes).fit(record.history) for causes in (home, both)]
                    part = explained(fits[1], record.history)[ONSET]
                    gain = number(fits[1].loglik - fits[0].loglik, 1)
                    cells.append(f"{gain} ({number(part[layer] / part.sum())})")
                rows.append((layer, memory, *cells))
        return table(("layer", "memory", *(record.name for record in read)), rows)

    def memory(self) -> str:
        """Return the half-life that each layer of example would choose, alone beside home and red_army."""
        record = records(self.history)[0]
        rows = []
        for layer in EXAMPLE:
            causes = with_memory(chosen(onset(self.model), (ARMY, layer)), "estimate")
            fit = alone(record, causes).fit(record.history)
            name = f"{ONSET} | {layer} | memory | half_life"
            estimate, lower, upper = fit.intervals(names=[name]).to_numpy()[0]
            fixed = alone(record, with_memory(causes, 30.0)).fit(record.history)
            held = alone(record, with_memory(causes, None)).fit(record.history)
            rows.append(
                (
                    layer,
                    number(estimate, 0),
                    interval(lower, upper, 0),
                    number(fit.loglik - fixed.loglik, 1),
                    number(fit.loglik - held.loglik, 1),
                )
            )
        head = (
            "layer",
            "half-life, days",
            "95% interval",
            "better than 30 days by",
            "better than while it lasts by",
        )
        return table(head, rows)

    def rivals(self) -> str:
        """Return the onset of soviet republics with other reasons at home."""
        record = records(self.history)[0]
        rows = []
        for name, formula in home_formulas(onset(self.model)).items():
            causes = at_home(onset(self.model).causes, formula)
            fit = alone(record, causes).fit(record.history)
            rows.append((name, number(fit.loglik, 1), *self._row(record, causes)[2:]))
        head = ("home", "log-likelihood", "gain over home and red_army")
        return table((*head, "red_army", "example", "support", "all abroad"), rows)

    def order(self) -> str:
        """Return how far events explained move when the events of one day are put into a random order."""
        numbered = Numbered(self.history)
        base = explained(self.fit, self.history)
        rng = np.random.default_rng(SEED)
        drawn, logs = [], []
        for _ in range(DRAWS):
            history = numbered.draw(rng)
            fit = self.model.fit(history)
            drawn.append(explained(fit, history))
            logs.append(fit.loglik)
        rows = []
        for move in self.model.transitions:
            for cause in move.causes if len(move.causes) > 1 else ():
                values = np.array([one[move.name, cause.name] for one in drawn])
                spread = (base[move.name, cause.name], values.min(), np.median(values), values.max())
                rows.append((move.name, cause.name, *(number(value, 1) for value in spread)))
        base_log = self.fit.loglik
        same = self.model.fit(numbered.draw(None)).loglik
        return (
            table(("transition", "cause", "as dated", "lowest", "median", "highest"), rows)
            + f"\nEvents explained in {DRAWS} random orders. Log-likelihood as dated {number(base_log)} (in "
            + f"numbers of days {number(same)}), in random orders {interval(min(logs), max(logs))}.\n"
        )

    def facts(self) -> str:
        """Return the counts behind the traps."""
        history, seen = self.history, entered(self.history)
        covariates, ties, episodes = history.covariates, history.ties, history.episodes
        regime = history.events[history.events["variable"] == "regime"]
        begun, fallen = regime[regime["state"] == "soviet"], regime[regime["state"] == "old"]
        split = covariates[(covariates["covariate"] == "party_split") & (covariates["value"] == 1)]
        party = seen[seen["variable"] == "party"].set_index("unit")["time"]
        same = int((split["unit"].map(party) == split["start"]).sum())
        voted = covariates.loc[covariates["covariate"] == "socialist_vote", "unit"].nunique()

        def under(events: pd.DataFrame, layer: str) -> int:
            rows = ties[ties["layer"] == layer].merge(events, left_on="target", right_on="unit")
            force = rows[(rows["start"] < rows["time"]) & (rows["end"] + DAY >= rows["time"])]
            return int(force.groupby(["unit", "time"], observed=True).ngroups)

        front = ties[ties["layer"] == "front"]
        october = begun["time"].min()
        open_fronts = front[(front["source"] == "russia") & (front["end"] >= october)]
        days = int((open_fronts["end"].max() - october) / DAY)
        shared, onsets = int(seen.duplicated("time", keep=False).sum()), len(seen)
        all_shared = int(episodes["start"].duplicated(keep=False).sum())
        imported, broad = (begun["origin"] == "imported").sum(), (begun["scope"] == "broad").sum()
        lines = [
            f"{under(begun, ARMY)} of {len(begun)} soviet republics (spells) began under a tie of red_army; "
            f"{imported} are imported, {broad} are of broad scope.",
            f"{under(fallen, 'intervention')} of {len(fallen)} fell under a tie of intervention.",
            f"{same} of {len(split)} rows of party_split begin on the day on which the party was founded.",
            f"socialist_vote is known for {voted} of {len(history.units)} places.",
            f"{all_shared} of {len(episodes)} episodes share their first day with another; of the {onsets} "
            f"events into strike, rising, mutiny, party or republic, which the model explains, {shared} do.",
            f"The fronts of russia stayed open for {days} days after the first soviet republic.",
        ]
        return "".join(f"- {line}\n" for line in lines)


NAMES = ("facts", "estimates", "shares", "choices", "layers", "memory", "rivals", "order")
OF_WORLDS = ("ensemble", "places", "removed")


def main() -> int:
    """Print, write or check the tables."""
    parser = argparse.ArgumentParser(description="The tables of docs/models/1917.md.")
    options = tables_asked(parser, NAMES + OF_WORLDS)
    results = Results()
    worlds = Worlds(results.history, results.model, results.fit)
    return serve_tables(
        PAGE, options, lambda name: str(getattr(worlds if name in OF_WORLDS else results, name)())
    )


if __name__ == "__main__":
    sys.exit(main())
