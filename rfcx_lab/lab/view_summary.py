"""What stands on a run in MLflow as metrics, parameters and tags: of a study, a rung and a fit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from rfcx_lab.config import Config, RungConfig
from rfcx_lab.data.audit import Audit
from rfcx_lab.verdict import Curves, Verdict
from rfcx_lab.verdict.onset import OVERFIT

Metrics = dict[str, float | None]
_DIGITS = 4  # of a rise, which a table would else fill with noise


def fit_metrics(curves: Curves, verdict: Verdict) -> Metrics:
    """A fit's summary; `rise` is its last validation loss over its lowest, minus 1."""
    if not curves.val_loss:
        return {}
    best = _finite(np.nanmin(curves.val_loss)) if np.isfinite(curves.val_loss).any() else None
    final = _finite(curves.val_loss[-1])
    return {
        "best_epoch": verdict.best_epoch,
        "onset_epoch": verdict.onset_epoch,
        "loss/val_best": best,
        "loss/val_final": final,
        "rise": round(final / best - 1, _DIGITS) if best and final is not None else None,
        "gap_final": _finite(curves.val_loss[-1] - curves.train_loss[-1]),
    }


def rung_metrics(rung: Mapping[str, Any]) -> Metrics:
    """Point estimates of a rung; its intervals stand in verdict.json."""
    names = {
        "val_loss_best": "loss/val_best",
        "val_loss_final": "loss/val_final",
        "val_accuracy_best": "accuracy/val_best",
        "overfit_share": "overfit_share",
        "onset_epoch": "onset_epoch",
        "best_epoch": "best_epoch",
        "rise": "rise",
    }
    points = {name: rung[key][0] for key, name in names.items() if rung[key] is not None}
    if points.get("rise") is not None:
        points["rise"] = round(points["rise"], _DIGITS)
    return {**points, "trainable_parameters": rung["trainable_parameters"]}  # the first is what the UI compares by


def rung_tags(rung: Mapping[str, Any]) -> dict[str, Any]:
    """A rung's status is how many of its fits overfit."""
    return {"status": f"{rung['statuses'].get(OVERFIT, 0)} of {rung['repeats']} overfit"}


def architecture(rung: RungConfig) -> dict[str, Any]:
    """A rung's widths and dropout rates as parameters."""
    return {
        "lstm": rung.lstm,
        "dense": rung.dense,
        "lstm_dropout": rung.lstm_dropout,
        "dense_dropout": rung.dense_dropout,
    }


def study_metrics(document: Mapping[str, Any]) -> Metrics:
    """Where overfitting begins, and what is recommended comes to; of a sweep, the latter alone."""
    recommended = document.get("recommended") or {}
    metrics: Metrics = {"best_epoch": recommended.get("epochs")}
    if "begins_to_overfit" in document:
        answer = document["begins_to_overfit"]["trained_to_the_end"]
        metrics["onset_epoch"] = None if answer["epoch"] is None else answer["epoch"][0]
        chosen = next((rung for rung in document["rungs"] if rung["name"] == recommended.get("rung")), None)
        if chosen is not None:
            metrics |= {key: value for key, value in rung_metrics(chosen).items() if key in ("loss/val_best", "rise")}
    elif recommended.get("architecture") is not None:
        metrics |= {"loss/val_best": recommended["val_loss_best"][0], "rise": _rise(document, recommended["values"])}
    test = document.get("test")
    if test is not None:
        metrics |= {"test/loss": test["loss"][0], "test/accuracy": test["accuracy"][0]}
    return metrics


def _rise(document: Mapping[str, Any], values: Mapping[str, Any]) -> float | None:
    """The mean rise of an architecture of a `frontier.json`, over the fits of all its trials."""
    margins = [m for trial in document["trials"] if trial["values"] == values for m in trial["margins"] or ()]
    return round((1 + document["margin"]) * math.exp(float(np.mean(margins))) - 1, _DIGITS) if margins else None


def study_tags(document: Mapping[str, Any]) -> dict[str, Any]:
    """Whether there is an answer, and the rung to use."""
    if "begins_to_overfit" not in document:
        status = {"status": "established" if document["established"] else "not established"}
        chosen = document["recommended"]["architecture"]
        return status if chosen is None else status | {"recommended": chosen}
    answer = document["begins_to_overfit"]["trained_to_the_end"]
    tags = {"status": "established" if answer["established"] else "not established", "bound": answer["bound"]}
    named = {"rung": answer["rung"], "recommended": document["recommended"]["rung"]}
    return tags | {key: name for key, name in named.items() if name is not None}


def series_metrics(document: Mapping[str, Any]) -> Metrics:
    """What the ladder on the last step comes to; nothing of a study of the length, which has none."""
    if "ladder" not in document:
        return {}
    ladder = document["ladder"]
    epoch = ladder["begins_to_overfit"]["trained_to_the_end"]["epoch"]
    return {"best_epoch": ladder["recommended"]["epochs"], "onset_epoch": None if epoch is None else epoch[0]}


def series_tags(document: Mapping[str, Any]) -> dict[str, Any]:
    """How many corrections matter; of a study of the length, how many pipelines read it."""
    if "steps" in document:
        corrections = document["steps"][1:]
        return {"status": f"{sum(step['matters'] for step in corrections)} of {len(corrections)} matter"}
    reading = [any(claim["established"] for claim in one["claims"].values()) for one in document["pipelines"]]
    return {"status": f"{sum(reading)} of {len(reading)} read length"}


def study_params(config: Config) -> dict[str, Any]:
    """The config, key by key; without the space that a ladder does not search."""
    every = _flat(asdict(config))
    return {k: v for k, v in every.items() if config.kind == "sweep" or not k.startswith("sweep.space.")}


def audit_summary(audit: Audit) -> dict[str, dict[str, Any]]:
    """The audit's points as metrics and its words as tags; its intervals stand in verdict.json."""
    metrics: dict[str, float] = {"audit/majority": audit.majority}
    tags = {"audit": audit.status, "audit.sentence": audit.sentence}
    for signal in audit.signals:
        name = re.sub(r"[^\w.\- ]", "_", signal.name, flags=re.ASCII)  # what MLflow takes for a key
        tags[f"audit.{name}"] = f"{signal.status}: {signal.sentence}"
        if signal.accuracy is not None:
            metrics[f"audit/{name}"] = signal.accuracy[0]
        metrics[f"audit/{name}_rows"] = signal.rows
    return {"metrics": metrics, "tags": tags}


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested keys as `a.b`, the way the command line spells them."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {key: value for name, child in node.items() for key, value in _flat(child, _join(prefix, name)).items()}


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
