"""A study's curves as one table (`curves.csv.gz`), from which its verdict is recomputed."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.curves import Curves
from rfcx_lab.verdict.rungs import RungInfo

_SERIES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
_COLUMNS = (
    "rung", "role", "trainable_parameters", "validation_fraction", "repeat", "epoch", *_SERIES, "failure",
    "chance_loss", "settled", "budget", "study",
)  # fmt: skip
LADDER, SWEEP, STEPS, LENGTH = "ladder", "sweep", "mended", "length"  # kinds of studies


@dataclass(frozen=True)
class LadderRecord:
    """What `judge_ladder` takes: curves per rung, the rungs bottom to top, and the share of validation rows.

    Of a sweep the rungs are its architectures, of a pipeline that is mended its steps, of the study of the boxes'
    length its pipelines: those are no ladder to judge.
    """

    curves: Mapping[str, Sequence[Curves]]
    order: Sequence[RungInfo]
    validation_fraction: float
    study: str = LADDER


def write_record(path: Path, record: LadderRecord) -> None:
    """Write a line per rung, repeat and epoch, bottom to top; the same curves give the same bytes.

    What is told of a fit, as the reason why it failed, stands on each of its lines; one that has no epoch has one line,
    of epoch 0.
    """
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(_COLUMNS)
    for rung in record.order:
        head = (rung.name, rung.role, rung.trainable_parameters, repr(record.validation_fraction))
        for curves in record.curves[rung.name]:
            chance = "" if curves.chance_loss is None else repr(curves.chance_loss)
            tail = (curves.failure or "", chance, int(curves.settled), curves.budget or "", record.study)
            for i in range(curves.epochs):
                values = [_text(getattr(curves, name), i) for name in _SERIES]
                out.writerow((*head, curves.repeat, i + 1, *values, *tail))
            if not curves.epochs:
                out.writerow((*head, curves.repeat, 0, "", "", "", "", *tail))
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def read_record(path: Path) -> LadderRecord:
    """Read what `write_record` wrote, also before it told of chance, of what is settled, of budgets and of studies.

    Raises:
        LabError: the file is missing, or is no such table.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        order = {
            row["rung"]: RungInfo(
                name=row["rung"], role=row["role"], trainable_parameters=int(row["trainable_parameters"])
            )
            for row in rows
        }
        fits: dict[tuple[str, int], list[dict[str, str]]] = {}
        for row in rows:
            fits.setdefault((row["rung"], int(row["repeat"])), []).append(row)
        curves: dict[str, list[Curves]] = {name: [] for name in order}
        for (name, repeat), lines in fits.items():
            curves[name].append(_curves(lines, repeat))
        study = rows[0].get("study") or LADDER
        return LadderRecord(curves, tuple(order.values()), float(rows[0]["validation_fraction"]), study)
    except (OSError, EOFError, KeyError, ValueError, IndexError) as error:
        raise LabError(f"{path} is not a table of a ladder's curves ({error}).") from error


def _curves(lines: Sequence[Mapping[str, str]], repeat: int) -> Curves:
    epochs = [line for line in lines if int(line["epoch"]) > 0]
    train, val, train_accuracy, val_accuracy = (_series(epochs, name) for name in _SERIES)
    told = lines[0]
    chance, budget = told.get("chance_loss"), told.get("budget")
    return Curves(
        train or (),
        val or (),
        train_accuracy,
        val_accuracy,
        repeat=repeat,
        failure=told["failure"] or None,
        settled=told.get("settled") == "1",
        chance_loss=float(chance) if chance else None,
        budget=int(budget) if budget else None,
    )


def _text(series: Sequence[float] | None, i: int) -> str:
    return "" if series is None else repr(series[i])


def _series(epochs: Sequence[Mapping[str, str]], name: str) -> tuple[float, ...] | None:
    """An empty field stands for a series that was not measured."""
    if epochs and all(line[name] == "" for line in epochs):
        return None
    return tuple(float(line[name]) for line in epochs)
