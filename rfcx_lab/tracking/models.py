"""A study's recommended model in MLflow's registry.

It is what `mlflow.keras.save_model` would write, put together from the .keras file that the fit has kept, so that no
Keras is started for it. Whoever loads it needs MLflow and Keras, and neither this package nor a pickle.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.model.backend import versions

ALIAS = "recommended"
_FLAVOR = "keras"
_EXAMPLE = "input_example.json"
_SERVED = "serving_input_example.json"
_KEY = "run_key"  # which fit a model is of: what makes two models the same
_PLAIN = str.maketrans(dict.fromkeys("/:.%\"'", "_"))  # what MLflow takes in a registered name, not in a logged one
_LONGEST = 5000  # characters of a description that a database takes


@dataclass(frozen=True, eq=False)
class ModelCard:
    """A model to register."""

    name: str
    key: str  # the fit's
    file: Path  # .keras; takes raw features
    epoch: int  # whose weights it has, from 1
    example: NDArray[np.float32]  # [1, T, F]
    classes: Sequence[str]  # in the order of its outputs
    description: str
    about: str  # of the name, whatever version stands under it
    tags: Mapping[str, str]


def register_model(client: Any, card: ModelCard, *, experiment: str, runs: Sequence[str]) -> str:
    """Make `card` the recommended version of its name, and its number known; a model that is one already stays it.

    `runs` are those that show it, the one that made it first.
    """
    _name_model(client, card)
    found = client.search_model_versions(f"name = '{_quoted(card.name)}' and tags.{_KEY} = '{card.key}'")
    description = card.description[:_LONGEST]
    if found:
        number, model = str(found[0].version), found[0].tags.get("model_id")
        if found[0].description != description:
            client.update_model_version(card.name, number, description)
    else:
        logged = _log_model(client, card, experiment=experiment, run=runs[0])
        model = logged.model_id
        tags = {**card.tags, _KEY: card.key, "model_id": model, "epoch": str(card.epoch)}
        made = client.create_model_version(
            card.name,
            logged.artifact_location,
            run_id=runs[0],
            tags=tags,
            description=description,
            await_creation_for=None,
            model_id=model,
        )
        number = str(made.version)
        shown = json.dumps([{"name": card.name, "version": number}])
        client.set_logged_model_tags(model, {"mlflow.modelVersions": shown})
    if _recommended(client, card.name) != number:
        client.set_registered_model_alias(card.name, ALIAS, number)
    _show(client, model, runs=runs, step=card.epoch)
    return number


def _name_model(client: Any, card: ModelCard) -> None:
    found = client.search_registered_models(f"name = '{_quoted(card.name)}'")
    if not found:
        client.create_registered_model(card.name, description=card.about[:_LONGEST])


def _recommended(client: Any, name: str) -> str | None:
    number = client.get_registered_model(name).aliases.get(ALIAS)
    return None if number is None else str(number)


def _log_model(client: Any, card: ModelCard, *, experiment: str, run: str) -> Any:
    """The model among those of the experiment; what a killed run has left of it is made anew."""
    there = client.search_logged_models([experiment], f"tags.{_KEY} = '{card.key}'")
    for logged in there:
        if logged.status == "READY" and logged.source_run_id == run:
            return logged
        if logged.source_run_id == run:
            client.delete_logged_model(logged.model_id)
    logged = client.create_logged_model(
        experiment,
        name=f"{card.name.translate(_PLAIN)}-{card.key[:6]}",
        source_run_id=run,
        tags={**card.tags, _KEY: card.key},
        model_type="classifier",
    )
    with tempfile.TemporaryDirectory() as folder:
        _write_model(Path(folder), card, logged=logged, run=run)
        client.log_model_artifacts(logged.model_id, folder)
    return client.finalize_logged_model(logged.model_id, "READY")


def _show(client: Any, model: str | None, *, runs: Sequence[str], step: int) -> None:
    """Have runs name the model as their output, once."""
    from mlflow.entities import LoggedModelOutput

    for run in runs if model is not None else ():
        outputs = client.get_run(run).outputs
        if outputs is None or model not in {each.model_id for each in outputs.model_outputs}:
            client.log_outputs(run, [LoggedModelOutput(model, step)])


def _write_model(folder: Path, card: ModelCard, *, logged: Any, run: str) -> None:
    """The folder that MLflow's Keras flavour loads: one layout for `mlflow.keras` and `mlflow.pyfunc`."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    data = folder / "data"
    data.mkdir()
    shutil.copyfile(card.file, data / "model.keras")
    (data / "keras_module.txt").write_text("keras")
    rows = card.example.tolist()
    (folder / _EXAMPLE).write_text(json.dumps(rows))
    (folder / _SERVED).write_text(json.dumps({"inputs": rows}))
    kind = np.dtype(np.float32)
    model = Model(
        artifact_path=logged.artifact_location,
        run_id=run,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        signature=ModelSignature(
            inputs=Schema([TensorSpec(kind, (-1, *card.example.shape[1:]))]),
            outputs=Schema([TensorSpec(kind, (-1, len(card.classes)))]),
        ),
        saved_input_example_info={"artifact_path": _EXAMPLE, "serving_input_path": _SERVED, "type": "ndarray"},
        metadata={_KEY: card.key, "classes": list(card.classes), "input": "raw features; normalisation is a layer"},
    )
    libraries = versions()
    model.add_flavor(
        _FLAVOR,
        data="data",
        keras_version=libraries["keras"],
        keras_backend=os.environ.get("KERAS_BACKEND", "tensorflow"),
        save_exported_model=False,
    )
    model.add_flavor(
        "python_function",  # as `mlflow.pyfunc.add_to_model` puts it, whose import takes a second and warns
        loader_module="mlflow.keras",
        python_version=platform.python_version(),
        env={"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
    )
    model.model_size_bytes = card.file.stat().st_size
    model.save(str(folder / "MLmodel"))
    _write_requirements(folder, {"mlflow": version("mlflow"), **libraries})


def _write_requirements(folder: Path, libraries: Mapping[str, str]) -> None:
    """The environment in the three ways in which MLflow looks for it."""
    pinned = [f"{name}=={number}" for name, number in sorted(libraries.items())]
    python = platform.python_version()
    listed = "\n".join(f"    - {each}" for each in pinned)
    (folder / "requirements.txt").write_text("\n".join(pinned) + "\n")
    (folder / "python_env.yaml").write_text(
        f"python: {python}\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n"
    )
    (folder / "conda.yaml").write_text(
        f"name: mlflow-env\nchannels:\n- conda-forge\ndependencies:\n- python={python}\n- pip\n- pip:\n{listed}\n"
    )


def _quoted(name: str) -> str:
    return name.replace("'", "''")
