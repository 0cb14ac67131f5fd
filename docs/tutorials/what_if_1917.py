# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # What if? Five questions to the wave of 1917-1923
#
# Would there have been fewer soviet republics without the Comintern? More, had Germany gone over on 9 November 1918?
# Would Hungary's republic have lived without the armies around it? This tutorial puts five such questions to the
# packaged history and its model. Every figure below is computed by the cell above it; so are the sentences, which
# say what these worlds say and no more.
#
# One question has three meanings, and they have different answers:
#
# - **worlds in general** (`given="nothing"`): everything is simulated from January 1917 on;
# - **worlds that agree with history until a date** (`given="until DATE"`) and then go on;
# - **our own world with one thing changed** (`given="history"`): what the change does not touch stays as it was.
#   This answer depends on how worlds are coupled, which no record can tell. So it comes under three couplings, and
#   the answer is their range.

# %%
import os
from collections.abc import Iterable

import pandas as pd
from IPython.display import SVG, Markdown, display

import tocsin as tc
from tocsin.charts.differences import unit_differences
from tocsin.charts.parts import to_svg
from tocsin.report.what_if_page import comparison_of
from tocsin.what_if.answer import WhatIf, cannot_say, signed_mean

WORLDS = int(os.environ.get("TOCSIN_TUTORIAL_WORLDS", "2000"))
OURS = max(WORLDS // 5, 10)  # pairs of our own world for each coupling; they cost more

history = tc.load_history("1917")
fit = tc.Model.from_toml(history.model_path).fit(history)
asked: dict[str, dict[str, WhatIf]] = {}


def ask(name: str, changes: Iterable[str], until: str, wave: str = "regime=soviet") -> None:
    """Put a question in its three meanings and print what the worlds say."""
    asked[name] = {
        given: fit.what_if(
            history, list(changes), worlds=OURS if given == "history" else WORLDS, given=given, wave=wave
        )
        for given in ("nothing", f"until {until}", "history")
    }
    for heading, answer in zip(
        ("Worlds in general", "Worlds that agree until then", "Our own world"),
        asked[name].values(),
        strict=True,
    ):
        said = [sentence for sentence in answer.sentences() if sentence not in cannot_say(answer)]
        display(Markdown("\n\n".join([f"**{heading}.** {said[0]}", *(f"> {each}" for each in said[1:])])))


def between(values: pd.Series, form: str = ".0f") -> str:
    """Return 'low to high', or the one number where the two are printed alike."""
    low, high = format(values.min(), form), format(values.max(), form)
    return low if low == high else f"{low} to {high}"


display(
    Markdown(
        f"The history has {len(history.units)} places and {len(history.events)} events. The model has "
        f"{len(fit.params)} parameters and a log-likelihood of {fit.loglik:.1f}. Each general question is put to "
        f"{WORLDS:,} pairs of worlds."
    )
)

# %% [markdown]
# ## 1. No Comintern
#
# The layer `comintern` holds delegates, money and emissaries, as long as the sender is soviet. We take it away, and
# for the second meaning let history run until the day before the founding congress, 2 March 1919.

# %%
ask("no Comintern", ["remove layer comintern"], until="1919-03-01")

# %% [markdown]
# The places that change most, with 95% intervals over pairs of worlds:

# %%
SVG(to_svg(unit_differences(comparison_of(asked["no Comintern"]["nothing"], "cause"))))

# %% [markdown]
# How sure are the estimates themselves? These worlds draw the parameters as the likelihood has them. The interval of
# the expected effect is over the parameters, luck taken out; beside it stands the answer at the best estimates, whose
# interval knows nothing of that doubt:

# %%
drawn = asked["no Comintern"]["nothing"].table().set_index("measure")
best = fit.what_if(history, "remove layer comintern", worlds=OURS, draws="best").table().set_index("measure")
pd.DataFrame(
    {
        "expected effect": drawn["difference"],
        "lower": drawn["expected_lower"],
        "upper": drawn["expected_upper"],
        "at the best estimates": best["difference"],
        "its lower": best["expected_lower"],
        "its upper": best["expected_upper"],
    }
).loc[["entries", "units", "duration"]].round(2)

# %% [markdown]
# ## 2. Germany turns soviet on 9 November 1918
#
# On that day two republics were proclaimed in Berlin. Here the second one prevails: Germany is put into the soviet
# state, and may fall again as its hazards say.

# %%
ask("Germany soviet", ["force germany regime=soviet at 1918-11-09"], until="1918-11-08")

# %%
SVG(to_svg(unit_differences(comparison_of(asked["Germany soviet"]["nothing"], "cause"))))

# %% [markdown]
# By what ways did the difference travel? In a simulated world the cause and the source of every event are known, so
# each event that differs can be followed back to the change:

# %%
germany = asked["Germany soviet"]["history"]
germany.chains("cause").table("regime", "soviet", most=8, label=germany.label).round(3)

# %% [markdown]
# ## 3. No intervention against Hungary
#
# The record names the armies that stood in Hungary. Each of their ties is taken away; everything else stays.

# %%
ties = history.ties
armies = ties[(ties["layer"].astype(str) == "intervention") & (ties["target"].astype(str) == "hungary")]
senders = list(dict.fromkeys(armies["source"].astype(str)))
ask(
    "no intervention against Hungary",
    [f"remove tie intervention {unit} > hungary" for unit in senders],
    "1919-03-21",
)

# %% [markdown]
# The number of republics says little about any one of them. So we ask about Hungary itself: how long does its republic
# last?

# %%
rows = []
for given, answer in asked["no intervention against Hungary"].items():
    for clocks, pair in answer.pairs.items():
        spans = [side.durations("regime", "soviet") for side in (pair.changed, pair.unchanged)]
        days = [
            each[each["unit"].astype(str) == "hungary"].groupby("world")["duration"].sum() for each in spans
        ]
        changed, unchanged = (each.reindex(range(pair.worlds), fill_value=0.0) for each in days)
        apart = changed - unchanged
        shares = (float((apart > 1).mean()), float((apart.abs() <= 1).mean()))
        rows.append((given, clocks, changed.mean(), unchanged.mean(), apart.mean(), *shares))
columns = ["given", "clocks", "days changed", "days", "difference", "share longer", "share as long"]
hungary = pd.DataFrame(rows, columns=columns)
hungary.round(2)

# %%
ours = hungary[hungary["given"] == "history"]
display(
    Markdown(
        "In our own world without those armies, Hungary's republic lasts longer in "
        f"{between(100 * ours['share longer'])} of 100 worlds, and as long as it did, to the day, in "
        f"{between(100 * ours['share as long'])}. The mean difference is {between(ours['difference'])} days over the "
        "couplings."
    )
)

# %% [markdown]
# ## 4. No famine
#
# The covariate `food_crisis` is set to 0 everywhere and always; for the second meaning from November 1918 on, after
# what had happened by then.

# %%
ask("no famine", ["set food_crisis to 0"], until="1918-11-01")

# %%
moves = fit.model.transitions
hungry = [move.name for move in moves if any("food_crisis" in str(cause) for cause in move.causes)]
display(
    Markdown(
        f"This is a change of another kind. `food_crisis` stands in {len(hungry)} of the {len(moves)} transitions of "
        "the model, so the change does not touch a few ties but the ground that others stand on, and asks the model "
        "about a world unlike any that it has seen."
    )
)

# %% [markdown]
# ## 5. The front closed to fraternisation
#
# The layer `front` joins armies that face each other: from a soviet state propaganda crosses it, and a mutiny on one
# side may be an example to the other. Without it, we follow mutinies.

# %%
ask("front closed", ["remove layer front"], until="1917-11-06", wave="army=mutinous")

# %%
share = fit.attribute(history, draws=0).causes
front = share[share["cause"].isin(["front", "fraternisation"])].groupby("cause")["share"].sum()
mutinies = int((history.events["state"].astype(str) == "mutinous").sum())
display(
    Markdown(
        f"The fitted model gives the two causes along the front together {front.sum():.1f} of the {mutinies} mutinies "
        "of the record: so many the change takes away at once, and more by what these set off. Shares are those of "
        "the fit, and weary armies that face each other have common reasons too, which look like an example."
    )
)

# %% [markdown]
# ## All together
#
# The mean difference in events into the state followed (soviet republics, and mutinies for the last question), with
# 95% intervals of the expected effect; for our own world the range over the couplings, and the ends of their intervals.

# %%
rows = []
for name, answers in asked.items():
    for given, answer in answers.items():
        span = answer.range().set_index("measure").loc["entries"]
        low, high = signed_mean(span["low"]), signed_mean(span["high"])
        rows.append(
            {
                "question": name,
                "given": given,
                "mean difference": low if low == high else f"{low} to {high}",
                "with intervals": f"{signed_mean(span['expected_lower'])} to {signed_mean(span['expected_upper'])}",
            }
        )
together = pd.DataFrame(rows)
print(together.to_string(index=False))

# %% [markdown]
# ## What shared luck is worth
#
# Worlds of a pair share their luck: every clock of every place draws the same numbers with the change and without.
# So less of a difference is chance. Below is the variance of a difference between worlds that share nothing, divided
# by that between worlds of a pair: how many times more worlds the same precision would take without. Ten is the aim.

# %%
ratios = pd.DataFrame(
    {name: answers["nothing"].variance_ratio(*answers["nothing"].wave) for name, answers in asked.items()}
).T
ratios = ratios[["entries", "units", "duration"]]
print(ratios.round(1).to_string())
reached = [name for name, value in ratios["entries"].items() if value >= 10]
short = [name for name, value in ratios["entries"].items() if value < 10]
still = [name for name, value in ratios["entries"].items() if value != value]
display(
    Markdown(
        f"For events into the state the aim is reached by: {', '.join(reached) or 'none'}. "
        + (
            f"Not by: {', '.join(short)}; where nearly every event of a world is changed, "
            "little luck is left to share. "
            if short
            else ""
        )
        + (f"Nothing to compare, because no world differs: {', '.join(still)}." if still else "")
    )
)

# %% [markdown]
# ## What these answers cannot say

# %%
display(Markdown("\n\n".join(f"- {sentence}" for sentence in cannot_say(asked["no Comintern"]["nothing"]))))

# %% [markdown]
# - Contagion, a shock common to several places, and the likeness of neighbours look alike in such a record. What the
#   model credits to a tie may be a common cause that it does not know; `fit.check()` sets rival explanations beside
#   every contagion.
# - The share of worlds in which something happens is a statement about this model of this record. It is no measure of
#   how likely history itself was.
#
# To ask on the command line, with a page of pictures:
#
# ```
# tocsin whatif 1917 --do "remove layer comintern" --given history
# ```
