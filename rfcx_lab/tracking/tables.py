"""Tables of runs that are ready to be opened in the MLflow UI: its saved views, which are tags of an experiment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_TAG = "mlflow.sharedViewState."
_EVERY = {
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "datasetsFilter": [],
    "modelVersionFilter": "All Runs",
}
_FIT = ("onset_epoch", "best_epoch", "loss/val_best", "rise")
_TABLES: dict[str, dict[str, Any]] = {
    "Study": {"order": "attributes.start_time", "tags": ("status", "recommended"), "metrics": _FIT},
    "Rungs": {
        "filter": "tags.level = 'rung'",
        "order": "metrics.`trainable_parameters`",
        "tags": ("status",),
        "metrics": (*_FIT, "overfit_share", "trainable_parameters"),
        "params": ("lstm", "dense"),
    },
    "Fits": {
        "filter": "tags.level = 'fit'",
        "order": "metrics.`loss/val_best`",
        "tags": ("status",),  # rung and repeat are the run's name
        "metrics": _FIT,
        "params": ("lstm", "dense"),
    },
}


def saved_views(there: Mapping[str, str], *, now: int) -> dict[str, str]:
    """Tags that make the tables known to the UI; `there` are an experiment's, of which what is as it was is left."""
    found = {}
    for name, table in _TABLES.items():
        tag, state = f"{_TAG}{_key(name)}", json.dumps(_state(table))
        try:
            same = json.loads(there[tag])["state"] == state
        except (KeyError, TypeError, ValueError):
            same = False
        if not same:
            found[tag] = json.dumps({"name": name, "createdAt": now, "updatedAt": now, "state": state})
    return found


def table_addresses(experiment: str) -> dict[str, str]:
    """Where the UI shows each table, by name."""
    return {name: f"#/experiments/{experiment}/runs?viewStateShareKey={_key(name)}&{PAGES}" for name in _TABLES}


PAGES = "workflowType=machine_learning"
"""Added to an address: its pages are made for runs, not for language models, which are the UI's first choice."""


def _key(name: str) -> str:
    return name.lower()


def _state(table: Mapping[str, Any]) -> dict[str, Any]:
    columns = [f"{kind}.`{name}`" for kind in ("tags", "metrics", "params") for name in table.get(kind, ())]
    return {
        **_EVERY,
        "searchFilter": table.get("filter", ""),
        "orderByKey": table["order"],
        "orderByAsc": table["order"] != "attributes.start_time",
        "selectedColumns": columns,
        "columnOrder": ["attributes.`Run Name`", *columns],
    }
