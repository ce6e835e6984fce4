"""The model that a study hands on: registered once, and loaded by someone who has neither this package nor a pickle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from rfcx_lab.config import Config
from rfcx_lab.engine.fits import FitStore
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.model import fit as fitting
from rfcx_lab.model.backend import start_keras
from rfcx_lab.model.rung import build_model
from rfcx_lab.model.scaling import fit_scaling
from rfcx_lab.verdict.statements import split_answer
from tests import fakes
from tests.conftest import TOY, compose_config
from tests.lab.outcome import by_level, runs_of

SIZE = ("training.epochs=12", "ladder.repeats=2", "split.test_fraction=0.3", "engine=inline")
NAME = "rfcx_lab-smoke"
ELSEWHERE = """
import importlib.abc, json, pickle, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] == "rfcx_lab":
            raise ImportError("rfcx_lab is not here")

sys.meta_path.insert(0, Refuse())
import mlflow, mlflow.keras, numpy as np

def refuse(*args, **kwargs):
    raise AssertionError("a pickle was opened")

uri, folder = sys.argv[1:]
mlflow.set_tracking_uri(uri)
windows = np.load(f"{folder}/windows.npy")
pickle.load = pickle.loads = pickle.Unpickler = refuse
address = "models:/rfcx_lab-smoke@recommended"
model = mlflow.pyfunc.load_model(address)
native = mlflow.keras.load_model(address)
example = model.input_example
np.savez(f"{folder}/found.npz", pyfunc=model.predict(windows), native=native.predict(windows, verbose=0),
         example=example, answer=model.predict(example))
print(json.dumps({"inputs": model.metadata.signature.inputs.to_dict(), "layers": [l.name for l in native.layers],
                  "classes": model.metadata.metadata["classes"],
                  "ours": sorted(m for m in sys.modules if m.startswith("rfcx_lab"))}))
"""


def fit_with_keras(rung, **options):
    """As `fake_fit`, with a real model whose weights nobody has trained, as a real fit would keep it."""
    start_keras()
    fit, windows = fakes.fake_fit(rung, **options), options["train"].windows
    shape, scaling = windows.shape[1:], fit_scaling(windows)
    classes = options["classes"]
    model = build_model(rung, input_shape=shape, classes=classes, seed=options["seed"], scaling=scaling)
    fit.best_model = fitting._as_file(rung, shape, classes, scaling, model.get_weights())
    return fit


@dataclass(frozen=True)
class Handed:
    """A study that has handed on a model."""

    config: Config
    document: dict
    runs: Path

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.config.tracking.uri)

    def climb(self, *overrides: str) -> dict:
        config = compose_config(*TOY, *SIZE, f"runs_dir={self.runs}", *overrides)
        return climb_ladder(config, self.runs / "again", fit=fit_with_keras).document


@pytest.fixture(scope="module")
def handed(tmp_path_factory) -> Handed:
    runs = tmp_path_factory.mktemp("handed") / "runs"
    config = compose_config(*TOY, *SIZE, f"runs_dir={runs}")
    return Handed(config, climb_ladder(config, runs / "out", fit=fit_with_keras).document, runs)


@pytest.mark.keras
def test_loads_elsewhere_without_this_package_or_a_pickle_and_predicts_the_same(handed, tmp_path):
    study, kept = prepare_study(handed.config), handed.document["test"]
    [spec] = [
        spec for spec in study.fits if (spec.rung.name, spec.split.repeat) == (kept["rung"], kept["model"]["repeat"])
    ]
    expected = FitStore(study.store).held_out(spec).probabilities
    np.save(tmp_path / "windows.npy", np.asarray(study.windows.load()[spec.split.test]))
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    run = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, handed.config.tracking.uri, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    told, found = json.loads(run.stdout.splitlines()[-1]), np.load(tmp_path / "found.npz")
    assert not told["ours"]
    for way in ("pyfunc", "native"):
        np.testing.assert_allclose(found[way], expected, rtol=1e-5, atol=1e-6)
        assert (found[way].argmax(axis=1) == expected.argmax(axis=1)).all()
    frames, numbers = study.input_shape
    [taken] = told["inputs"]
    assert taken["tensor-spec"] == {"dtype": "float32", "shape": [-1, frames, numbers]}
    assert told["layers"][0].startswith("normalization")
    assert told["classes"] == list(study.clips.species_names)
    assert found["example"].shape == (1, frames, numbers)
    assert found["answer"].shape == (1, 3)
    assert np.array_equal(found["example"][0], study.windows.load()[spec.split.train[0]])


@pytest.mark.keras
def test_a_version_says_what_it_is_and_stands_on_its_runs(handed):
    [version] = handed.client.search_model_versions(f"name = '{NAME}'")
    document, kept = handed.document, handed.document["test"]
    assert version.description.startswith(f"**{split_answer(document['answer'])[0]}**\n\n- ")
    assert "normalisation is the model's first layer" in version.description
    assert (version.tags["rung"], version.tags["repeat"]) == (kept["rung"], str(kept["model"]["repeat"]))
    assert handed.client.get_model_version_by_alias(NAME, "recommended").version == version.version
    runs = {run.info.run_id: run for run in runs_of(handed.config.tracking.uri)}
    [study] = by_level(list(runs.values()), "study")
    maker = runs[version.run_id]
    assert maker.data.tags["run_key"] == version.tags["run_key"]
    for run in (study, maker):
        [output] = handed.client.get_run(run.info.run_id).outputs.model_outputs
        assert (output.model_id, output.step) == (version.tags["model_id"], kept["model"]["epoch"])


@pytest.mark.keras
def test_a_rerun_registers_nothing_and_another_model_is_another_version(handed):
    before = handed.client.search_model_versions(f"name = '{NAME}'")
    assert handed.climb() == handed.document
    after = handed.client.search_model_versions(f"name = '{NAME}'")
    assert [version.to_proto() for version in after] == [version.to_proto() for version in before]
    [study] = by_level(runs_of(handed.config.tracking.uri), "study")
    assert len(handed.client.get_run(study.info.run_id).outputs.model_outputs) == 1

    other = next(rung["name"] for rung in handed.document["rungs"] if rung["name"] != handed.document["test"]["rung"])
    assert handed.climb(f"ladder.shown={other}")["test"]["rung"] == other  # measured and shown, but not recommended
    assert len(handed.client.search_model_versions(f"name = '{NAME}'")) == 1

    handed.climb("seed=1")
    versions = {int(v.version): v for v in handed.client.search_model_versions(f"name = '{NAME}'")}
    assert sorted(versions) == [1, 2]
    assert versions[1].tags["run_key"] != versions[2].tags["run_key"]
    assert int(handed.client.get_model_version_by_alias(NAME, "recommended").version) == 2

    handed.climb()  # what the first study recommends is the same as ever, and recommended again
    assert len(handed.client.search_model_versions(f"name = '{NAME}'")) == 2
    assert int(handed.client.get_model_version_by_alias(NAME, "recommended").version) == 1


@pytest.mark.keras
def test_a_study_may_have_an_apostrophe_and_a_dot_in_its_name(handed):
    """As a step has that is called "the article's"."""
    handed.climb("name='the article\\'s, 50 % of v1.5'")
    name = "rfcx_lab-the article's, 50 % of v1.5"
    assert handed.client.get_model_version_by_alias(name, "recommended").tags["study"] == name.removeprefix("rfcx_lab-")
