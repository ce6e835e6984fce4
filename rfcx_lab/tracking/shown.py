"""What stands on a run of MLflow, so that nothing is written there twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shown:
    """A run as it was found or made and then added to: reading it anew takes as long as writing it."""

    run_id: str
    status: str
    artifacts: str  # where its files are, a URI
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    params: Mapping[str, str]

    @classmethod
    def of(cls, run: Any) -> Shown:
        """A run that MLflow's client has given."""
        info, data = run.info, run.data
        return cls(info.run_id, info.status, info.artifact_uri, data.metrics, data.tags, data.params)
