"""The learning curves of one fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rfcx_lab.errors import LabError

_SERIES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
_AGAINST = ("chance_loss", "budget")


@dataclass(frozen=True)
class Curves:
    """Losses and accuracies of one fit, one value per epoch, in evaluation mode at the epoch's end.

    A failed fit may be shorter or end in NaN; `failure` then tells why. One that is `settled` is the beginning of the
    curve that it would have had. Any sequence of numbers is accepted
    and kept as a tuple of floats. `chance_loss` and `budget` are what the fit is judged against: not known of a curve
    from elsewhere, and no part of what was measured.

    Raises:
        LabError: the series differ in length.
    """

    train_loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    train_accuracy: tuple[float, ...] | None
    val_accuracy: tuple[float, ...] | None
    repeat: int  # fits of the same repeat saw the same split, on every rung
    failure: str | None = None
    settled: bool = False  # ended before its budget, since its verdict was settled
    chance_loss: float | None = None  # of the best constant guess on the validation part: `verdict.chance`
    budget: int | None = None  # epochs that it was to have; None: as many as the longest beside it

    def __post_init__(self) -> None:
        """Turn the series into tuples of floats and compare their lengths."""
        lengths = {}
        for name in _SERIES:
            series = getattr(self, name)
            if series is not None:
                object.__setattr__(self, name, tuple(float(value) for value in series))
                lengths[name] = len(series)
        if len(set(lengths.values())) > 1:
            raise LabError(f"Curves of one fit must have one length: repeat {self.repeat} has {lengths}.")

    @property
    def epochs(self) -> int:
        """Number of epochs measured."""
        return len(self.val_loss)

    def to_dict(self) -> dict[str, Any]:
        """Give a JSON-safe dict: what's not finite becomes null (and comes back as NaN), what isn't known is absent."""
        series = {name: _to_json(getattr(self, name)) for name in _SERIES}
        known = {name: value for name in _AGAINST if (value := getattr(self, name)) is not None}
        return {**series, "repeat": self.repeat, "failure": self.failure, "settled": self.settled, **known}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Curves:
        """Read what `to_dict` wrote.

        Raises:
            LabError: a key is missing.
        """
        try:
            series = {name: _from_json(document[name]) for name in _SERIES}
            settled = bool(document.get("settled", False))
            return cls(
                **series,
                repeat=int(document["repeat"]),
                failure=document.get("failure"),
                settled=settled,
                chance_loss=document.get("chance_loss"),
                budget=document.get("budget"),
            )
        except KeyError as error:
            raise LabError(f"A record of learning curves lacks {error}.") from error


def _to_json(series: tuple[float, ...] | None) -> list[float | None] | None:
    if series is None:
        return None
    return [value if math.isfinite(value) else None for value in series]


def _from_json(series: list[float | None] | None) -> Any:
    if series is None:
        return None
    return tuple(math.nan if value is None else float(value) for value in series)
