"""Which columns of a log are the two curves: told, or guessed from their names where only one guess is possible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from rfcx_lab.errors import LabError

_TRAINING = {"train", "training"}
_VALIDATION = {"val", "valid", "validation", "eval", "dev"}
_TEST = {"test"}
_COUNTERS = {"epoch", "epochs", "step", "steps"}
_HIGHER = {
    "acc", "accuracy", "f1", "auc", "auroc", "map", "precision", "recall", "score", "iou", "dice", "r2", "bleu",
}  # fmt: skip
_LOWER = {"loss", "error", "err"}
_LOSS = ("loss",)
_SHOWN = 12  # names listed in a message


class AmbiguousError(LabError):
    """More than one pair of columns can be meant."""


@dataclass(frozen=True)
class _Column:
    name: str
    words: tuple[str, ...]

    @property
    def measure(self) -> tuple[str, ...]:
        """What it measures: `train_loss_epoch` and `val_loss` both measure `loss`."""
        return tuple(word for word in self.words if word not in _TRAINING | _VALIDATION | _TEST | _COUNTERS)

    @property
    def per_step(self) -> bool:
        return bool({"step", "steps"} & set(self.words))

    def is_part(self, markers: set[str]) -> bool:
        found = [part for part in (_TRAINING, _VALIDATION, _TEST) if part & set(self.words)]
        return found == [markers]

    @property
    def can_train(self) -> bool:
        """Marked as training, or measuring something without a mark, as in Keras."""
        bare = not (_TRAINING | _VALIDATION | _TEST) & set(self.words)
        return self.is_part(_TRAINING) or (bare and bool(self.measure))


def guess_mode(validation: str) -> str:
    """`max` where the column's name says that higher is better, else `min`."""
    words = set(_words(validation))
    return "max" if words & _HIGHER and not words & _LOWER else "min"


def is_epoch(name: str) -> bool:
    """Whether a column numbers the epochs."""
    return _words(name) in (("epoch",), ("epochs",))


def choose_columns(
    names: Sequence[str], *, source: str, train: str | None = None, val: str | None = None
) -> tuple[str, str]:
    """The training and the validation column among `names`; what is not told is guessed.

    A loss goes before other measures, a value per epoch before one per step. `test` counts as validation only where
    nothing else does.

    Raises:
        LabError: a column told is not there, or no guess is possible.
        AmbiguousError: more than one is.
    """
    for told in (train, val):
        if told is not None and told not in names:
            raise LabError(f"{source} has no column {told}{_nearest(told, names)}; it has {_listed(names)}.")
    if train is not None and val is not None:
        if train == val:
            raise LabError(f"{source}: --train and --val name the same column, {train}.")
        return train, val
    every = [_Column(name, _words(name)) for name in names]
    validations = _marked(every, val)
    trainings = [c for c in every if (c.can_train if train is None else c.name == train)]
    measures = dict.fromkeys(v.measure for v in validations if any(t.measure == v.measure for t in trainings))
    if not measures:
        raise LabError(
            f"{source} has no pair of columns that can be taken for training and validation; it has "
            f"{_listed(names)}: name them with --train and --val."
        )
    wanted = _LOSS if _LOSS in measures else next(iter(measures))
    pairs = [
        (t.name, v.name)
        for measure in ([wanted] if wanted == _LOSS else measures)
        for v in _of(validations, measure)
        for t in _of(trainings, measure)
    ]
    if len(pairs) > 1:
        listed = ", ".join(f"{t} with {v}" for t, v in pairs[:_SHOWN])
        raise AmbiguousError(
            f"{source}: more than one pair of columns can be meant, {listed}: name it with --train and --val."
        )
    return pairs[0]


def _marked(every: Sequence[_Column], told: str | None) -> list[_Column]:
    if told is not None:
        return [column for column in every if column.name == told]
    marked = [column for column in every if column.is_part(_VALIDATION)]
    return marked or [column for column in every if column.is_part(_TEST)]


def _of(columns: Sequence[_Column], measure: tuple[str, ...]) -> list[_Column]:
    """Those of one measure; those per step only where there is no other."""
    matching = [column for column in columns if column.measure == measure]
    return [column for column in matching if not column.per_step] or matching


def _words(name: str) -> tuple[str, ...]:
    """`valLoss`, `val_loss`, `loss/val` -> words in small letters."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[a-z0-9]+", apart.lower()))


def _nearest(told: str, names: Sequence[str]) -> str:
    near = get_close_matches(told, names, n=1)
    return f" (nearest: {near[0]})" if near else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name or "one without a name" for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
