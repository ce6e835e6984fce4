"""Where fits run: the schema of `conf/engine`. Nothing heavy is imported: `--help` composes the config too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING


@dataclass
class EngineConfig:
    """Where fits run."""

    kind: str = MISSING  # "local": one process per core; "dask": a scheduler's workers; "inline": in this process
    workers: int | None = None  # none: one per core
    recycle_after: int = 36  # fits after which a worker process is replaced: Keras leaks ~14 MB a model it traces
    address: str | None = None  # dask: tcp://host:port of the scheduler, or the file that it has written that to
    resources: Any = None  # dask: what a worker must offer for a fit, as {GPU: 1}; none: any worker will do
    patience: float = 60.0  # dask: seconds to wait for a worker while there is none
