"""The trials of a sweep, as those see them who fit and describe them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from rfcx_lab.config import RungConfig
from rfcx_lab.search.trials import NOTHING_LEARNT


@dataclass(frozen=True)
class Asked:
    """A trial to be fitted, or one that has been told."""

    number: int
    cell: int  # of the space
    rung: RungConfig  # named after trial and architecture
    repeats: tuple[int, ...]
    trial: Trial | FrozenTrial


@dataclass(frozen=True)
class Told:
    """A trial as it stands in the study at the end."""

    number: int
    state: str  # "complete" or "failed"
    architecture: Mapping[str, int | float]
    value: float | None
    notes: Mapping[str, Any]  # the trial's user attributes

    @classmethod
    def read(cls, trial: FrozenTrial, architecture: Mapping[str, int | float]) -> Told:
        """Describe a finished trial of a study."""
        complete = trial.state == TrialState.COMPLETE
        return cls(
            number=trial.number,
            state="complete" if complete else "failed",
            architecture=architecture,
            value=trial.value if complete else None,
            notes=trial.user_attrs,
        )

    @property
    def learnt(self) -> bool:
        """Whether it has a margin, or has failed."""
        return NOTHING_LEARNT not in self.notes
