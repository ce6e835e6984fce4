"""What of a config is refused before anything is read, naming the key."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir
from omegaconf.errors import InterpolationResolutionError

from rfcx_lab.config import Config
from rfcx_lab.errors import LabError
from rfcx_lab.lab.checks import FOLDERS, check_config, feature_warnings, pipeline_warnings
from rfcx_lab.refusals import explain
from tests.conftest import ROOT, TOY, compose_config


@pytest.fixture(scope="module")
def config() -> Config:
    return compose_config(*TOY)


@pytest.mark.parametrize("name", ["", *FOLDERS])
def test_file_in_the_place_of_a_folder_is_named(config, tmp_path, name):
    runs = tmp_path / "runs"
    check_config(replace(config, runs_dir=str(runs)))
    place = runs / name
    place.parent.mkdir(exist_ok=True)
    for make in (place.touch, lambda: place.symlink_to("nowhere")):
        make()
        with pytest.raises(LabError, match=f"{place} is not a folder; move it away, or set runs_dir to another place"):
            check_config(replace(config, runs_dir=str(runs)))
        place.unlink()


@pytest.mark.parametrize("runs_dir", ["", "  "])
def test_runs_dir_that_names_nothing_is_refused(config, runs_dir):
    with pytest.raises(LabError, match=f"runs_dir={runs_dir}: must be a folder"):
        check_config(replace(config, runs_dir=runs_dir))


@pytest.mark.parametrize("runs_dir", ["what?", "/tmp/run #1", "50%/runs"])
def test_runs_dir_that_no_database_s_address_can_hold_is_refused(config, runs_dir):
    with pytest.raises(LabError, match=r"no address of a database can hold its [?#%]; choose another folder") as caught:
        check_config(replace(config, runs_dir=runs_dir))
    assert str(caught.value).startswith(f"runs_dir={runs_dir}: ")


@pytest.mark.parametrize("name", ["..", ".", "", " ", "a/b", "../a", "/a", "a\\b", "a\nb", "é" * 76, "x" * 300])
def test_name_that_no_folder_can_have_is_refused(config, name):
    tracked = replace(config, tracking=replace(config.tracking, experiment=name))
    for key, changed in (("name", replace(config, name=name)), ("tracking.experiment", tracked)):
        with pytest.raises(LabError, match="must be a plain name, fit for a folder") as caught:
            check_config(changed)
        assert str(caught.value).startswith(f"{key}=")
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["..", "../a", "x" * 300])
def test_name_is_refused_before_hydra_makes_a_folder_of_it(tmp_path, name):
    overrides = ["+experiment=smoke", f"name={name}", f"runs_dir={tmp_path}"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        composed = compose("config", overrides, return_hydra_config=True)
    with pytest.raises(InterpolationResolutionError) as caught:
        _ = composed.hydra.run.dir
    assert explain(caught.value, overrides, conf=ROOT / "conf").startswith(f"name='{name[:40]}")


@pytest.mark.parametrize("f_min", [7999.0, 7999.9999999999])
def test_features_whose_mel_bands_are_all_empty_are_refused(config, f_min):
    features = replace(config.features, sample_rate=16000, f_min=f_min, f_max=None)
    with pytest.raises(LabError, match=rf"features.f_min={f_min}: all \d+ mel bands from there to 8000 Hz are empty"):
        feature_warnings(replace(config, features=features))
    assert feature_warnings(replace(config, features=replace(features, f_min=100.0, n_fft=255, n_mels=120)))


def test_too_few_epochs_for_a_verdict_are_warned_of(toy_config):
    [warning] = pipeline_warnings(toy_config("training.epochs=6"))
    assert "training.epochs=6: no fit can be judged on fewer than onset.min_epochs=10" in warning
    assert not pipeline_warnings(toy_config("training.epochs=10"))
