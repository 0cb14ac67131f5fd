"""Interventions read from sentences such as ``remove layer comintern``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tocsin.errors import SentenceError, suggestion
from tocsin.interventions import declared as d
from tocsin.interventions.checks import check
from tocsin.interventions.declared import Intervention
from tocsin.interventions.grammar import pattern, shown, unquoted

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model


def _to(parameter: str, value: str) -> Intervention:
    return d.change_parameter(parameter, to=value)  # type: ignore[arg-type]


def _by(parameter: str, by: str) -> Intervention:
    return d.change_parameter(parameter, by=by)  # type: ignore[arg-type]


# What begins with two words is tried before what begins with one.
SENTENCES: tuple[tuple[type[Intervention], Callable[..., Intervention]], ...] = (
    (d.RemoveLayer, d.remove_layer),
    (d.RemoveTie, d.remove_tie),
    (d.RemoveCause, d.remove_cause),
    (d.RemoveUnit, d.remove_unit),
    (d.ScaleLayer, d.scale_layer),
    (d.ScaleTie, d.scale_tie),
    (d.ScaleCause, d.scale_cause),
    (d.RewireLayer, d.rewire_layer),
    (d.AddTie, d.add_tie),
    (d.SetCovariate, d.set_covariate),
    (d.ScaleCovariate, d.scale),
    (d.ShiftCovariate, d.shift),
    (d.Force, d.force),
    (d.Prevent, d.prevent),
    (d.Delay, d.delay),
    (d.Lift, d.lift),
    (d.SetParameter, _to),
    (d.ShiftParameter, _by),
)

EXAMPLES = "'remove layer comintern' or 'force germany regime=soviet at 1918-11-09'"


def read(text: str) -> Intervention:
    """Read an intervention from a sentence, whatever history it is meant for.

    Raises:
        SentenceError: the sentence cannot be read; the message shows the forms that come nearest.
    """
    sentence = str(text).strip()
    for kind, make in SENTENCES:
        match = pattern(kind.FORM).fullmatch(sentence)
        if match is not None:
            said = {name: unquoted(value) for name, value in match.groupdict().items() if value is not None}
            try:
                return make(**said)
            except SentenceError as error:
                raise SentenceError(f"cannot read the intervention {text!r}: {error}") from None
    raise SentenceError(f"cannot read the intervention {text!r}{_help(sentence)}")


def parse(text: str, history: History, model: Model) -> Intervention:
    """Read an intervention from a sentence and check it against a history and a model.

    Raises:
        SentenceError: the sentence cannot be read.
        ModelError: it names what does not exist.
    """
    intervention = read(text)
    check(intervention, history, model)
    return intervention


def parse_all(sentences: Sequence[str | Intervention], history: History, model: Model) -> list[Intervention]:
    """Read and check several interventions, each on top of those before it; see `parse`."""
    from tocsin.interventions.apply import checked

    return list(checked(sentences, history, model)[0])


def _help(sentence: str) -> str:
    """Return what to say instead: the forms of the verb, or the nearest verb."""
    words = sentence.split()
    heads: dict[str, list[Any]] = {}
    for kind, _ in SENTENCES:
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
