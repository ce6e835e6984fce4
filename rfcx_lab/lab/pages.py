"""The page of a finished study: what goes onto it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from rfcx_lab.config import Config
from rfcx_lab.files import write_whole
from rfcx_lab.lab.exhibits import show_rows
from rfcx_lab.lab.predict import Measured
from rfcx_lab.lab.study import Study
from rfcx_lab.report.scores import score_species, worst_mistakes
from rfcx_lab.report.study_page import Evidence, study_page
from rfcx_lab.verdict.record import LadderRecord

_MISTAKES = 8


def write_study_page(
    output: Path,
    study: Study,
    config: Config,
    *,
    document: dict[str, Any],
    record: LadderRecord,
    measured: Measured | None,
    command: Sequence[str],
) -> Path:
    """Write `report.html` into `output`; returns its path. `command` is the overrides the study was called with."""
    path = output / "report.html"
    page = study_page(
        document,
        record.curves,
        name=config.name,
        config=OmegaConf.to_yaml(OmegaConf.structured(config)),
        sample_rate=config.features.sample_rate,
        command=command,
        evidence=None if measured is None else _gather(study, config, measured),
    )
    write_whole(path, page)
    return path


def _gather(study: Study, config: Config, measured: Measured) -> Evidence:
    labels = study.clips.labels[measured.rows]
    mistakes = worst_mistakes(measured.probabilities, labels, most=_MISTAKES)
    rows = [int(measured.rows[mistake.place]) for mistake in mistakes]
    exhibits = show_rows(rows, study.clips, windows=study.windows, config=config)
    return Evidence(score_species(measured.probabilities, labels), list(zip(mistakes, exhibits, strict=True)))
