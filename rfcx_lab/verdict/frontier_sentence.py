"""A sweep's answer in words: where the frontier runs, that there is none, or that it is not established."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rfcx_lab.verdict.frontier import ALL_OVERFIT, FOUND, NONE_OVERFITS, OPEN
from rfcx_lab.verdict.turning import NOT_LEARNT

_WORDS = {  # one, several
    "lstm_layers": ("LSTM layer", "LSTM layers"),
    "dense_layers": ("dense layer", "dense layers"),
    "lstm_width": ("LSTM width", "LSTM width"),
    "dense_width": ("dense width", "dense width"),
    "dense_taper": ("dense taper", "dense taper"),
    "lstm_dropout": ("LSTM dropout", "LSTM dropout"),
    "dense_dropout": ("dense dropout", "dense dropout"),
}
_ONCE_EACH = ("grid", "random")  # samplers that end with the last architecture: more trials need another one
_MOST_PLACES = 5  # of a frontier, that a reader keeps in mind


def write_frontier_sentence(document: Mapping[str, Any]) -> str:
    """Put the answer of a `frontier.json`, or what of one is there yet, into a few sentences."""
    parts = [
        _say_frontier(document),
        _say_not_learnt(document),
        _say_importance(document),
        _say_search(document),
        _say_choice(document),
    ]
    return " ".join(part for part in parts if part)


def title_frontier(document: Mapping[str, Any]) -> str:
    """A title over a figure that shows where the frontier runs."""
    status, epochs = document["status"], f"trained for {document['epochs']} epochs"
    if status == ALL_OVERFIT:
        return f"No frontier in this space: all architectures overfit, {epochs}"
    if status == NONE_OVERFITS:
        return f"No frontier in this space: no architecture overfits, {epochs}"
    known = "" if status == FOUND else " (not established)"
    return f"Where models of these data begin to overfit, {epochs}{known}"


def more_trials(document: Mapping[str, Any]) -> dict[str, str]:
    """Overrides with which an open frontier is looked for further."""
    cells = document["space"]["architectures"]
    trials = len(document["trials"]) + max(4, (cells - _count_not_learnt(document)) // 4)
    more = {"sweep.n_trials": str(trials)}
    if document.get("search", {}).get("sampler") in _ONCE_EACH and trials > cells:
        more["sweep.sampler"] = "frontier"
    return more


def name_axis(axis: str, value: float | None = None) -> str:
    """`1 dense layer`, `LSTM width 32`; without a value `dense layers`."""
    one, several = _WORDS[axis]
    if value is None:
        return several
    if axis.endswith("layers"):
        return f"{value:g} {one}" if value == 1 else f"{f'{value:g}' if value else 'no'} {several}"
    return f"{one} {value:g}"


def name_column(column: Mapping[str, float]) -> str:
    """`2 dense layers, dense width 64`; of a space with one axis `any`."""
    return ", ".join(name_axis(axis, value) for axis, value in column.items())


def _say_frontier(document: Mapping[str, Any]) -> str:
    epochs, status = f"trained for {document['epochs']} epochs", document["status"]
    sure = f"{100 * document['confidence']:g} %"
    cells = document["space"]["architectures"] - _count_not_learnt(document)
    if status == ALL_OVERFIT:
        return (
            f"There is no frontier in this space: {epochs}, all {cells} architectures overfit, each with a probability "
            f"of {sure} or more. Smaller models would have to be added to find it."
        )
    if status == NONE_OVERFITS:
        return (
            f"There is no frontier in this space: {epochs}, none of the {cells} architectures overfits, each with a "
            f"probability of {sure} or more. Larger models would have to be added to find it."
        )
    places = _say_places(document)
    if status == FOUND:
        return f"Models of these data, {epochs}, begin to overfit {places}. Each side is known to {sure}."
    doubtful = sum(each["in_doubt"] for each in document["architectures"])
    assert status == OPEN, status
    asked = " ".join(f"{key}={value}" for key, value in more_trials(document).items())
    return (
        f"Where models of these data begin to overfit, {epochs}, is not established: {doubtful} of {cells} "
        f"architectures {'is' if doubtful == 1 else 'are'} still in doubt. As far as is known, they do {places}. More "
        f"trials would tell, as {asked}."
    )


def _say_places(document: Mapping[str, Any]) -> str:
    """Neighbouring columns of one answer as one; of many, some from first to last."""
    along = document["space"]["along"]
    said = [
        (crossing["column"], _say_crossing(crossing, along, _learning(document, crossing["column"])))
        for crossing in document["crossings"]
    ]
    places = [
        (_join_columns([column for column, _ in some]), where)
        for where, some in groupby(said, key=lambda each: each[1])
    ]
    chosen = sorted({round(n * (len(places) - 1) / (_MOST_PLACES - 1)) for n in range(_MOST_PLACES)})
    shown = places if len(places) <= _MOST_PLACES else [places[place] for place in chosen]
    rest = f"; and so on for {len(places) - len(shown)} places more" if len(shown) < len(places) else ""
    return "; ".join(f"{f'with {column} ' if column else ''}{where}" for column, where in shown) + rest


def _learning(document: Mapping[str, Any], column: Mapping[str, float]) -> list[float]:
    """Places along the axis, in one column, of the architectures that have a side; smallest model first."""
    along = document["space"]["along"]
    return [
        each["values"][along]
        for each in document["architectures"]
        if each.get("learnt") is not False and {**each["values"], **column} == each["values"]
    ]


def _join_columns(columns: Sequence[Mapping[str, float]]) -> str:
    """`1 to 3 dense layers`; of columns of more than one axis, the first one to the last one."""
    first, last = columns[0], columns[-1]
    if len(columns) == 1:
        return name_column(first)
    if len(first) == len(last) == 1:
        [(axis, low)], [high] = first.items(), last.values()
        if axis.endswith("layers"):
            return f"{low:g} to {name_axis(axis, high)}"
        return f"{name_axis(axis, low)} to {high:g}"
    return f"{name_column(first)} to {name_column(last)}"


def _say_crossing(crossing: Mapping[str, Any], along: str, values: Sequence[float]) -> str:
    """Where it is in one column; `values` are those of the column's architectures that have a side."""
    low, high = crossing["none_up_to"], crossing["all_from"]
    if crossing["status"] == NOT_LEARNT:
        return "nowhere, as none of these models has learnt anything"
    if crossing["value"] is not None:
        if along.endswith("layers"):  # of which there are whole ones: the first beyond, not a place between two
            beyond = next(value for value in values if value >= crossing["value"])
            return f"from {name_axis(along, beyond)} on{_band(low, high)}"
        article = "an" if along.startswith("lstm") else "a"
        return f"at {article} {name_axis(along)} of about {_round(crossing['value'])}{_band(low, high)}"
    if crossing["status"] == ALL_OVERFIT:
        sure = "not sure" if high is None else f"sure from {high:g} on"
        return f"already at the smallest, {name_axis(along, values[0])}" + ("" if high == values[0] else f" ({sure})")
    if crossing["status"] == NONE_OVERFITS:
        sure = "not sure" if low is None else f"sure up to {low:g}"
        return f"only beyond the largest, {name_axis(along, values[-1])}" + ("" if low == values[-1] else f" ({sure})")
    return "at no one place, as smaller models overfit and larger ones do not"


def _band(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" (between {low:g} and {high:g})"
    if high is not None:
        return f" (at most {high:g})"
    return f" (more than {low:g})" if low is not None else " (anywhere)"


def _round(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _count_not_learnt(document: Mapping[str, Any]) -> int:
    return sum(each.get("learnt") is False for each in document["architectures"])


def _say_not_learnt(document: Mapping[str, Any]) -> str:
    count = _count_not_learnt(document)
    if not count:
        return ""
    some = f"{count} architecture{' has' if count == 1 else 's have'}"
    return f"{some} learnt nothing that could be overfit, and {'lies' if count == 1 else 'lie'} on neither side."


def _say_importance(document: Mapping[str, Any]) -> str:
    """Which axis matters most, or that it is not known; nothing of a space with one axis."""
    shares = sorted(document.get("importance", {}).items(), key=lambda item: -item[1][0])
    if len(shares) < 2:
        return ""
    (first, share), *others = shares
    if share[1] <= max(other[2] for _, other in others):  # where little is known, the order is chance
        said = ", ".join(f"{name_axis(axis)} {_say_share(other)}" for axis, other in shares)
        return f"Which axis matters most is not established; of the variance each explains alone: {said}."
    rest = ", ".join(f"{name_axis(axis)} {100 * other[0]:.0f} %" for axis, other in others)
    return (
        f"How far a model overfits depends most on {name_axis(first)}: alone it explains {100 * share[0]:.0f} % of the "
        f"variance over the space ({100 * share[1]:.0f} to {100 * share[2]:.0f} %); {rest}."
    )


def _say_share(share: Sequence[float]) -> str:
    return f"{100 * share[0]:.0f} % ({100 * share[1]:.0f} to {100 * share[2]:.0f} %)"


def _say_search(document: Mapping[str, Any]) -> str:
    trials: Sequence[Mapping[str, Any]] = document["trials"]
    seen = sum(bool(each["trials"]) for each in document["architectures"])
    failed = sum(trial["state"] == "failed" for trial in trials)
    trial = f"{len(trials)} trial{'s' if len(trials) > 1 else ''}"
    failure = f", {failed} of which failed" if failed else ""
    cells = document["space"]["architectures"]
    which = f"All {cells}" if seen == cells else f"{seen} of the {cells}"
    return f"{which} architectures {'was' if seen == 1 else 'were'} tried, in {trial}{failure}."


def _say_choice(document: Mapping[str, Any]) -> str:
    chosen, best = document["recommended"], document["best"]
    if chosen["architecture"] is None:
        return "Nothing is recommended: no fit is usable, or none has learnt."
    if chosen["architecture"] == best["architecture"]:
        return f"Recommended: {chosen['architecture']}, {chosen['epochs']} epochs, the best of them."
    return (
        f"Recommended: {chosen['architecture']}, {chosen['epochs']} epochs, the smallest within a standard error of "
        f"the best, {best['architecture']}."
    )
