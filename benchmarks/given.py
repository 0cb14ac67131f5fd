"""Time worlds given what happened: 1917 without the Comintern, under each question and coupling.

    uv run --group benchmarks python benchmarks/given.py [--worlds 300] [--pairs 2000]

Milliseconds a world are those of one thread, without the table of events, the least of several runs; seconds of
`what_if` are a whole answer on all processors, both sides of every pair: at the best estimates, and with 200 draws of
the parameters, the first time (what the past says under each draw is made) and once that is kept.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse

from measure import seconds
from run import machine, number, table

import tocsin as tc
from tocsin.ensemble.given_history import Setting
from tocsin.ensemble.simulate import recipe_of
from tocsin.program.condition import CLOCKS, Condition

CHANGE = ["remove layer comintern"]
QUESTIONS = [("nothing", "cause"), ("until 1919-03-01", "cause"), *(("history", clocks) for clocks in CLOCKS)]
REPEATS = 7


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=300, help="worlds of which one is timed")
    parser.add_argument("--pairs", type=int, default=2000, help="pairs of worlds of a whole answer")
    asked = parser.parse_args()
    if asked.worlds < 1 or asked.pairs < 2:
        parser.error("--worlds must be 1 or more, and --pairs 2 or more")
    history = tc.load_history("1917")
    fit = tc.Model.from_toml(history.model_path).fit(history)
    program = fit.program(history)
    vector = program.pack(fit.params)
    rows = []
    for given, clocks in QUESTIONS:
        plain, changed = recipe_of(program, vector, 1, CHANGE)
        recipe = Setting(program, changed, plain, Condition.parse(given, clocks, history)).recipe(vector)
        recipe.draw(0, 2)
        each = seconds(lambda _, recipe=recipe: recipe.draw(0, asked.worlds), REPEATS, min) / asked.worlds
        own = clocks if given == "history" else None

        def answer(_: int, draws: str = "fit", given: str = given, own: str | None = own) -> None:
            fit.what_if(history, CHANGE, worlds=asked.pairs, given=given, clocks=own, draws=draws)

        fit._compiled = (history.digest, fit.model.compile(history))  # nothing is kept of this program
        times = [
            seconds(lambda _, answer=answer: answer(0, "best"), 3, min),
            seconds(answer, 1, min),
            seconds(answer, 3, min),
        ]
        rows.append([given, clocks if own else "", number(1e3 * each), *map(number, times)])
    print(machine())
    head = ["given", "clocks", "ms a world", f"s of what_if, {asked.pairs} pairs", "first with draws", "then"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
