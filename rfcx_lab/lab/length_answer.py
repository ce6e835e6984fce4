"""`length.json`: what every pipeline names with true and swapped boxes and on noise, and what that shows."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rfcx_lab import __version__
from rfcx_lab.config import Config
from rfcx_lab.lab.answer import LIBRARIES
from rfcx_lab.lab.checks import judge_config
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.ladder import Climb
from rfcx_lab.model.backend import versions as model_versions
from rfcx_lab.verdict.length import TEST, PipelineRecord, judge_pipelines, on_noise, tell_length
from rfcx_lab.verdict.record import LENGTH, LadderRecord

SCHEMA = "rfcx_lab/length/1"


def build_length_answer(
    config: Config,
    *,
    climbs: Sequence[tuple[Climb, Climb]],
    records: Sequence[PipelineRecord],
) -> dict[str, Any]:
    """The whole document, checked against its JSON Schema. All sequences hold one item per pipeline."""
    judge = judge_config(config)
    verdicts = judge_pipelines(records, confidence=judge.confidence, alpha=judge.alpha)
    classes = len(climbs[0][0].document["data"]["species"])
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "answer": tell_length(verdicts, chance=1 / classes, table=_boxes(config, climbs[0][1])),
        "rung": config.steps.rung,
        "chance": 1 / classes,
        "pipelines": [
            {
                **asdict(verdict),
                "change": step.change,
                "measured": {
                    **{
                        key: getattr(record, key)
                        for key in ("rows", "within_rows", "validation_fraction", "noise_rows", "noise_fraction")
                    },
                    "shares": {name: list(values) for name, values in record.shares.items()},
                    "noise": list(record.noise),
                    "draws": {name: asdict(draw) for name, draw in record.draws.items()},
                },
                "audit": _audit(climb),
                "noise_audit": _audit(noise),
            }
            for verdict, step, record, (climb, noise) in zip(verdicts, config.steps.steps, records, climbs, strict=True)
        ],
        "test": TEST,
        "judge": {"confidence": judge.confidence, "alpha": judge.alpha},
        "data": climbs[0][0].document["data"],
        "noise_data": climbs[0][1].document["data"],
        "versions": {
            "python": platform.python_version(),
            **model_versions(),
            "rfcx_lab": __version__,
            **{name: version(name) for name in LIBRARIES},
        },
    }
    document = json.loads(json.dumps(document, allow_nan=False))  # as whoever reads the file has it
    check_document(document)
    return document


def length_record(pipelines: Sequence[tuple[str, Climb, Climb]]) -> LadderRecord:
    """All curves in one table: each pipeline's by its name on the data, and with "on noise" behind it on noise."""
    curves, rungs = {}, []
    for name, *climbs in pipelines:
        for climb, called in zip(climbs, (name, on_noise(name)), strict=True):
            [curves[called]] = climb.record.curves.values()
            rungs.append(replace(climb.record.order[0], name=called))
    fractions = [climb.record.validation_fraction for _, *climbs in pipelines for climb in climbs]
    return LadderRecord(curves, rungs, sum(fractions) / len(fractions), LENGTH)


def _boxes(config: Config, noise: Climb) -> str:
    if config.length.boxes is None:
        return "the same boxes"
    return f"the {noise.document['data']['rows']} boxes of {Path(config.length.boxes).resolve().name}"


def _audit(climb: Climb) -> dict[str, Any]:
    """What the audit says of the length: as much of it as the pipeline sees, and the whole audit's status."""
    audit = climb.document["audit"]
    frames = next(signal for signal in audit["signals"] if signal["name"] == "visible_frames")
    return {"status": audit["status"], **{f"frames_{key}": frames[key] for key in ("status", "accuracy")}}
