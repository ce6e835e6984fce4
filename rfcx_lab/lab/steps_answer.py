"""`mended.json`: what every step comes to, which of them matter, and the ladder on the last."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from rfcx_lab import __version__
from rfcx_lab.config import Config
from rfcx_lab.lab.answer import LIBRARIES
from rfcx_lab.lab.checks import judge_config
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.ladder import Climb
from rfcx_lab.model.backend import versions as model_versions
from rfcx_lab.verdict.steps import TEST, StepRecord, compare_steps, tell_steps

SCHEMA = "rfcx_lab/steps/1"


def build_steps_answer(
    config: Config,
    configs: Sequence[Config],
    *,
    climbs: Sequence[Climb],
    records: Sequence[StepRecord],
    ladder: Climb,
) -> dict[str, Any]:
    """The whole document, checked against its JSON Schema. All sequences hold one item per step."""
    judge, epochs = judge_config(config), max(one.training.epochs for one in configs)
    steps = compare_steps(records, config=judge)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "answer": "",
        "epochs": epochs,
        "rung": config.steps.rung,
        "chance": math.log(len(climbs[0].document["data"]["species"])),
        "steps": [
            {
                **asdict(step),
                "matters": step.matters,
                "change": written.change,
                "validation_fraction": record.validation_fraction,
                "test_accuracies": list(record.test_accuracy),
                "audit": {key: climb.document["audit"][key] for key in ("status", "sentence")},
                "warnings": climb.document["warnings"],
            }
            for step, written, record, climb in zip(steps, config.steps.steps, records, climbs, strict=True)
        ],
        "test": TEST,
        "judge": asdict(judge),
        "ladder": {
            "answer": ladder.document["answer"],
            "begins_to_overfit": ladder.document["begins_to_overfit"],
            "recommended": ladder.document["recommended"],
            "folder": "ladder",
        },
        "data": climbs[0].document["data"],
        "versions": {
            "python": platform.python_version(),
            **model_versions(),
            "rfcx_lab": __version__,
            **{name: version(name) for name in LIBRARIES},
        },
    }
    told = tell_steps(steps, epochs=epochs, chance=document["chance"])
    document["answer"] = f"{told} On the last step: {ladder.document['answer']}"
    document = json.loads(json.dumps(document, allow_nan=False))  # as whoever reads the file has it
    check_document(document)
    return document
