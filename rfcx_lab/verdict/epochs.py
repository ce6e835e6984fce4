"""From a log's rows to one training and one validation value per epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.columns import choose_columns, is_epoch
from rfcx_lab.verdict.logs import LogTable

CONTINUE = "continue"
REPLACE = "replace"
RESTARTS = (CONTINUE, REPLACE)


@dataclass(frozen=True)
class LoggedFit:
    """Two curves of one length, read from a log."""

    source: str
    train_name: str
    val_name: str
    train: tuple[float, ...]
    val: tuple[float, ...]
    epochs: tuple[int, ...]  # the number of each, from 1; gaps where the log has some
    notes: tuple[str, ...] = ()  # sentences on what was made of the log, or left out


@dataclass
class _Epoch:
    number: int
    train: list[float] = field(default_factory=list)
    val: list[float] = field(default_factory=list)
    whole: bool = False  # one row held both


def read_fit(
    table: LogTable, *, train: str | None = None, val: str | None = None, restart: str | None = None
) -> LoggedFit:
    """Bring a log to one value per epoch.

    Rows of one epoch are joined: the mean of its training values, the last of its validation values. Epochs that lack
    one of the two are left out. Where numbers go back, the log was appended to: those that come again replace what was
    there, unless the log starts over at its first number and training goes on from where it was, which is counted on.
    `restart` decides that, where it is not left to the training curve.

    Raises:
        LabError: as `choose_columns` does; the curves differ in length, a cell is no number, no epoch has both.
    """
    told = table.named or (None, None)
    train, val = choose_columns(list(table.columns), source=table.source, train=train or told[0], val=val or told[1])
    trainings, validations = table.numbers(train), table.numbers(val)
    if len(trainings) != len(validations):
        raise LabError(
            f"{table.source}: {train} has {len(trainings)} values, {val} {len(validations)}; a value of each is needed "
            "per epoch (validation_freq=1)."
        )
    notes = list(table.notes)
    epochs = _join(table, trainings, validations, notes)
    epochs = _settle_order(epochs, restart, notes)
    shift = 1 if epochs and epochs[0].number == 0 else 0
    epochs = _drop_halves(epochs, (train, val), notes)
    if not epochs:
        raise LabError(f"{table.source} has no epoch with a value of both {train} and {val}.")
    _describe_joining(epochs, (train, val), notes)
    if shift:
        notes.append("Epochs are counted from 1: the log's epoch 0 is epoch 1.")
    if epochs[0].number + shift > 1:
        notes.append(f"The curves begin at epoch {epochs[0].number + shift}.")
    return LoggedFit(
        source=table.source,
        train_name=train,
        val_name=val,
        train=tuple(sum(epoch.train) / len(epoch.train) for epoch in epochs),
        val=tuple(epoch.val[-1] for epoch in epochs),
        epochs=tuple(epoch.number + shift for epoch in epochs),
        notes=tuple(notes),
    )


def _join(
    table: LogTable, trainings: Sequence[float | None], validations: Sequence[float | None], notes: list[str]
) -> list[_Epoch]:
    """Rows of one epoch that follow one another; a row that holds neither value is left out."""
    number = _numbering(table, len(trainings))
    epochs: list[_Epoch] = []
    neither = 0
    for i, (t, v) in enumerate(zip(trainings, validations, strict=True)):
        if t is None and v is None:
            neither += 1
            continue
        n, whole = number(i), t is not None and v is not None
        if not epochs or epochs[-1].number != n or (whole and epochs[-1].whole):
            epochs.append(_Epoch(n))
        epochs[-1].train += [] if t is None else [t]
        epochs[-1].val += [] if v is None else [v]
        epochs[-1].whole |= whole
    if neither:
        notes.append(f"{_rows(neither)} neither of the two and {_is(neither)} left out.")
    return epochs


def _numbering(table: LogTable, rows: int) -> Callable[[int], int]:
    """The number of a row's epoch: what the log says, or else its place."""
    name = next((name for name in table.columns if is_epoch(name)), None)
    if name is None:
        return lambda i: i + 1
    cells = table.numbers(name)
    if len(cells) != rows:
        raise LabError(f"{table.source}: {name} has {len(cells)} values, the curves {rows}.")

    def number(i: int) -> int:
        cell = cells[i]
        if cell is None or not math.isfinite(cell) or cell < 0:
            shown = "missing" if cell is None else f"{cell:g}"
            raise LabError(f"{table.source}, {table.places[i]}: the epoch is {shown}; a number from 0 on is needed.")
        return math.ceil(cell)  # 0.5 lies within epoch 1

    return number


def _settle_order(epochs: list[_Epoch], restart: str | None, notes: list[str]) -> list[_Epoch]:
    """Let numbers only rise: sort what is out of order, and settle what comes twice."""
    numbers = [epoch.number for epoch in epochs]
    if numbers == sorted(numbers) and len(set(numbers)) == len(numbers):
        return epochs
    if not _any_twice(epochs):
        notes.append("The epochs stand out of order: they are sorted, and their halves joined.")
        return _sort(epochs)
    settled: list[_Epoch] = []
    shift = 0
    for place, epoch in enumerate(epochs):
        number = epoch.number + shift
        if place and epoch.number <= numbers[place - 1]:
            if epoch.number == numbers[0] and _goes_on(settled, epoch, restart):
                shift = settled[-1].number + 1 - epoch.number
                number = epoch.number + shift
                notes.append(f"Epochs start over at {epoch.number} as training goes on: counted on as {number}.")
            else:
                kept = [earlier for earlier in settled if earlier.number < number]
                notes.append(
                    f"Epochs go back from {settled[-1].number} to {number}: of those that come again, "
                    f"{len(settled) - len(kept)}, the later are kept."
                )
                settled = kept
        settled.append(_Epoch(number, epoch.train, epoch.val, epoch.whole))
    return settled


def _any_twice(epochs: Sequence[_Epoch]) -> bool:
    """Whether an epoch's training or its validation comes more than once."""
    for attribute in ("train", "val"):
        numbers = [epoch.number for epoch in epochs if getattr(epoch, attribute)]
        if len(set(numbers)) < len(numbers):
            return True
    return False


def _sort(epochs: Sequence[_Epoch]) -> list[_Epoch]:
    joined: dict[int, _Epoch] = {}
    for epoch in epochs:
        there = joined.setdefault(epoch.number, _Epoch(epoch.number))
        there.train += epoch.train
        there.val += epoch.val
        there.whole |= epoch.whole
    return [joined[number] for number in sorted(joined)]


def _goes_on(settled: Sequence[_Epoch], epoch: _Epoch, restart: str | None) -> bool:
    """Whether an epoch that bears the log's first number goes on from the weights before it.

    A fit from new weights begins about as high as the first one did.
    """
    if restart is not None:
        return restart == CONTINUE
    if not (settled[0].train and settled[-1].train and epoch.train):
        return False
    first, last, now = settled[0].train[0], settled[-1].train[-1], epoch.train[0]
    return abs(now - last) < abs(now - first)


def _drop_halves(epochs: Sequence[_Epoch], names: tuple[str, str], notes: list[str]) -> list[_Epoch]:
    for attribute, name in zip(("train", "val"), names, strict=True):
        lacking = sum(not getattr(epoch, attribute) for epoch in epochs)
        if lacking:
            notes.append(f"{lacking} of {len(epochs)} epochs have no {name} and are left out.")
    return [epoch for epoch in epochs if epoch.train and epoch.val]


def _describe_joining(epochs: Sequence[_Epoch], names: tuple[str, str], notes: list[str]) -> None:
    halves = sum(len(epoch.train) + len(epoch.val) for epoch in epochs if not epoch.whole)
    if halves:
        notes.append(f"{_rows(halves)} one of the two only, and {_is(halves)} joined by epoch.")
    for attribute, name, rule in (("train", names[0], "their mean"), ("val", names[1], "the last")):
        most = max(len(getattr(epoch, attribute)) for epoch in epochs)
        if most > 1:
            notes.append(f"{name} has up to {most} values per epoch: {rule} counts.")


def _rows(count: int) -> str:
    return f"{count} row{' holds' if count == 1 else 's hold'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
