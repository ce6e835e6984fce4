"""What every correction of a pipeline changes: steps that were fitted over the same repeats, each against the last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfcx_lab.verdict.config import JudgeConfig
from rfcx_lab.verdict.curves import Curves
from rfcx_lab.verdict.intervals import OpenInterval, holm, mean_interval, mean_p_value
from rfcx_lab.verdict.record import LadderRecord
from rfcx_lab.verdict.rungs import CAPACITY, JudgedFit, JudgedRung, RungInfo, epoch_budget, judge_rung, median_onset
from rfcx_lab.verdict.turning import FEWEST_REPEATS

TEST = (
    "Corrected resampled t test (Nadeau and Bengio 2003), two-sided, of the differences of each step from the one "
    "before, paired over repeats; Holm over all steps and both measures."
)


@dataclass(frozen=True)
class StepRecord:
    """A step's fits, one per repeat, and what each comes to on the test part; `validation_fraction` is its split's."""

    name: str
    curves: Sequence[Curves]
    test_accuracy: Sequence[float]
    validation_fraction: float
    trainable_parameters: int


@dataclass(frozen=True)
class Difference:
    """A step's measure less that of the step before, in nats; `p` is adjusted: held against alpha as it stands.

    The interval is one of its own, not adjusted. `established`: p is at most alpha.
    """

    change: OpenInterval | None
    p: float | None  # None for fewer than 3 pairs
    established: bool


@dataclass(frozen=True)
class StepVerdict:
    """What a step comes to. Intervals are `(point, low, high)`, of a mean but for the onset, which is a median."""

    name: str
    index: int
    repeats: int
    left_out: int
    trainable_parameters: int
    statuses: dict[str, int]
    val_loss_best: OpenInterval | None
    val_accuracy_best: OpenInterval | None  # at the epoch of the lowest validation loss
    best_epoch: OpenInterval | None
    onset_epoch: OpenInterval | None
    gap: OpenInterval | None  # validation less training loss after the last epoch
    test_accuracy: OpenInterval | None
    loss_difference: Difference | None  # of the best validation loss; None for the first step
    gap_difference: Difference | None

    @property
    def matters(self) -> bool:
        """Whether it is established that the step changes one of the two."""
        return any(d is not None and d.established for d in (self.loss_difference, self.gap_difference))


def read_steps(document: Mapping[str, Any], record: LadderRecord) -> list[StepRecord]:
    """What `compare_steps` takes, from a `mended.json` and the curves beside it."""
    parameters = {info.name: info.trainable_parameters for info in record.order}
    return [
        StepRecord(
            name=step["name"],
            curves=record.curves[step["name"]],
            test_accuracy=step["test_accuracies"],
            validation_fraction=step["validation_fraction"],
            trainable_parameters=parameters[step["name"]],
        )
        for step in document["steps"]
    ]


def compare_steps(records: Sequence[StepRecord], *, config: JudgeConfig) -> list[StepVerdict]:
    """Judge every step by itself, and against the one before over the repeats that both have: one family of tests.

    The epoch budget of a step is what its curves say, else the longest of them.

    Raises:
        LabError: a repeat occurs twice in a step, or a loss is not above 0.
    """
    judged = [
        judge_rung(
            record.curves,
            RungInfo(record.name, CAPACITY, record.trainable_parameters),
            index=index,
            epochs=epoch_budget(record.curves),
            config=config,
        )
        for index, record in enumerate(records)
    ]
    pairs = list(zip(range(1, len(records)), judged[1:], judged[:-1], strict=True))
    fractions = [max(records[i].validation_fraction, records[i - 1].validation_fraction) for i, _, _ in pairs]
    found = [
        _difference(new, old, measure, fraction=fraction, config=config)
        for (_, new, old), fraction in zip(pairs, fractions, strict=True)
        for measure in (_best, _gap)
    ]
    adjusted = holm([p for _, p in found])
    differences = [
        Difference(change, p, p is not None and p <= config.alpha)
        for (change, _), p in zip(found, adjusted, strict=True)
    ]
    return [
        _summarise(
            rung,
            record,
            loss=differences[2 * index - 2] if index else None,
            gap=differences[2 * index - 1] if index else None,
            config=config,
        )
        for index, (rung, record) in enumerate(zip(judged, records, strict=True))
    ]


def _difference(
    new: JudgedRung, old: JudgedRung, measure: Callable[[JudgedFit], float], *, fraction: float, config: JudgeConfig
) -> tuple[OpenInterval | None, float | None]:
    values = [measure(fit) - measure(old.fits[repeat]) for repeat, fit in new.fits.items() if repeat in old.fits]
    change = mean_interval(values, validation_fraction=fraction, confidence=config.confidence)
    p = mean_p_value(values, validation_fraction=fraction) if len(values) >= FEWEST_REPEATS else None
    return change, p


def _summarise(
    rung: JudgedRung,
    record: StepRecord,
    *,
    loss: Difference | None,
    gap: Difference | None,
    config: JudgeConfig,
) -> StepVerdict:
    fits = list(rung.fits.values())

    def mean(values: Sequence[float]) -> OpenInterval | None:
        fraction = record.validation_fraction
        return mean_interval(values, validation_fraction=fraction, confidence=config.confidence)

    return StepVerdict(
        name=record.name,
        index=rung.index,
        repeats=rung.repeats,
        left_out=rung.left_out,
        trainable_parameters=record.trainable_parameters,
        statuses=dict(rung.statuses),
        val_loss_best=mean([fit.best for fit in fits]),
        val_accuracy_best=mean(
            [fit.curves.val_accuracy[fit.raw_best_epoch - 1] for fit in fits if fit.curves.val_accuracy is not None]
        ),
        best_epoch=mean([float(fit.raw_best_epoch) for fit in fits]),
        onset_epoch=median_onset(rung, confidence=config.confidence),
        gap=mean([_gap(fit) for fit in fits]),
        test_accuracy=mean(record.test_accuracy),
        loss_difference=loss,
        gap_difference=gap,
    )


def _best(fit: JudgedFit) -> float:
    return fit.best


def _gap(fit: JudgedFit) -> float:
    return fit.curves.val_loss[-1] - fit.curves.train_loss[-1]


def tell_steps(steps: Sequence[StepVerdict], *, epochs: int, chance: float) -> str:
    """The steps in words; the first sentence stands alone. `chance` is the loss of equal probabilities."""
    repeats = max(step.repeats for step in steps)
    over = f"{repeats} repeat{'' if repeats == 1 else 's'}"
    corrections = steps[1:]
    matter = [step for step in corrections if step.matters]
    first, last = steps[0], steps[-1]
    parts = [
        f"Trained for {epochs} epochs, the pipeline comes to {_loss(first)}{_test(first)} as it stands "
        f"({_counted(first)}), where equal probabilities give {chance:.2f}, and with {len(corrections)} corrections to "
        f"{_loss(last)}{_test(last)} ({_counted(last)})."
    ]
    if matter:
        told = "; ".join(f"{step.name} ({_changes(step)})" for step in matter)
        parts.append(f"Established to matter over {over}, each on top of those before: {told}.")
    open_ones = [step.name for step in corrections if not step.matters]
    if open_ones:
        parts.append(f"Not established: {'; '.join(open_ones)}.")
    return " ".join(parts)


def _counted(step: StepVerdict) -> str:
    return ", ".join(f"{status.replace('_', ' ')} in {n} of {step.repeats}" for status, n in step.statuses.items())


def _loss(step: StepVerdict) -> str:
    return "no validation loss" if step.val_loss_best is None else f"a validation loss of {step.val_loss_best[0]:.2f}"


def _test(step: StepVerdict) -> str:
    return "" if step.test_accuracy is None else f" and {100 * step.test_accuracy[0]:.0f} % of the test calls"


def _changes(step: StepVerdict) -> str:
    named = (("best validation loss", step.loss_difference), ("final gap", step.gap_difference))
    return ", ".join(
        f"{name} {d.change[0]:+.2f}, p {'< 0.001' if d.p < 0.001 else f'= {d.p:.2g}'}"
        for name, d in named
        if d is not None and d.established and d.change is not None and d.p is not None
    )
