"""A sweep's answer in words: where the frontier runs, that there is none, or that it is not established."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rfcx_lab.verdict.frontier import ALL_OVERFIT, FOUND, NONE_OVERFITS, OPEN

_WORDS = {  # one, several
    "lstm_layers": ("LSTM layer", "LSTM layers"),
    "dense_layers": ("dense layer", "dense layers"),
    "lstm_width": ("LSTM width", "LSTM width"),
    "dense_width": ("dense width", "dense width"),
    "dense_taper": ("dense taper", "dense taper"),
    "lstm_dropout": ("LSTM dropout", "LSTM dropout"),
    "dense_dropout": ("dense dropout", "dense dropout"),
}


def write_frontier_sentence(document: Mapping[str, Any]) -> str:
    """Put the answer of a `frontier.json`, or what of one is there yet, into a few sentences."""
    return " ".join([_say_frontier(document), _say_search(document), _say_choice(document)])


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
    cells, sure = document["space"]["architectures"], f"{100 * document['confidence']:g} %"
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
    places = "; ".join(_say_crossing(crossing, document["space"]) for crossing in document["crossings"])
    if status == FOUND:
        return f"Models of these data, {epochs}, begin to overfit {places}. Each side is known to {sure}."
    doubtful = sum(each["in_doubt"] for each in document["architectures"])
    assert status == OPEN, status
    return (
        f"Where models of these data begin to overfit, {epochs}, is not established: {doubtful} of {cells} "
        f"architectures are still in doubt. As far as is known, {places}. More trials would tell, as "
        f"sweep.n_trials={len(document['trials']) + max(4, cells // 4)}."
    )


def _say_crossing(crossing: Mapping[str, Any], space: Mapping[str, Any]) -> str:
    along = space["along"]
    where = f"with {name_column(crossing['column'])} " if crossing["column"] else ""
    low, high = crossing["none_up_to"], crossing["all_from"]
    if crossing["value"] is not None:
        return f"{where}at {_axis(along)} of about {_round(crossing['value'])}{_band(low, high)}"
    if crossing["status"] == ALL_OVERFIT:
        return f"{where}at or below the smallest" + (f" (surely from {high:g} on)" if high is not None else "")
    if crossing["status"] == NONE_OVERFITS:
        return f"{where}beyond the largest" + (f" (surely not up to {low:g})" if low is not None else "")
    return f"{where}at no one place: smaller models overfit and larger ones do not"


def _band(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" (between {low:g} and {high:g})"
    if high is not None:
        return f" (at most {high:g})"
    return f" (more than {low:g})" if low is not None else " (anywhere)"


def _round(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _axis(along: str) -> str:
    return ("an " if along.startswith("lstm") else "a ") + (
        f"number of {name_axis(along)}" if along.endswith("layers") else name_axis(along)
    )


def _say_search(document: Mapping[str, Any]) -> str:
    trials: Sequence[Mapping[str, Any]] = document["trials"]
    seen = sum(bool(each["trials"]) for each in document["architectures"])
    failed = sum(trial["state"] == "failed" for trial in trials)
    trial = f"{len(trials)} trial{'s' if len(trials) > 1 else ''}"
    failure = f", {failed} of which failed" if failed else ""
    return f"That took {trial}{failure}, of {seen} of the {document['space']['architectures']} architectures."


def _say_choice(document: Mapping[str, Any]) -> str:
    chosen, best = document["recommended"], document["best"]
    if chosen["architecture"] is None:
        return "Nothing is recommended: no fit is usable."
    if chosen["architecture"] == best["architecture"]:
        return f"Recommended: {chosen['architecture']}, {chosen['epochs']} epochs, the best of them."
    return (
        f"Recommended: {chosen['architecture']}, {chosen['epochs']} epochs, the smallest within a standard error of "
        f"the best, {best['architecture']}."
    )
