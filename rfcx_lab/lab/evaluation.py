"""One fit shown by itself, as an article shows its model: every part's loss and accuracy, and who is taken for whom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rfcx_lab.config import Config
from rfcx_lab.console import say
from rfcx_lab.data.telling import majority
from rfcx_lab.engine.engine import Engine
from rfcx_lab.engine.failure import Failure
from rfcx_lab.engine.fits import FitSpec, FitStore, HeldOut
from rfcx_lab.engine.work import Job, measure
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.study import Study
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.files import write_evaluation
from rfcx_lab.verdict import find_onset

SCHEMA = "rfcx_lab/evaluation/1"
PARTS = ("train", "validation", "test")


def evaluate_shown(engine: Engine, study: Study, config: Config, output: Path) -> list[Path]:
    """Evaluate the first repeat of the rung that `ladder.shown` names on every part, and write what it comes to.

    Returns the files' paths; none where no rung is to be shown, or its fit has left no model.
    """
    store = FitStore(study.store)
    spec = next((s for s in study.fits if s.rung.name == config.ladder.shown and store.has_model(s.key)), None)
    if spec is None:
        return []
    scores = [_measured(engine, spec, part, store, config) for part in PARTS]
    known = [score for score in scores if score is not None]
    if len(known) < len(scores):
        return []
    document = _describe(spec, study, known, config)
    check_document(document)
    return write_evaluation(output, document, store.read_curves(spec))


def _measured(engine: Engine, spec: FitSpec, part: str, store: FitStore, config: Config) -> HeldOut | None:
    if store.held_out(spec, part) is None:
        job = Job(spec, fit_rung, Path(config.runs_dir) / "fits", config.tracking.uri, "", part)
        for _, result in engine.run(measure, [job]):
            if isinstance(result, Failure):
                say(f"{spec.rung.name}, not measured on its {part} part: {result.reason}", style="red")
    return store.held_out(spec, part)


def _describe(spec: FitSpec, study: Study, scores: Sequence[HeldOut], config: Config) -> dict[str, Any]:
    store, labels = FitStore(study.store), study.clips.labels
    curves = store.read_curves(spec)
    verdict = find_onset(curves.train_loss, curves.val_loss, config.onset, chance=curves.chance_loss)
    test = labels[spec.split.test]
    confusion = np.zeros((spec.classes, spec.classes), dtype=np.int64)
    np.add.at(confusion, (test, scores[-1].probabilities.argmax(axis=1)), 1)
    return {
        "schema": SCHEMA,
        "rung": spec.rung.name,
        "repeat": spec.split.repeat,
        "epoch": store.best_epoch(spec.key),
        "kept": config.training.keep,
        "train_loss": config.training.train_loss,
        "verdict": {"status": verdict.status, "onset_epoch": verdict.onset_epoch, "reason": verdict.reason},
        "parts": {
            part: {"rows": len(getattr(spec.split, part)), "loss": score.loss, "accuracy": score.accuracy}
            for part, score in zip(PARTS, scores, strict=True)
        },
        "chance": {"loss": math.log(spec.classes), "accuracy": majority(test)[1]},
        "species": list(study.clips.species_names),
        "confusion": confusion.tolist(),
        "wrong": [*study.warnings, *(s.sentence for s in study.audit.signals if s.status != "green")],
    }
