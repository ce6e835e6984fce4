"""What counts as a rise, as noise and as evidence. Plain dataclasses: they are schema nodes of the config."""

from __future__ import annotations

from dataclasses import dataclass, field

from rfcx_lab.errors import LabError


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise LabError(sentence)


@dataclass
class OnsetConfig:
    """Thresholds of `find_onset`; `docs/onset.md` has the formulas.

    Shares are of the plot's height: what training and validation span so far from top to bottom, spikes apart. That is
    how people judge a curve, it has no unit and no zero.
    """

    mode: str = "min"  # "min": lower is better (a loss); "max": higher is better (an accuracy)
    min_epochs: int = 10  # a shorter curve is undetermined
    smoothing: float = 0.1  # width of the running mean that gives onset and rise, a share of the epochs; from 3 to 25
    # A smaller worsening over the best is a plateau. Fitted on 419 labelled histories of 12 tasks (Li et al. 2024),
    # leaving one task out at a time: every value from .040 to .053 calls all of them right, whichever task is left out
    # the middle, .046, is chosen, and it is right on that task. benchmarks/onset.py --fit repeats it.
    min_rise: float = 0.045
    # A rise counts that would come to `min_rise` within so many more epochs if it went on as it does; 0: that has come.
    horizon: int = 30
    # Epochs in a row in which a rise must be found; a tenth of the epochs so far where that is fewer, but at least 3.
    persistence: int = 8
    # A rise counts from so many standard errors times sqrt(2 ln n) after n epochs. Set so that at most 4 of 100 curves
    # of pure noise as in the ladders on record (AR(1), phi up to .35) are called overfit at any of 30 to 250 epochs.
    noise_factor: float = 1.4
    learning_factor: float = 3.8  # the best counts as better than the first epoch from so many standard deviations
    min_improvement: float = 0.01  # a smaller change for the better is none
    training_share: float = 0.3  # training risen by more than this share of validation's rise: no overfitting
    max_noise: float = 0.2  # a curve whose noise would hide a worsening of this size is undetermined

    def __post_init__(self) -> None:
        """Raise LabError for a value out of its range."""
        _require(self.mode in ("min", "max"), f'onset.mode must be "min" or "max", not {self.mode!r}.')
        _require(self.min_epochs >= 5, f"onset.min_epochs must be at least 5, not {self.min_epochs}.")
        _require(0 <= self.smoothing < 0.5, f"onset.smoothing must lie in [0, 0.5), not {self.smoothing}.")
        _require(self.persistence >= 1, f"onset.persistence must be at least 1, not {self.persistence}.")
        _require(self.horizon >= 0, f"onset.horizon must not be negative, as {self.horizon} is.")
        for name in (
            "min_rise", "noise_factor", "learning_factor", "min_improvement", "training_share", "max_noise",
        ):  # fmt: skip
            value = getattr(self, name)
            _require(value > 0, f"onset.{name} must be above 0, not {value}.")


@dataclass
class JudgeConfig:
    """How `judge_ladder` weighs the repeats of a ladder."""

    margin: float = 0.05  # a rise of the validation loss by less than this share is no overfitting
    confidence: float = 0.95  # of every interval reported
    alpha: float = 0.05  # chance that one of the two questions, over all its rungs, gets a false answer
    planned_repeats: int | None = None  # the most there may be, where a ladder may be judged on fewer (verdict.looks)
    nothing_smaller: bool = False  # no rung smaller than the lowest can be built
    onset: OnsetConfig = field(default_factory=OnsetConfig)

    def __post_init__(self) -> None:
        """Raise LabError for a value out of its range."""
        _require(self.margin >= 0, f"The margin must not be negative, as {self.margin} is.")
        _require(0.5 < self.confidence < 1, f"The confidence must lie in (0.5, 1), not {self.confidence}.")
        _require(0 < self.alpha < 0.5, f"alpha must lie in (0, 0.5), not {self.alpha}.")


@dataclass
class SettledConfig:
    """When the verdict on a fit is settled; `verdict.settled` has the rule."""

    # Of the rules that change no status of simulated curves, one that saves much: benchmarks/epochs_saved.md.
    after: int = 3  # epochs in a row that it must be overfit since its alarm
    clearance: float = 0.1  # share by which its rise must exceed the margin: then it is on that side for good

    def __post_init__(self) -> None:
        """Raise LabError for a value out of its range."""
        _require(self.after >= 0, f"sweep.settled.after must not be negative, as {self.after} is.")
        _require(self.clearance >= 0, f"sweep.settled.clearance must not be negative, as {self.clearance} is.")
