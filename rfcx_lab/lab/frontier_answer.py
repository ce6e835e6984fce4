"""`frontier.json`: where the frontier runs, what every trial came to, and which architecture to use."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from rfcx_lab import __version__
from rfcx_lab.errors import hide_password
from rfcx_lab.lab.answer import LIBRARIES, describe_data
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.outcome import Outcome, judge_architecture
from rfcx_lab.lab.sweep_plan import SweepPlan
from rfcx_lab.model.backend import versions as model_versions
from rfcx_lab.search.asked import Told
from rfcx_lab.search.space import Architecture, Number, Space
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.choice import find_lowest, recommend
from rfcx_lab.verdict.frontier import OPEN, Crossing, Frontier
from rfcx_lab.verdict.frontier_sentence import write_frontier_sentence
from rfcx_lab.verdict.importance import share_variation

SCHEMA = "rfcx_lab/frontier/1"


def judge_cells(plan: SweepPlan, curves: Mapping[int, Sequence[Curves]]) -> dict[int, Outcome]:
    """What every cell that was tried comes to, over the fits of all its trials."""
    tried = sorted(cell for cell, some in curves.items() if some)
    return {cell: _judge(plan, curves[cell], cell=cell, index=index) for index, cell in enumerate(tried)}


def build_frontier_answer(
    plan: SweepPlan,
    trials: Sequence[Told],
    outcomes: Mapping[int, Outcome],
    frontier: Frontier,
    *,
    curves: Sequence[Curves],
    choice: Mapping[str, Any],
    test: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The whole document, checked against its JSON Schema.

    `outcomes` are those of `judge_cells`, `curves` those of every fit, `choice` is what `choose_architectures` says,
    and `test` what the recommended one does on the test part.
    """
    config, space = plan.config, plan.space
    document = {
        "schema": SCHEMA,
        "status": frontier.status,
        "established": frontier.status != OPEN,
        "settled": frontier.settled,
        "reason": frontier.reason,
        "epochs": config.training.epochs,
        "margin": config.ladder.margin,
        "confidence": config.sweep.confidence,
        "tolerance": config.sweep.tolerance,
        "space": _describe_space(plan),
        "crossings": [
            _describe_crossing(space, crossing, column)
            for crossing, column in zip(frontier.crossings, space.grid.columns, strict=True)
        ],
        "architectures": _describe_cells(plan, frontier, outcomes, trials),
        "importance": _describe_importance(space, frontier, confidence=config.sweep.confidence),
        **choice,
        "test": test,
        "trials": [_describe_trial(trial) for trial in trials],
        "search": {
            "study": config.name,
            "storage": hide_password(config.sweep.storage),
            "sampler": config.sweep.sampler,
            "n_trials": config.sweep.n_trials,
            "repeats": config.sweep.repeats,
            "at_once": config.sweep.at_once,
            "epochs": _count_epochs(curves, budget=config.training.epochs),
        },
        "audit": plan.study.audit.to_dict(),
        "data": describe_data(plan.study.clips),
        "warnings": plan.study.warnings,
        "versions": {
            "python": platform.python_version(),
            **model_versions(),
            "rfcx_lab": __version__,
            **{name: version(name) for name in (*LIBRARIES, "optuna")},
        },
    }
    document = {"schema": SCHEMA, "answer": write_frontier_sentence(document), **document}
    document = json.loads(json.dumps(document, allow_nan=False))  # as whoever reads the file has it
    check_document(document)
    return document


def _count_epochs(curves: Sequence[Curves], *, budget: int) -> dict[str, int]:
    """Those of all fits, wherever they were trained, next to what they would be had none ended early."""
    return {
        "trained": sum(each.epochs for each in curves),
        "budget": budget * len(curves),
        "fits": len(curves),
        "ended_early": sum(each.settled for each in curves),
    }


def _judge(plan: SweepPlan, curves: Sequence[Curves], *, cell: int, index: int) -> Outcome:
    return judge_architecture(
        curves,
        plan.info(plan.rung(plan.space.cells[cell])),
        index=index,
        validation_fraction=plan.study.validation_fraction,
        config=plan.config,
    )


def _describe_space(plan: SweepPlan) -> dict[str, Any]:
    space = plan.space
    return {
        "axes": [{**asdict(axis), "values": list(axis.values), "when": list(axis.when)} for axis in space.axes],
        "along": space.along,
        "architectures": len(space.cells),
    }


def _describe_cells(
    plan: SweepPlan, frontier: Frontier, outcomes: Mapping[int, Outcome], trials: Sequence[Told]
) -> list[dict[str, Any]]:
    posterior, described = frontier.posterior, []
    for cell, architecture in enumerate(plan.space.cells):
        info = plan.info(plan.rung(architecture))
        outcome = outcomes.get(cell)
        summary = asdict(outcome.summary) if outcome else {}
        described.append(
            {
                "name": info.name,
                "values": dict(architecture),
                "trainable_parameters": info.trainable_parameters,
                "trials": [trial.number for trial in trials if trial.architecture == architecture],
                "overfit_probability": min(float(posterior.overfit[cell]), 1.0),
                "margin": [float(posterior.mean[cell]), float(posterior.sd[cell])],
                "in_doubt": cell in frontier.unsure,
                "learnt": cell not in frontier.not_learnt if outcome else None,
                "observed": {key: summary[key] for key in _OBSERVED} if outcome else None,
            }
        )
    return described


_OBSERVED = (
    "repeats", "left_out", "statuses", "overfit_share", "onset_epoch", "best_epoch", "val_loss_best", "val_loss_final",
    "val_accuracy_best",
)  # fmt: skip


def _describe_crossing(space: Space, crossing: Crossing, column: Sequence[int]) -> dict[str, Any]:
    """Positions as values of the axis along which the frontier is sought."""
    axis = next(axis for axis in space.axes if axis.name == space.along)
    cell = space.cells[column[0]]
    values = [space.cells[index][space.along] for index in column]
    point = None
    if crossing.position is not None:
        before = math.floor(crossing.position)
        share, low, high = crossing.position - before, values[before], values[min(before + 1, len(values) - 1)]
        point = low * (high / low) ** share if axis.log else low + (high - low) * share
    return {
        "column": dict(space.column_of(cell)),
        "status": crossing.status,
        "position": crossing.position,
        "value": point,
        "none_up_to": None if crossing.low is None else values[crossing.low],
        "all_from": None if crossing.high is None else values[crossing.high],
        "monotone": crossing.monotone,
    }


def _describe_importance(space: Space, frontier: Frontier, *, confidence: float) -> dict[str, list[float]]:
    """The axes' shares of the margin's variance; of an axis on which all that have learnt are alike nothing is said."""
    levels = {axis.name: [cell.get(axis.name) for cell in space.cells] for axis in space.axes}
    sided = [cell for cell in range(len(space.cells)) if cell not in frontier.not_learnt]
    levels = {axis: values for axis, values in levels.items() if len({values[cell] for cell in sided} - {None}) > 1}
    shares = share_variation(frontier.posterior, levels, left_out=frontier.not_learnt, confidence=confidence)
    return {axis: list(share) for axis, share in shares.items()}


def choose_architectures(space: Space, outcomes: Mapping[int, Outcome], *, repeats: int) -> dict[str, Any]:
    """The `best` of the tried ones, and the `recommended`: within one standard error, the fewest parameters.

    `repeats` are those of a trial: an architecture that was tried once counts as much as one that was tried again.
    """
    tried, judged = list(outcomes), [outcome.judged for outcome in outcomes.values()]
    summaries = [outcome.summary for outcome in outcomes.values()]
    chosen = recommend(summaries, judged, planned=repeats)

    def describe(index: int | None) -> dict[str, Any]:
        values: Architecture | None = None if index is None else space.cells[tried[index]]
        summary = None if index is None else summaries[index]
        return {
            "architecture": summary and summary.name,
            "values": values,
            "trainable_parameters": summary and summary.trainable_parameters,
            "val_loss_best": summary and summary.val_loss_best and list(summary.val_loss_best),
        }

    return {
        "best": describe(find_lowest(summaries, judged, planned=repeats)),
        "recommended": {
            **describe(chosen.index),
            "epochs": chosen.epochs,
            "rule": chosen.rule.replace("rungs", "tried architectures"),
        },
    }


def _describe_trial(trial: Told) -> dict[str, Any]:
    values: Mapping[str, Number] = trial.architecture
    return {
        "number": trial.number,
        "state": trial.state,
        "values": dict(values),
        "value": trial.value,
        "repeats": trial.notes["repeats"],
        "margins": trial.notes.get("margins"),
        "statuses": trial.notes.get("statuses", {}),
        "onset": trial.notes.get("onset"),
        "rise": trial.notes.get("rise"),
        "mlflow_run": trial.notes.get("mlflow_run"),
        "reason": trial.notes.get("reason"),
        "learnt": trial.learnt,
    }
