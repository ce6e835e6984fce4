"""`verdict.json`: the ladder's verdict together with the data, the held-out figures and the versions behind it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from rfcx_lab import __version__
from rfcx_lab.data.clips import Clips
from rfcx_lab.engine.fits import HeldOut
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.looks import Climbed
from rfcx_lab.model.backend import versions as model_versions

SCHEMA = "rfcx_lab/verdict/2"
LIBRARIES = ("scikit-learn", "pandas", "scipy", "librosa", "soxr", "mlflow", "distributed")


def build_answer(climbed: Climbed, *, test: dict[str, Any] | None) -> dict[str, Any]:
    """The whole document, checked against its JSON Schema."""
    study = climbed.study
    document = {
        "schema": SCHEMA,
        **climbed.verdict.to_dict(),
        "looks": climbed.looks,
        "audit": study.audit.to_dict(),
        "data": describe_data(study.clips),
        "test": test,
        "judge": asdict(climbed.judge),
        "warnings": study.warnings,
        "versions": {
            "python": platform.python_version(),
            **model_versions(),
            "rfcx_lab": __version__,
            **{name: version(name) for name in LIBRARIES},
        },
    }
    check_document(document)
    return document


def describe_data(clips: Clips) -> dict[str, Any]:
    """What was learnt from."""
    return {
        "root": str(clips.root),
        "fingerprint": clips.fingerprint,
        "rows": len(clips.table),
        "recordings": int(clips.table["recording_id"].nunique()),
        "classes": len(clips.species),
        "species": [
            {"species_id": species, "name": name}  # in the order of the model's outputs
            for species, name in zip(clips.species, clips.species_names, strict=True)
        ],
        "rejected": len(clips.rejected),
        "rejected_by_field": {str(field): int(n) for field, n in clips.rejected["field"].value_counts().items()},
        "rejected_rows": clips.rejected.to_dict("records"),
    }


def describe_test(
    results: Sequence[HeldOut], *, rung: str, rows: int, kept_repeat: int, kept_epoch: int, kept: str
) -> dict[str, Any]:
    """Held-out figures of a rung: `[mean, standard deviation]` over its repeats' best, or last, epochs (`kept`).

    The spread is that between models; all are measured on the same test rows, so it is no interval for new data.
    """
    return {
        "rung": rung,
        "rows": rows,
        "repeats": len(results),
        "loss": _mean_and_deviation([result.loss for result in results]),
        "accuracy": _mean_and_deviation([result.accuracy for result in results]),
        "kept": kept,
        "model": {"repeat": kept_repeat, "epoch": kept_epoch},
    }


def _mean_and_deviation(values: Sequence[float]) -> list[float]:
    return [float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0]
