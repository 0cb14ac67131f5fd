"""Interventions read from sentences such as ``remove layer comintern``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tocsin.errors import SentenceError, TocsinError, suggestion
from tocsin.history.describe import SCENARIOS, beside, short_labels
from tocsin.interventions import on_covariates, on_hazards, on_ties, on_units
from tocsin.interventions.grammar import pattern, shown, unquoted
from tocsin.interventions.intervention import Check, Intervention, why_fixed
from tocsin.model.declaration import layers_of
from tocsin.wording.numbers import counted, listed

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model


def kinds() -> list[type[Intervention]]:
    """Return all kinds of interventions; what begins with two words stands before what begins with one."""
    return sorted(Intervention.kinds, key=lambda kind: kind.FORM.split(" ")[1].startswith("{"))


EXAMPLES = "'remove layer comintern' or 'force germany regime=soviet at 1918-11-09'"


def read(text: str) -> Intervention:
    """Read an intervention from a sentence, whatever history it is meant for.

    Raises:
        SentenceError: the sentence cannot be read; the message shows the forms that come nearest.
    """
    sentence = str(text).strip()
    for kind in kinds():
        match = pattern(kind.FORM).fullmatch(sentence)
        if match is not None:
            said = {name: unquoted(value) for name, value in match.groupdict().items() if value is not None}
            try:
                return kind.said(**said)
            except SentenceError as error:
                raise SentenceError(f"cannot read the intervention {text!r}: {error}") from None
    follows = why_fixed(sentence)
    raise SentenceError(
        f"cannot read the intervention {text!r}{f': {follows}' if follows else _help(sentence)}"
    )


# How people begin: "remove the comintern", "without Moscow's support", "no hunger".
_WITHOUT = re.compile(
    r"(?:remove|without|no|take away|drop|delete|what if (?:there (?:was|were|had been) )?no)\s+(.+)", re.I
)


def understood(text: str, history: History, model: Model) -> Intervention:
    """Read a sentence in its own form, or as people say it: "without Moscow's support", "no hunger".

    Raises:
        SentenceError: it cannot be read, or it is about what the model does not have; the message says what it has.
    """
    try:
        return read(text)
    except SentenceError as error:
        said = _WITHOUT.fullmatch(str(text).strip().rstrip(".?!"))
        words = "" if said is None else said.group(1).strip()
        if not words or words.split()[0].lower() in ("layer", "tie", "cause", "unit"):
            raise
        found = _without(words, history, model)
        if found is None and re.search("did you mean '(layer|tie|cause|unit)'", str(error)):
            raise
        if found is None:
            raise SentenceError(_what_is(words, history, model)) from error
        return found


def _without(words: str, history: History, model: Model) -> Intervention | None:
    """Return what takes away the layer, cause, covariate or unit that words name; None where there is no such."""
    wanted = _bare(words)
    for name in _layers(history):
        if wanted in (_bare(name), _bare(history.called(name)), _bare(history.layer_labels.get(name, ""))):
            return on_ties.remove_layer(name)
    for name in history.numbers.covariates:
        if wanted in (_bare(name), _bare(history.called(name))):
            return on_covariates.scale(name, 0.0)
    for transition in model.transitions:
        for cause in transition.causes:
            if wanted == _bare(cause.name) and cause.name != "baseline":
                return on_hazards.remove_cause(cause.name)
    for unit, label in short_labels(history).items():
        if wanted in (_bare(unit), _bare(label)):
            return on_units.remove_unit(unit)
    return None


def _layers(history: History) -> list[str]:
    return [str(name) for name in history.layers]


def _bare(words: str) -> str:
    """Return words for comparison: without articles, capitals, possessives and underscores."""
    plain = words.casefold().replace("_", " ").replace("’", "'")
    return " ".join(word for word in plain.split() if word not in ("the", "a", "an", "any"))


def _what_is(words: str, history: History, model: Model) -> str:
    used = {
        layer for transition in model.transitions for cause in transition.causes for layer in layers_of(cause)
    }
    follows = why_fixed(words)
    if follows:
        return f"{words!r} is nothing that can be taken away: {follows}"
    layers = [f"{history.called(name)} ({name})" for name in _layers(history) if name in used]
    near = suggestion(
        words, [*_layers(history), *history.numbers.covariates, *short_labels(history).values()]
    )
    near = near if "did you mean" in near else ""
    covariates = [history.called(name) for name in history.numbers.covariates]
    parts = [f"ties of {listed(layers)}"] if layers else []
    parts += [f"conditions such as {listed(covariates[:4])}"] if covariates else []
    return (
        f"nothing here is called {words!r}{near}; persons are not in this model; what is: "
        f"{'; '.join([*parts, counted(len(history.numbers.units), 'place')])}; such as {EXAMPLES}"
    )


def in_words(interventions: Sequence[Intervention], history: History) -> str:
    """Return changes as people say them: the title that scenarios.toml gives them, or a phrase for each."""
    if not interventions:
        return "nothing changed"
    asked = [str(each) for each in interventions]
    return titles(history).get(tuple(asked)) or "; ".join(each.words(history) for each in interventions)


def said(sentences: Sequence[str], history: History) -> str:
    """Return sentences of a change as people say them (`in_words`); one that is none of ours stays as it is."""
    try:
        return in_words([read(each) for each in sentences], history)
    except TocsinError:
        return "; ".join(sentences)


def titles(history: History) -> dict[tuple[str, ...], str]:
    """Return the titles that scenarios.toml gives to changes, by their sentences; none where there is no such file."""
    path = beside(history, SCENARIOS)
    if path is None:
        return {}
    try:
        rows = tomllib.loads(path.read_text("utf-8-sig")).get("scenario", [])
        return {tuple(row["do"]): str(row["title"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # publish says what is wrong with it
        return {}


def parse(text: str, history: History, model: Model) -> Intervention:
    """Read an intervention from a sentence and check it against a history and a model.

    Raises:
        SentenceError: the sentence cannot be read.
        ModelError: it names what does not exist.
    """
    intervention = understood(text, history, model)
    Check(intervention, history, model, history.numbers).all()
    return intervention


def parse_all(sentences: Sequence[str | Intervention], history: History, model: Model) -> list[Intervention]:
    """Read and check several interventions, each on top of those before it; see `parse`."""
    from tocsin.interventions.apply import checked

    return list(checked(sentences, history, model)[0])


def _help(sentence: str) -> str:
    """Return what to say instead: the forms of the verb, or the nearest verb."""
    words = sentence.split()
    heads: dict[str, list[Any]] = {}
    for kind in kinds():
        heads.setdefault(kind.FORM.split(" ")[0], []).append(kind)
    if not words or words[0] not in heads:
        hint = suggestion(words[0], heads) if words else ""
        return f"{hint or '; it begins with ' + ', '.join(heads)}; such as {EXAMPLES}"
    forms = heads[words[0]]
    nouns = {kind.FORM.split(" ")[1]: kind for kind in forms}
    told = ""
    if len(words) > 1 and words[1] in nouns:
        forms = [nouns[words[1]]]
    elif len(words) > 1 and len(forms) > 1:
        plain = [noun for noun in nouns if not noun.startswith("{")]
        near = suggestion(words[1], plain)
        told = near if "did you mean" in near else ""
    least = min(len(kind.FORM.partition("[")[0].split()) for kind in forms)
    quotes = (
        ""
        if '"' in sentence or len(words) <= least
        else '; a name with spaces stands in quotes, as "New Zealand"'
    )
    return f"{told}; write it as " + " or ".join(repr(shown(kind.FORM)) for kind in forms) + quotes
