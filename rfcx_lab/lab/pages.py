"""The pages of finished studies, and of data nobody has trained on: what goes onto them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from rfcx_lab.config import Config, RungConfig, signature
from rfcx_lab.data.audit import Audit
from rfcx_lab.data.clips import Clips
from rfcx_lab.data.splits import Split
from rfcx_lab.errors import hide_password
from rfcx_lab.features.cache import WindowStore
from rfcx_lab.files import write_whole
from rfcx_lab.lab.exhibits import show_rows
from rfcx_lab.lab.predict import Measured
from rfcx_lab.lab.study import Study
from rfcx_lab.report.commands import Next, spell_value, with_own
from rfcx_lab.report.data_page import data_page
from rfcx_lab.report.exhibit import Exhibit
from rfcx_lab.report.ladder_page import ladder_page
from rfcx_lab.report.length_page import length_page
from rfcx_lab.report.page import EMBEDDED
from rfcx_lab.report.scores import score_species, worst_mistakes
from rfcx_lab.report.steps_page import Ladder, steps_page
from rfcx_lab.report.study_page import Circumstances, Evidence
from rfcx_lab.report.sweep_page import sweep_page
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.record import LadderRecord

_MISTAKES = 8


def write_ladder_page(
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
    evidence = None if measured is None else _gather(study, config, measured)
    page = ladder_page(document, record.curves, circumstances=_circumstances(config, command), evidence=evidence)
    return _write(output, page)


def write_sweep_page(
    output: Path,
    study: Study,
    config: Config,
    *,
    document: dict[str, Any],
    curves: Mapping[int, Sequence[Curves]],
    recommended: RungConfig | None,
    measured: Measured | None,
    command: Sequence[str],
) -> Path:
    """Write `report.html` into `output`; returns its path. `curves` are those of the trials, by number.

    `recommended` is the architecture to use, and `measured` what its fits do on the test part.
    """
    circumstances = _circumstances(config, command)
    epochs = document["recommended"]["epochs"]
    page = sweep_page(
        document,
        curves,
        circumstances=circumstances,
        evidence=None if measured is None else _gather(study, config, measured),
        recommended=None if recommended is None else train_alone(recommended, epochs, circumstances.command),
    )
    return _write(output, page)


def write_steps_page(
    output: Path,
    config: Config,
    *,
    document: dict[str, Any],
    record: LadderRecord,
    ladder: Ladder,
    following: Next | None,
    command: Sequence[str],
) -> Path:
    """Write `report.html` of a pipeline that is mended into `output`; returns its path."""
    circumstances = _circumstances(config, command)
    page = steps_page(document, record.curves, ladder=ladder, circumstances=circumstances, following=following)
    return _write(output, page)


def write_length_page(
    output: Path,
    config: Config,
    *,
    document: dict[str, Any],
    record: LadderRecord,
    following: Next | None,
    command: Sequence[str],
) -> Path:
    """Write `report.html` of the study of the boxes' length into `output`; returns its path."""
    circumstances = _circumstances(config, command)
    return _write(output, length_page(document, record.curves, circumstances=circumstances, following=following))


def _write(output: Path, page: str) -> Path:
    path = output / "report.html"
    write_whole(path, page)
    return path


def _circumstances(config: Config, command: Sequence[str]) -> Circumstances:
    return Circumstances(
        name=config.name,
        config=hide_password(OmegaConf.to_yaml(OmegaConf.structured(config))),
        command=[hide_password(override) for override in command],
        sample_rate=config.features.sample_rate,
        source=getattr(config.data, "root", EMBEDDED),
    )


def train_alone(rung: RungConfig, epochs: int, command: Sequence[str]) -> list[str]:
    """Overrides that train one architecture of a sweep alone, as a ladder of one rung."""
    parts = ", ".join(f"{key}: {spell_value(value)}" for key, value in signature(rung).items())
    own = {
        "kind": "ladder",
        "ladder.rungs": f"[{{{parts}}}]",
        "ladder.only": "[]",
        "ladder.extend": "false",
        "training.epochs": str(epochs),
    }
    return with_own(command, own)


def write_data_page(
    output: Path,
    clips: Clips,
    splits: Sequence[Split],
    config: Config,
    *,
    audit: Audit,
    windows: WindowStore | None,
    command: Sequence[str],
) -> Path:
    """Write `data.html` into `output`; returns its path. Without `windows` there are no calls to see and to hear."""
    path = output / "data.html"
    parts = {"training": splits[0].train, "validation": splits[0].validation, "test": splits[0].test}
    side = np.empty(len(clips.table), dtype=object)
    for name, rows in parts.items():
        side[rows] = name
    page = data_page(
        clips.table.assign(side=side),
        species=clips.species_names,
        recordings=[(recording.seconds, recording.sample_rate) for recording in clips.recordings.values()],
        sizes=[(len(split.train), len(split.validation), len(split.test)) for split in splits],
        rejected=clips.rejected.to_dict("records"),
        audit=audit.to_dict(),
        config=config,
        gallery=[] if windows is None else _gallery(clips, splits[0], windows, config),
        command=[hide_password(override) for override in command],
    )
    write_whole(path, page)
    return path


def _gallery(clips: Clips, split: Split, windows: WindowStore, config: Config) -> list[tuple[str, list[Exhibit]]]:
    """A few calls of each species, from as many recordings as there are; none of the test part, which nobody looks at.

    They are shown in rounds, every species' first call before any second: where sound has to be left out, it is not
    all of one species.
    """
    rounds: dict[int, list[int]] = defaultdict(list)
    table = clips.table.drop(index=split.test.tolist())
    for _, calls in table.groupby("label"):
        apart = [*calls.index[~calls["recording_id"].duplicated()], *calls.index[calls["recording_id"].duplicated()]]
        for place, row in enumerate(apart[: config.look.calls]):
            rounds[place].append(row)
    rows = [row for place in sorted(rounds) for row in rounds[place]]
    shown = dict(zip(rows, show_rows(rows, clips, windows=windows, config=config), strict=True))
    return [
        (name, [shown[row] for row in rows if clips.table["label"][row] == label])
        for label, name in enumerate(clips.species_names)
    ]


def _gather(study: Study, config: Config, measured: Measured) -> Evidence:
    labels = study.clips.labels[measured.rows]
    mistakes = worst_mistakes(measured.probabilities, labels, most=_MISTAKES)
    rows = [int(measured.rows[mistake.place]) for mistake in mistakes]
    exhibits = show_rows(rows, study.clips, windows=study.windows, config=config)
    return Evidence(score_species(measured.probabilities, labels), list(zip(mistakes, exhibits, strict=True)))
