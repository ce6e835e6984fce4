"""How much of an accuracy is the length of the box: true boxes against swapped ones, and noise against a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.curves import Curves
from rfcx_lab.verdict.intervals import OpenInterval, holm, mean_interval, mean_p_value
from rfcx_lab.verdict.record import LadderRecord
from rfcx_lab.verdict.turning import FEWEST_REPEATS

SHARES = ("true", "swapped", "within_true", "within_swapped", "donor_true", "donor_swapped")
"""Shares of a fit's test calls. Named rightly: with the boxes they have, and with those of another species' length; the
same of the calls whose own box lies within the other; named as the species whose length it is, with either box."""

CLAIMS = ("swap_costs", "follows_length", "beats_majority")

TEST = (
    "Corrected resampled t test (Nadeau and Bengio 2003), two-sided, paired over repeats: of the accuracy that swapped "
    "lengths cost among the calls whose own box lies within the swapped one, of the share that is named as the species "
    "whose length it is, swapped less true, and of the accuracy on noise less the share of its most frequent species. "
    "A variance below that of a share of so many test calls is raised to it. Holm over all pipelines and claims."
)

MILESTONES = (50, 100, 200, 300)
"""Epochs at which the accuracy on noise is told, beside the last."""


@dataclass(frozen=True)
class PipelineRecord:
    """One pipeline's fits: `shares`, by `SHARES`, one number per repeat, and `noise`, its accuracy on noise.

    `rows` test calls, `within_rows` of which lie within their swapped boxes; on noise `noise_rows`, the most frequent
    species of which makes `majority`. `curves` are those on noise.
    """

    name: str
    epochs: int
    noise_epochs: int
    shares: Mapping[str, Sequence[float]]
    rows: int
    within_rows: int
    validation_fraction: float
    noise: Sequence[float]
    noise_rows: int
    noise_fraction: float
    majority: float
    curves: Sequence[Curves]

    def __post_init__(self) -> None:
        """Raise LabError where the shares are not of the same repeats."""
        if set(self.shares) != set(SHARES) or len({len(values) for values in self.shares.values()}) > 1:
            raise LabError(f"{self.name}: the shares must be {', '.join(SHARES)}, each with one number per repeat.")


@dataclass(frozen=True)
class Claim:
    """A mean over repeats that is held against 0; established: it is above, and p, which is adjusted, at most alpha."""

    mean: OpenInterval | None
    p: float | None  # None for fewer than 3 repeats
    established: bool


@dataclass(frozen=True)
class PipelineVerdict:
    """What a pipeline comes to; intervals of means over repeats are `(point, low, high)`."""

    name: str
    epochs: int
    noise_epochs: int
    repeats: int
    shares: dict[str, OpenInterval | None]
    noise_repeats: int
    noise: OpenInterval | None
    majority: float
    on_the_way: list[tuple[int, OpenInterval | None]]  # epoch, and validation accuracy on noise there
    noise_best_epoch: OpenInterval | None  # of the lowest validation loss on noise
    noise_best_accuracy: OpenInterval | None  # on the validation part there; chosen on that part, so no claim is made
    claims: dict[str, Claim]


def read_pipelines(document: Mapping[str, Any], record: LadderRecord) -> list[PipelineRecord]:
    """What `judge_pipelines` takes, from a `length.json` and the curves beside it."""
    return [
        PipelineRecord(
            **{key: one[key] for key in ("name", "epochs", "noise_epochs", "majority")},
            **one["measured"],
            curves=record.curves[on_noise(one["name"])],
        )
        for one in document["pipelines"]
    ]


def on_noise(name: str) -> str:
    """What a pipeline is called where it is trained on noise."""
    return f"{name}, on noise"


def judge_pipelines(
    records: Sequence[PipelineRecord], *, confidence: float = 0.95, alpha: float = 0.05
) -> list[PipelineVerdict]:
    """Judge every pipeline; the claims of all are one family of tests."""
    found = [_differences(record) for record in records]
    adjusted = holm([_p_value(*one) for claims in found for one in claims])
    verdicts = []
    for place, (record, claims) in enumerate(zip(records, found, strict=True)):
        judged = {}
        for index, (name, (values, _, fraction)) in enumerate(zip(CLAIMS, claims, strict=True)):
            p, mean = adjusted[place * len(CLAIMS) + index], _mean(values, fraction, confidence)
            judged[name] = Claim(mean, p, mean is not None and mean[0] > 0 and p is not None and p <= alpha)
        verdicts.append(
            PipelineVerdict(
                name=record.name,
                epochs=record.epochs,
                noise_epochs=record.noise_epochs,
                repeats=len(record.shares["true"]),
                shares={name: _mean(record.shares[name], record.validation_fraction, confidence) for name in SHARES},
                noise_repeats=len(record.noise),
                noise=_mean(record.noise, record.noise_fraction, confidence),
                majority=record.majority,
                on_the_way=_milestones(record, confidence),
                **_at_best(record, confidence),
                claims=judged,
            )
        )
    return verdicts


def _differences(record: PipelineRecord) -> list[tuple[list[float], float, float]]:
    """Of each of `CLAIMS`: the values over repeats, the least variance they can have, and the validation fraction."""
    shares, fraction = record.shares, record.validation_fraction
    pairs = (("within_true", "within_swapped", record.within_rows), ("donor_swapped", "donor_true", record.rows))
    found = [
        (
            [one - other for one, other in zip(shares[more], shares[less], strict=True)],
            _share_variance(shares[more], rows) + _share_variance(shares[less], rows),
            fraction,
        )
        for more, less, rows in pairs
    ]
    above = [accuracy - record.majority for accuracy in record.noise]
    return [*found, (above, _share_variance(record.noise, record.noise_rows), record.noise_fraction)]


def _share_variance(values: Sequence[float], rows: int) -> float:
    """Of a share of `rows` calls, were they independent draws."""
    share = float(np.mean(values)) if values else 0.0
    return share * (1 - share) / max(rows, 1)


def _p_value(values: Sequence[float], least_variance: float, fraction: float) -> float | None:
    if len(values) < FEWEST_REPEATS:
        return None
    return mean_p_value(values, validation_fraction=fraction, least_variance=least_variance)


def _mean(values: Sequence[float], fraction: float, confidence: float) -> OpenInterval | None:
    return mean_interval(values, validation_fraction=fraction, confidence=confidence)


def _milestones(record: PipelineRecord, confidence: float) -> list[tuple[int, OpenInterval | None]]:
    whole = [fit.val_accuracy for fit in record.curves if fit.failure is None and fit.val_accuracy is not None]
    if not whole:
        return []
    epochs = min(map(len, whole))
    return [
        (epoch, _mean([accuracy[epoch - 1] for accuracy in whole], record.noise_fraction, confidence))
        for epoch in sorted({*(each for each in MILESTONES if each < epochs), epochs})
    ]


def _at_best(record: PipelineRecord, confidence: float) -> dict[str, OpenInterval | None]:
    fits = [fit for fit in record.curves if fit.failure is None and fit.val_accuracy is not None]
    epochs = [int(np.argmin(fit.val_loss)) + 1 for fit in fits]
    accuracies = [fit.val_accuracy[epoch - 1] for fit, epoch in zip(fits, epochs, strict=True) if fit.val_accuracy]
    return {
        "noise_best_epoch": _mean([float(epoch) for epoch in epochs], record.noise_fraction, confidence),
        "noise_best_accuracy": _mean(accuracies, record.noise_fraction, confidence),
    }


SHOWN = {
    "swap_costs": "swapped lengths cost it accuracy where no sound is lost",
    "follows_length": "it names the species whose length the box has",
    "beats_majority": "it tells species by the length alone",
}


def tell_length(verdicts: Sequence[PipelineVerdict], *, chance: float, table: str) -> str:
    """The study in words, a sentence per pipeline and what is shown of it.

    `chance` is the accuracy of equal probabilities; `table` says whose boxes the noise has.
    """
    repeats, on_noise = (max(getattr(v, key) for v in verdicts) for key in ("repeats", "noise_repeats"))
    first = f"Over {repeats} repeats, and {on_noise} on noise; chance is {100 * chance:.1f} %."
    return " ".join([first, *(_tell(verdict, table) for verdict in verdicts)])


def _tell(verdict: PipelineVerdict, table: str) -> str:
    shares, claims = verdict.shares, verdict.claims
    name = f"{verdict.name[:1].upper()}{verdict.name[1:]}"
    told = (
        f"{name}, {verdict.epochs} epochs: {percent(shares['true'])} of the test calls named rightly with their own "
        f"boxes, {percent(shares['swapped'])} with lengths of other species ({percent(shares['within_true'])} and "
        f"{percent(shares['within_swapped'])} of those that lose no sound), {percent(shares['donor_swapped'])} named "
        f"as the species whose length it is ({percent(shares['donor_true'])} before); after {verdict.noise_epochs} "
        f"epochs on white noise under {table}, {percent(verdict.noise)}, where the most frequent species makes "
        f"{100 * verdict.majority:.1f} %{_best(verdict)}."
    )
    shown = [SHOWN[name] for name in CLAIMS if claims[name].established]
    open_ones = [SHOWN[name] for name in CLAIMS if not claims[name].established]
    parts = [f"Shown: {'; '.join(shown)}."] if shown else []
    parts += [f"Not shown: {'; '.join(open_ones)}."] if open_ones else []
    return " ".join([told, *parts])


def _best(verdict: PipelineVerdict) -> str:
    if verdict.noise_best_epoch is None:
        return ""
    accuracy, epoch = percent(verdict.noise_best_accuracy), verdict.noise_best_epoch[0]
    return f" ({accuracy} of the validation calls at the lowest loss, about epoch {epoch:.0f})"


def percent(interval: OpenInterval | None) -> str:
    """An interval of a share, as "12.3 % [10.0, 14.6]"."""
    if interval is None:
        return "–"
    point, low, high = interval
    between = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * point:.1f} %{between}"
