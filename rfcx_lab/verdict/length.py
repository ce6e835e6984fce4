"""How much of an accuracy is the length of the box: true boxes against swapped ones, and noise against a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.curves import Curves
from rfcx_lab.verdict.intervals import OpenInterval, holm, mean_interval
from rfcx_lab.verdict.record import LadderRecord
from rfcx_lab.verdict.shares import Draw, mean_difference, mean_share
from rfcx_lab.verdict.turning import FEWEST_REPEATS

SHARES = ("true", "swapped", "within_true", "within_swapped", "donor_true", "donor_swapped")
"""Shares of a fit's test calls. Named rightly: with the boxes they have, and with those of another species' length; the
same of the calls whose own box lies within the other; named as the species whose length it is, with either box."""

WITHIN = ("within_true", "within_swapped")

CLAIMS = ("swap_costs", "follows_length", "beats_majority")
READS = ("follows_length", "beats_majority")
"""Either shows that the length is read. A swap that costs does not by itself: a longer box lets in other sound, too."""

DRAWN = (*SHARES, "noise", *CLAIMS)
"""Means over test calls whose variance by the draw of these calls is known."""

TEST = (
    "t test, two-sided, paired over repeats and calls: of the accuracy that swapped lengths cost among the calls whose "
    "own box lies within the swapped one, of the share that is named as the species whose length it is, swapped less "
    "true, and of the accuracy on noise less that of always naming its most frequent species. The variance is that "
    "between repeats (corrected for overlap, Nadeau and Bengio 2003) and that of the draw of the test calls, which all "
    "repeats share, over recordings; degrees of freedom by Satterthwaite. Holm over all pipelines and claims."
)

MILESTONES = (50, 100, 200, 300)
"""Epochs at which the accuracy on noise is told, beside the last."""


@dataclass(frozen=True)
class PipelineRecord:
    """One pipeline's fits: `shares`, by `SHARES`, one number per repeat, and `noise`, its accuracy on noise.

    `rows` test calls, `within_rows` of which lie within their swapped boxes (where none does, their shares are empty);
    on noise `noise_rows`, the most frequent species of which makes `majority`. `draws`, by `DRAWN`, of these calls.
    `curves` are those on noise.
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
    draws: Mapping[str, Draw]
    curves: Sequence[Curves]

    def __post_init__(self) -> None:
        """Raise LabError where the shares are not of the same repeats, or a draw is not known."""
        counts = {len(values) for name, values in self.shares.items() if self.within_rows or name not in WITHIN}
        if set(self.shares) != set(SHARES) or len(counts) > 1:
            raise LabError(f"{self.name}: the shares must be {', '.join(SHARES)}, each with one number per repeat.")
        if set(self.draws) != set(DRAWN):
            raise LabError(f"{self.name}: the draws must be those of {', '.join(DRAWN)}.")


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
            **{key: value for key, value in one["measured"].items() if key != "draws"},
            draws={key: Draw(**draw) for key, draw in one["measured"]["draws"].items()},
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
    found = [_differences(record, confidence) for record in records]
    adjusted = iter(holm([p for differences in found for _, p in differences.values()]))
    return [
        PipelineVerdict(
            name=record.name,
            epochs=record.epochs,
            noise_epochs=record.noise_epochs,
            repeats=len(record.shares["true"]),
            shares={name: _share(record, name, confidence) for name in SHARES},
            noise_repeats=len(record.noise),
            noise=_share(record, "noise", confidence),
            majority=record.majority,
            on_the_way=_milestones(record, confidence),
            **_at_best(record, confidence),
            claims={name: _claim(mean, next(adjusted), alpha) for name, (mean, _) in differences.items()},
        )
        for record, differences in zip(records, found, strict=True)
    ]


def _share(record: PipelineRecord, name: str, confidence: float) -> OpenInterval | None:
    values, rows, fraction = record.shares.get(name, record.noise), record.rows, record.validation_fraction
    if name == "noise":
        rows, fraction = record.noise_rows, record.noise_fraction
    elif name in WITHIN:
        rows = record.within_rows
    return mean_share(values, record.draws[name], rows=rows, validation_fraction=fraction, confidence=confidence)


def _differences(record: PipelineRecord, confidence: float) -> dict[str, tuple[OpenInterval | None, float | None]]:
    """Of each of `CLAIMS`: the mean over repeats with its interval, and its p; no p for fewer than 3 repeats."""
    shares, fraction = record.shares, record.validation_fraction
    lost, followed = (
        [one - other for one, other in zip(shares[more], shares[less], strict=True)]
        for more, less in (WITHIN, ("donor_swapped", "donor_true"))
    )
    above, found = [accuracy - record.majority for accuracy in record.noise], {}
    parts = ((lost, fraction), (followed, fraction), (above, record.noise_fraction))
    for name, (values, part) in zip(CLAIMS, parts, strict=True):
        mean, p = mean_difference(values, record.draws[name], validation_fraction=part, confidence=confidence)
        found[name] = (mean, p if len(values) >= FEWEST_REPEATS else None)
    return found


def _claim(mean: OpenInterval | None, p: float | None, alpha: float) -> Claim:
    return Claim(mean, p, mean is not None and mean[0] > 0 and p is not None and p <= alpha)


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


_SHOWN = {
    "swap_costs": "swapped lengths cost it accuracy where no sound is lost",
    "follows_length": "it names the species whose length the box has",
    "beats_majority": "it tells species by the length alone",
}


def tell_length(verdicts: Sequence[PipelineVerdict], *, chance: float, table: str) -> str:
    """The study in words: first what is shown of whom, in a sentence that stands alone, then every pipeline.

    `chance` is the accuracy of equal probabilities; `table` says whose boxes the noise has.
    """
    repeats, on_noise = (max(getattr(v, key) for v in verdicts) for key in ("repeats", "noise_repeats"))
    names: dict[bool, list[str]] = {True: [], False: []}
    for verdict in verdicts:
        names[any(verdict.claims[name].established for name in READS)].append(verdict.name)
    first = f"Shown to read the length of the box: {'; '.join(names[True]) or 'no pipeline'}."
    first += f" Not shown to: {'; '.join(names[False])}." if names[False] else ""
    first += f" Over {repeats} repeats, and {on_noise} on noise; chance is {100 * chance:.1f} %."
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
    shown = [_SHOWN[name] for name in CLAIMS if claims[name].established]
    open_ones = [_SHOWN[name] for name in CLAIMS if not claims[name].established]
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
