"""A study as MLflow shows it: which runs there are, what they are called, and what stands on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfcx_lab.config import Config, RfcxData
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.lab.study import Study
from rfcx_lab.lab.view_note import describe
from rfcx_lab.lab.view_summary import (
    architecture,
    audit_summary,
    fit_metrics,
    rung_metrics,
    rung_tags,
    study_metrics,
    study_params,
    study_tags,
)
from rfcx_lab.report.commands import Next
from rfcx_lab.report.fit_picture import draw_fit
from rfcx_lab.report.notes import fit_note, model_note, rung_note
from rfcx_lab.tracking.models import ModelCard
from rfcx_lab.tracking.store import answering, forgiving
from rfcx_lab.tracking.tracker import NOTE, Tracker, artifact_address
from rfcx_lab.verdict import Curves, RungInfo, Verdict

if TYPE_CHECKING:
    from rfcx_lab.lab.predict import Measured

_STUDY = "study"
_PICTURE = "curves.svg"  # of a fit


class StudyView:
    """Study → rung → fit. What an earlier run of the same study has shown is gone on with."""

    def __init__(self, study: Study, config: Config, *, parent: str | None = None) -> None:
        """Open the study's run, with the resolved config as its parameters, and one run per rung.

        `parent` is the run of the series that the study is made for, if any.
        """
        self._study, self._config = study, config
        self._specs: dict[tuple[str, int], FitSpec] = {}  # of fits that were shown, by rung and repeat
        with answering(config.tracking.uri):
            self._tracker = Tracker(uri=config.tracking.uri, experiment=config.tracking.experiment, study_key=study.key)
            self.study_run = self._tracker.open_run(
                _STUDY, name=f"{config.name} {study.key[:6]}", parent=parent, tags={"level": "study"}
            )
            self._tracker.log_params(self.study_run, study_params(config))
            self._tracker.log_dataset(
                self.study_run,
                name=study.clips.root.name if isinstance(config.data, RfcxData) else config.data.kind,
                fingerprint=study.clips.fingerprint,
                source=str(study.clips.root),
            )
            self._audit = audit_summary(study.audit)
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
        return self._tracker.open_run(
            _node(spec), name=_fit_name(spec), parent=self.open_rung(spec.rung.name), tags=tags
        )

    def close_fit(self, spec: FitSpec, curves: Curves, verdict: Verdict) -> None:
        """Complete the fit's curve, summary and status, and draw its losses and accuracies in one picture."""
        run = self.open_fit(spec)
        self._specs[spec.rung.name, spec.split.repeat] = spec
        key = spec.key if curves.settled else spec.whole.key
        early = {} if spec.settled is None else {"ended_early": str(curves.settled).lower(), "run_key": key}
        self._tracker.finish(
            _node(spec),
            status="FAILED" if curves.failure else "FINISHED",
            metrics=fit_metrics(curves, verdict) | ({"epochs": curves.epochs} if early else {}),
            tags={
                "status": "failed" if curves.failure else verdict.status,
                "reason": curves.failure or verdict.reason,
                NOTE: fit_note(verdict, failure=curves.failure, figure=artifact_address(run, _PICTURE)),
                **early,
            },
            params={"repeat": spec.split.repeat, "seed": spec.seed, **architecture(spec.rung)},
            curves=curves,
            texts={_PICTURE: draw_fit(curves, verdict, name=_fit_name(spec))},
        )

    def close(
        self, document: Mapping[str, Any], *, files: Sequence[Path], model: Measured | None, following: Next | None
    ) -> None:
        """Put the verdict on the study and its rungs, keep `files` and the recommended `model`, end the runs.

        `following` is what to run next.
        """
        self.show_rungs(self._rungs)
        for rung in document["rungs"]:
            self._tracker.finish(
                _rung_node(rung["name"]),
                metrics=rung_metrics(rung),
                tags={**rung_tags(rung), NOTE: rung_note(rung)},
                params=self._architecture(rung["name"]),
            )
        self._tracker.log_files(self.study_run, files)
        note = describe(self._tracker, self.study_run, document["answer"], files=files, following=following)
        tags = {**self._audit["tags"], **study_tags(document), NOTE: note}
        if model is not None:
            kept = document["test"]["model"]
            tags["model"] = f"{document['test']['rung']}, repeat {kept['repeat']}, epoch {kept['epoch']}"
            self._tracker.log_files(self.study_run, [model.model], folder="model")
        metrics = {**self._audit["metrics"], **study_metrics(document)}
        self._tracker.finish(_STUDY, metrics=metrics, tags=tags)
        self._tracker.describe_experiment(note)
        recommended = document["recommended"]
        if model is not None and document["test"]["rung"] == recommended.get("rung", recommended.get("architecture")):
            self._register(document, model)  # last: a server without a registry has the answer all the same

    def link_rung(self, name: str) -> str:
        """Where the MLflow UI shows a rung."""
        return self._tracker.link(self.open_rung(name))

    def open_rung(self, name: str) -> str:
        """The run id of a rung."""
        index, rung = next((index, rung) for index, rung in enumerate(self._rungs) if rung.name == name)
        tags = {"level": "rung", "rung": name, "role": rung.role, "index": index}
        return self._tracker.open_run(_rung_node(name), name=name, parent=self.study_run, tags=tags, place=index)

    def refresh(self) -> None:
        """Know of the runs that other drivers of the study have opened."""
        self._tracker.refresh()

    def abandon(self, error: BaseException, *, others: bool = False) -> None:
        """End every run that is still open: this study will not be finished now, unless there are `others` at it."""
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        self._tracker.abandon(status, keep=_STUDY if others else None)

    def _architecture(self, rung: str) -> dict[str, Any]:
        return next((architecture(spec.rung) for (name, _), spec in self._specs.items() if name == rung), {})

    def _register(self, document: Mapping[str, Any], model: Measured) -> None:
        """Make the kept model of the recommended rung a version in the registry."""
        test, key = document["test"], model.fit.whole.key
        spec = next(spec for spec in self._specs.values() if spec.whole.key == key)  # a sweep shows it by its trial
        row = spec.windows.load()[spec.split.train[:1]]
        example = row if spec.time_major else row.transpose(0, 2, 1)
        name, classes = f"rfcx_lab-{self._config.name}".replace(":", "-"), self._study.clips.species_names
        note = model_note(
            document["answer"],
            origin=f"{spec.rung.name} as trained in repeat {spec.split.repeat}",
            kept=test["kept"],
            shape=example.shape[1:],
            axes="frames, coefficients" if spec.time_major else "coefficients, frames",
            classes=classes,
        )
        card = ModelCard(
            name=name,
            key=model.fit.key,
            file=model.model,
            epoch=test["model"]["epoch"],
            example=example,
            classes=classes,
            description=note,
            about=f"The models that studies named {self._config.name} have recommended; the latest is `recommended`.",
            tags={"study": self._config.name, "rung": spec.rung.name, "repeat": str(spec.split.repeat)},
        )
        self._tracker.register(card, node=_STUDY, fit_node=_node(spec))


def _rung_node(name: str) -> str:
    return f"rung {name}"


def _node(spec: FitSpec) -> str:
    return f"fit {spec.rung.name} {spec.split.repeat}"


def _fit_name(spec: FitSpec) -> str:
    return f"{spec.rung.name} · {spec.split.repeat}"
