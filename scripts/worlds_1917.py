"""Put the worlds of the packaged model of 1917 beside what happened."""

from __future__ import annotations

import math
from functools import cached_property

import pandas as pd
from markdown_1917 import entered, number, range_of, table

import tocsin as tc

WORLDS, FEWER, SEED = 10_000, 2_000, 1917
YEARS = range(1917, 1924)


class Worlds:
    """The worlds of a fit, and the tables that compare them with the record."""

    def __init__(self, history: tc.History, model: tc.Model, fit: tc.Fit) -> None:
        self.history, self.model, self.fit = history, model, fit

    @cached_property
    def worlds(self) -> tc.Ensemble:
        return self.fit.simulate(self.history, worlds=WORLDS, seed=SEED)

    @cached_property
    def republics(self) -> pd.DataFrame:
        """Events into `soviet` of all worlds, with their year."""
        events: pd.DataFrame = self.worlds.events.select(["world", "date", "variable", "to"]).to_pandas()
        events = events[(events["variable"] == "regime") & (events["to"] == "soviet")]
        return events.assign(year=pd.to_datetime(events["date"]).dt.year)

    def ensemble(self) -> str:
        """Return what happened beside the worlds, over the whole window and year by year."""
        rows = []
        seen = entered(self.history)
        for variable in self.model.variables:
            counts = self.worlds.counts(variable.name, variable.states[1])
            happened = seen[seen["variable"] == variable.name]
            pairs = (("events", "entries", len(happened)), ("places", "units", happened["unit"].nunique()))
            for what, column, value in pairs:
                over = counts[column]
                inside = (over <= value).mean()
                rows.append(
                    (
                        f"{variable.name}={variable.states[1]}",
                        what,
                        value,
                        int(over.median()),
                        range_of(over, 0.9),
                        range_of(over, 0.95),
                        f"{over.min()} and {over.max()}",
                        f"{100 * inside:.0f}%",
                    )
                )
        head = ("state", "what", "happened", "median", "90% of worlds", "95% of worlds", "least and most")
        return (
            table((*head, "worlds with no more"), rows)
            + f"\n{WORLDS} worlds, seed {SEED}.\n\n"
            + self._by_year()
        )

    def _by_year(self) -> str:
        counts = self.republics.groupby(["world", "year"]).size().unstack(fill_value=0)
        counts = counts.reindex(index=range(WORLDS), columns=list(YEARS), fill_value=0)
        regime = self.history.events[self.history.events["variable"] == "regime"]
        soviet = regime[regime["state"] == "soviet"]
        ends = [f"{year}-12-31" for year in YEARS]
        held = self.worlds.curve("regime", "soviet", quantiles=(0.05, 0.5, 0.95), times=ends)
        rows = []
        for place, year in enumerate(YEARS):
            before = regime[regime["time"] < pd.Timestamp(ends[place])]
            standing = (before["state"] == "soviet").sum() - (before["state"] == "old").sum()
            level = held.iloc[place]
            rows.append(
                (
                    year,
                    int((soviet["time"].dt.year == year).sum()),
                    int(counts[year].median()),
                    range_of(counts[year], 0.9),
                    int(standing),
                    int(level[0.5]),
                    f"{int(level[0.05])} to {int(level[0.95])}",
                )
            )
        head = (
            "year",
            "proclaimed",
            "median",
            "90% of worlds",
            "standing at its end",
            "median",
            "90% of worlds",
        )
        return table(head, rows)

    def places(self) -> str:
        """Return how much hangs on Russia, and the places where the worlds and the record differ most."""
        counts = self.worlds.counts("regime", "soviet")["entries"]
        first = self.worlds.first_times("regime", "soviet")
        first = first[first["unit"] == "russia"]
        when = pd.Series(math.inf, index=counts.index)
        when[first["world"]] = first["time"].to_numpy()
        end_1918 = self.history.to_number("1919-01-01")
        groups = {
            "soviet before 1919": when < end_1918,
            "soviet later": (when >= end_1918) & (when < math.inf),
            "never soviet": when == math.inf,
        }
        rows = [
            (
                name,
                f"{100 * worlds.mean():.0f}%",
                int(counts[worlds].median()),
                range_of(counts[worlds], 0.9),
            )
            for name, worlds in groups.items()
        ]
        october = self.history.events.query("variable == 'regime' and unit == 'russia'")["time"].min()
        forced = self.fit.simulate(
            self.history, FEWER, SEED, [tc.force("russia", "regime=soviet", at=str(october.date()))]
        ).counts("regime", "soviet")["entries"]
        rows.append(("forced on its day", "all", int(forced.median()), range_of(forced, 0.9)))
        text = table(("russia", "worlds", "republics, median", "90% of worlds"), rows)
        share = self.worlds.summary("regime", "soviet")["share"].sort_values(ascending=False)
        seen = entered(self.history)
        happened = seen[seen["variable"] == "regime"]
        had = share.index.isin(happened["unit"])
        for words, places in (
            ("never soviet, most often in the worlds", share[~had].head(8)),
            ("soviet, rarest in the worlds", share[had].tail(8)[::-1]),
        ):
            listed = ", ".join(f"{unit} {100 * part:.0f}%" for unit, part in places.items())
            text += f"\n- In the record {words}: {listed}."
        dead, twice = (counts == 0).mean(), (counts > 2 * len(happened)).mean()
        return (
            f"{text}\n- Worlds without any soviet republic: {100 * dead:.1f}%; with more than twice as many "
            f"as there were: {100 * twice:.1f}%.\n"
        )

    def removed(self) -> str:
        """Return what the worlds hold without one layer: another distribution, not our world changed."""
        used = sorted(
            {getattr(cause, "layer", "") for move in self.model.transitions for cause in move.causes} - {""}
        )
        watched = [(variable.name, variable.states[1]) for variable in self.model.variables]
        rows = []
        for layer in ("", *used):
            changes = [tc.remove_layer(layer)] if layer else []
            worlds = self.fit.simulate(self.history, worlds=FEWER, seed=SEED, interventions=changes)
            cells = [worlds.counts(*state)["entries"].mean() for state in watched]
            rows.append((layer or "none", *(number(cell, 1) for cell in cells)))
        return (
            table(("layer removed", *(state for _, state in watched)), rows)
            + f"\nMean number of events into the state over {FEWER} worlds, seed {SEED}.\n"
        )
