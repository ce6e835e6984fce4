"""What counts as a rise, as noise and as evidence. Plain dataclasses: they are schema nodes of the config."""

from __future__ import annotations

from dataclasses import dataclass, field

from rfcx_lab.errors import LabError


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise LabError(sentence)


@dataclass
class OnsetConfig:
    """Thresholds of `find_onset`. Shares are of the best smoothed value (see `evidence.metric_scale`)."""

    mode: str = "min"  # "min": lower is better (a loss); "max": higher is better (an accuracy)
    min_epochs: int = 10  # a shorter curve is undetermined
    smoothing: float = 0.1  # width of the running mean, a share of the epochs so far; from 3 to 25
    min_rise: float = 0.03  # a smaller worsening over the best is a plateau
    persistence: int = 5  # epochs in a row that must stand above the threshold; no fewer than are averaged
    noise_factor: float = 4.0  # a change counts from so many standard deviations of the curve's noise
    min_improvement: float = 0.01  # a smaller change for the better is none
    training_share: float = 0.5  # training worsening by more than this share of it: unstable, no overfitting
    max_noise: float = 0.25  # a curve whose noise would hide a worsening of this size is undetermined

    def __post_init__(self) -> None:
        """Raise LabError for a value out of its range."""
        _require(self.mode in ("min", "max"), f'onset.mode must be "min" or "max", not {self.mode!r}.')
        _require(self.min_epochs >= 5, f"onset.min_epochs must be at least 5, not {self.min_epochs}.")
        _require(0 <= self.smoothing < 0.5, f"onset.smoothing must lie in [0, 0.5), not {self.smoothing}.")
        _require(self.persistence >= 1, f"onset.persistence must be at least 1, not {self.persistence}.")
        for name in ("min_rise", "noise_factor", "min_improvement", "training_share", "max_noise"):
            value = getattr(self, name)
            _require(value > 0, f"onset.{name} must be above 0, not {value}.")


@dataclass
class JudgeConfig:
    """How `judge_ladder` weighs the repeats of a ladder."""

    margin: float = 0.05  # a rise of the validation loss by less than this share is no overfitting
    confidence: float = 0.95  # of every interval
    onset: OnsetConfig = field(default_factory=OnsetConfig)

    def __post_init__(self) -> None:
        """Raise LabError for a value out of its range."""
        _require(self.margin >= 0, f"The margin must not be negative, as {self.margin} is.")
        _require(0.5 < self.confidence < 1, f"The confidence must lie in (0.5, 1), not {self.confidence}.")
