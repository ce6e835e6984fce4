"""Verdicts and the audit in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rfcx_lab.report.audit_words import name_signal

HEADER = ("Rung", "Parameters", "Overfit", "Onset epoch", "Best epoch", "Best val loss", "Final val loss", "Accuracy")

LEAST = ("Parameters", "Accuracy", "Final val loss", "Best epoch", "Best val loss")
"""What a narrow terminal does without, the least needed first."""

STEPS_HEADER = (
    "Step", "Best val loss", "Its change", "Gap", "Gap's change", "Accuracy, %", "Test, %", "Overfit", "Onset epoch",
)  # fmt: skip

STEPS_LEAST = ("Accuracy, %", "Gap", "Onset epoch", "Gap's change", "Test, %", "Overfit")

LENGTH_HEADER = (
    "Pipeline",
    "True boxes",
    "Swapped",
    "True, no loss",
    "Swapped, no loss",
    "Named by length",
    "On noise",
)

AUDIT_HEADER = ("Not sound", "Audit", "Seen", "Names species of", "Majority", "Crossing")

AUDIT_LEAST = ("Crossing", "Majority", "Seen")

FIT_HEADER = ("Log", "Epochs", "Status", "Onset epoch", "First alarm", "Best epoch", "Rise")

FIT_LEAST = ("Best epoch", "First alarm", "Epochs", "Rise")

GROUP_HEADER = ("Group", "Fits", "Overfit", "Share overfit", "Onset epoch", "Best epoch")

GROUP_LEAST = ("Best epoch", "Overfit", "Fits")


def audit_rows(audit: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row of text per signal under `AUDIT_HEADER`; intervals are 95 %, the majority is one species."""
    rows: list[tuple[str, ...]] = []
    for signal in audit["signals"]:
        told, most_frequent = "–", "–"
        if signal["accuracy"] is not None:
            told = "{:.1f}% [{:.1f}, {:.1f}]".format(*(100 * share for share in signal["accuracy"]))
            most_frequent = f"{audit['majority']:.1%}"
        rows.append(
            (
                name_signal(signal["name"]),
                signal["status"],
                "yes" if signal["visible"] else "no",
                told,
                most_frequent,
                str(signal["rows"]),
            )
        )
    return rows


def ladder_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row of text per rung, bottom to top, under `HEADER`. Intervals are 95 %; ± is one standard error."""
    rows: list[tuple[str, ...]] = []
    for rung in document["rungs"]:
        remedy = " (remedy)" if rung["role"] == "remedy" else ""
        rows.append(
            (
                rung["name"] + remedy,
                f"{rung['trainable_parameters']:,}",
                f"{rung['statuses'].get('overfit', 0)} of {rung['repeats']}",
                _interval(rung["onset_epoch"]),
                _interval(rung["best_epoch"]),
                _mean(rung["val_loss_best"]),
                _mean(rung["val_loss_final"]),
                _mean(rung["val_accuracy_best"]),
            )
        )
    return rows


def steps_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row of text per step under `STEPS_HEADER`: 95 % intervals, p-values adjusted, * where established."""
    return [
        (
            step["name"],
            _number(step["val_loss_best"]),
            _difference(step["loss_difference"]),
            _number(step["gap"]),
            _difference(step["gap_difference"]),
            _percent(step["val_accuracy_best"]),
            _percent(step["test_accuracy"]),
            f"{step['statuses'].get('overfit', 0)} of {step['repeats']}",
            _interval(step["onset_epoch"]),
        )
        for step in document["steps"]
    ]


def length_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row of text per pipeline under `LENGTH_HEADER`: percent of calls, 95 % intervals, * what is established."""
    rows = []
    for one in document["pipelines"]:
        shares, claims = one["shares"], one["claims"]
        stars = {name: " *" if claim["established"] else "" for name, claim in claims.items()}
        rows.append(
            (
                one["name"],
                *(_percent(shares[name]) for name in ("true", "swapped", "within_true")),
                _percent(shares["within_swapped"]) + stars["swap_costs"],
                _percent(shares["donor_swapped"]) + stars["follows_length"],
                _percent(one["noise"]) + stars["beats_majority"],
            )
        )
    return rows


def _difference(difference: Mapping[str, Any] | None) -> str:
    if difference is None or difference["change"] is None:
        return "–"
    change, p = f"{difference['change'][0]:+.2f}", difference["p"]
    if p is None:
        return change
    return f"{change} (p {'< .001' if p < 0.001 else f'= {p:.2g}'}){' *' if difference['established'] else ''}"


def _number(value: Sequence[float | None] | None, form: str = ".2f") -> str:
    if value is None or value[0] is None:
        return "–"
    point, low, high = (None if v is None else format(v, form) for v in value)
    return f"{point}" if low is None else f"{point} [{low}, {high}]"


def _percent(value: Sequence[float | None] | None) -> str:
    return _number(None if value is None else [None if v is None else 100 * v for v in value], ".0f")


def _interval(value: Sequence[float | None] | None) -> str:
    if value is None:
        return "–"
    point, low, high = value
    return f"{point:g} [{'…' if low is None else f'{low:g}'}, {'…' if high is None else f'{high:g}'}]"


def _mean(value: Sequence[float | None] | None) -> str:
    if value is None:
        return "–"
    mean, error = value
    return f"{mean:.3f}" if error is None else f"{mean:.3f} ± {error:.3f}"


def fit_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row of text per logged fit under `FIT_HEADER`."""
    names = _without_common_folder([fit["source"] for fit in document["fits"]])
    return [
        (
            name,
            str(fit["epochs"]),
            fit["status"].replace("_", " "),
            *("–" if fit[key] is None else str(fit[key]) for key in ("onset_epoch", "first_alarm", "best_epoch")),
            "–" if fit["rise"] is None else f"{fit['rise']:.3g}",
        )
        for name, fit in zip(names, document["fits"], strict=True)
    ]


def group_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row of text per group of fits under `GROUP_HEADER`. Intervals are 95 %."""
    return [
        (
            group["name"],
            str(group["fits"]),
            str(group["statuses"].get("overfit", 0)),
            "–" if group["overfit_share"] is None else "{:.0%} [{:.0%}, {:.0%}]".format(*group["overfit_share"]),
            _interval(group["onset_epoch"]),
            _interval(group["best_epoch"]),
        )
        for group in document["groups"]
    ]


def _without_common_folder(names: Sequence[str]) -> list[str]:
    while (
        len(names) > 1 and len({name.partition("/")[0] for name in names}) == 1 and all("/" in name for name in names)
    ):
        names = [name.partition("/")[2] for name in names]
    return list(names)
