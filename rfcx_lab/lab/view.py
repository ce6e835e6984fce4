"""A study as MLflow shows it: which runs there are, what they are called, and what stands on each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rfcx_lab.config import Config
from rfcx_lab.data.audit import Audit
from rfcx_lab.lab.fits import FitSpec
from rfcx_lab.lab.study import Study
from rfcx_lab.lab.tracking import Tracker
from rfcx_lab.lab.tracking_store import answering, forgiving
from rfcx_lab.verdict import Curves, RungInfo, Verdict

_STUDY = "study"


class StudyView:
    """Study → rung → fit. What an earlier run of the same study has shown is gone on with."""

    def __init__(self, study: Study, config: Config) -> None:
        """Open the study's run, with the resolved config as its parameters, and one run per rung."""
        with answering(config.tracking.uri):
            self._tracker = Tracker(uri=config.tracking.uri, experiment=config.tracking.experiment, study_key=study.key)
            self.study_run = self._tracker.open_run(
                _STUDY, name=f"{config.name} {study.key[:6]}", tags={"level": "study"}
            )
            self._tracker.log_params(self.study_run, _flat(asdict(config)))
            self._tracker.log_dataset(
                self.study_run,
                name=study.clips.root.name,
                fingerprint=study.clips.fingerprint,
                source=str(study.clips.root),
            )
            self._audit = _audit_summary(study.audit)
            with forgiving():
                self._tracker.finish(_STUDY, status=None, metrics=self._audit["metrics"], tags=self._audit["tags"])
            self._rungs = list(study.rungs)
            for rung in self._rungs:
                self.open_rung(rung.name)

    def show_rungs(self, rungs: Sequence[RungInfo]) -> None:
        """Have the ladder's rungs be these, bottom to top: what was added is opened, what has moved up is told so."""
        self._rungs = list(rungs)
        for index, rung in enumerate(rungs):
            self.open_rung(rung.name)
            self._tracker.finish(_rung_node(rung.name), status=None, metrics={}, tags={"index": index})

    def open_fit(self, spec: FitSpec) -> str:
        """The run id of a fit, for a worker to stream to."""
        tags = {
            "level": "fit",
            "rung": spec.rung.name,
            "repeat": spec.split.repeat,
            "seed": spec.seed,
            "run_key": spec.key,
            "status": "running",
        }
        name = f"{spec.rung.name} · {spec.split.repeat}"
        return self._tracker.open_run(_node(spec), name=name, parent=self.open_rung(spec.rung.name), tags=tags)

    def close_fit(self, spec: FitSpec, curves: Curves, verdict: Verdict) -> None:
        """Complete the fit's curve, summary and status."""
        self.open_fit(spec)
        key = spec.key if curves.settled else spec.whole.key
        early = {} if spec.settled is None else {"ended_early": str(curves.settled).lower(), "run_key": key}
        self._tracker.finish(
            _node(spec),
            status="FAILED" if curves.failure else "FINISHED",
            metrics=_fit_summary(curves, verdict) | ({"epochs": curves.epochs} if early else {}),
            tags={
                "status": "failed" if curves.failure else verdict.status,
                "reason": curves.failure or verdict.reason,
                **early,
            },
            curves=curves,
        )

    def close(self, document: Mapping[str, Any], *, files: Sequence[Path], model: Path | None) -> None:
        """Put the verdict on the study and its rungs, keep `files` and the recommended `model`, end the runs."""
        self.show_rungs(self._rungs)
        for rung in document["rungs"]:
            self._tracker.finish(_rung_node(rung["name"]), metrics=_rung_summary(rung), tags={})
        self._tracker.log_files(self.study_run, files)
        tags = {**self._audit["tags"], "mlflow.note.content": document["answer"]}
        if model is not None:
            kept = document["test"]["model"]
            tags["model"] = f"{document['test']['rung']}, repeat {kept['repeat']}, epoch {kept['epoch']}"
            self._tracker.log_files(self.study_run, [model], folder="model")
        self._tracker.finish(_STUDY, metrics=self._audit["metrics"], tags=tags)

    def link_rung(self, name: str) -> str:
        """Where the MLflow UI shows a rung."""
        return self._tracker.link(self.open_rung(name))

    def open_rung(self, name: str) -> str:
        """The run id of a rung."""
        index, rung = next((index, rung) for index, rung in enumerate(self._rungs) if rung.name == name)
        tags = {"level": "rung", "rung": name, "role": rung.role, "index": index}
        return self._tracker.open_run(_rung_node(name), name=name, parent=self.study_run, tags=tags)

    def abandon(self, error: BaseException) -> None:
        """End every run that is still open: this study will not be finished now."""
        self._tracker.abandon("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")


def _rung_node(name: str) -> str:
    return f"rung {name}"


def _node(spec: FitSpec) -> str:
    return f"fit {spec.rung.name} {spec.split.repeat}"


def _fit_summary(curves: Curves, verdict: Verdict) -> dict[str, float | None]:
    if not curves.val_loss:
        return {}
    return {
        "best_epoch": verdict.best_epoch,
        "onset_epoch": verdict.onset_epoch,
        "loss/val_best": _finite(np.nanmin(curves.val_loss)) if np.isfinite(curves.val_loss).any() else None,
        "loss/val_final": _finite(curves.val_loss[-1]),
        "gap_final": _finite(curves.val_loss[-1] - curves.train_loss[-1]),
    }


def _rung_summary(rung: Mapping[str, Any]) -> dict[str, float | None]:
    """Point estimates of a rung; its intervals stand in verdict.json."""
    summary = {"trainable_parameters": rung["trainable_parameters"]}
    names = {
        "val_loss_best": "loss/val_best",
        "val_loss_final": "loss/val_final",
        "val_accuracy_best": "accuracy/val_best",
        "overfit_share": "overfit_share",
        "onset_epoch": "onset_epoch",
        "best_epoch": "best_epoch",
    }
    for key, name in names.items():
        if rung[key] is not None:
            summary[name] = rung[key][0]
    return summary


def _audit_summary(audit: Audit) -> dict[str, dict[str, Any]]:
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


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested keys as `a.b`, the way the command line spells them."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {key: value for name, child in node.items() for key, value in _flat(child, _join(prefix, name)).items()}


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
