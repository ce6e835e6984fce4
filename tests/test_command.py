"""The command as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from rfcx_lab.config import Config
from rfcx_lab.lab.answer import check_answer
from rfcx_lab.lab.checks import check_config
from tests.conftest import ROOT, compose_config

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
GROUPS = {group: sorted(p.stem for p in (ROOT / "conf" / group).glob("*.yaml")) for group in ("features", "window")}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rfcx_lab", *arguments]


def run(*arguments: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=timeout)


def only_verdict(folder: Path) -> dict:
    [path] = folder.glob("studies/*/*/verdict.json")
    document = json.loads(path.read_text())
    check_answer(document)
    return document


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_can_be_run(experiment):
    config = compose_config(f"+experiment={experiment}")
    assert isinstance(config, Config)
    assert config.name == experiment
    assert check_config(config)


@pytest.mark.parametrize(("group", "option"), [(g, o) for g, options in GROUPS.items() for o in options])
def test_every_option_composes_and_can_be_run(group, option):
    assert check_config(compose_config("+experiment=smoke", f"{group}={option}"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data=rfcx"], "data.root is not set; add data.root="),
        (["data=rfcx", "data.root=nowhere"], "nowhere/train_tp.csv does not exist; point data.root"),
        (["features.hop_length=0"], "features.hop_length=0: must be above 0."),
        (["ladder.only=[LSTM 9]"], "ladder.only: there is no rung 'LSTM 9'"),
        (["split.group=site", "data.species=3", "data.recordings=4", "data.seconds=40"], "no such column"),
        (["training.epochz=3"], "training.epochz: there is no such key; the nearest is training.epochs."),
        (["+training.patience=3"], "training.patience: there is no such key; training has epochs, batch_size,"),
        (["data.root=DIR"], "data.root: there is no such key with this data; it goes with data=rfcx."),
        (["training.epochs=many"], "training.epochs=many: training.epochs must be a whole number."),
        (["features=logmels"], "features=logmels: there is no such option; the nearest is logmel; there are article,"),
        (["~seed"], "seed is not set; add seed=… to the command."),
        (["LSTM"], "'LSTM' is no override: write key=value."),
        (["name=${nowhere}"], "Interpolation key 'nowhere' not found"),
        (["tracking.uri=http://127.0.0.1:1"], "tracking.uri=http://127.0.0.1:1 can't be used (Connection refused)"),
        (["data.recordings=1000000"], "MB of disk (soundscape"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message, tmp_path):
    finished = run("+experiment=smoke", f"runs_dir={tmp_path}", "engine=inline", *arguments)
    assert_one_sentence(finished, message)
    assert not (tmp_path / "fits").exists()


def assert_one_sentence(finished: subprocess.CompletedProcess[str], message: str) -> None:
    assert finished.returncode == 1
    [sentence] = finished.stderr.splitlines()
    assert message in sentence
    assert len(sentence) < 400


@pytest.mark.parametrize("place", ["/etc/passwd/runs", "/proc/runs"])
def test_folder_that_can_not_be_written_is_one_sentence(place):
    assert_one_sentence(run("+experiment=smoke", f"runs_dir={place}"), f"{place}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment=smoke"], "experiment=smoke: write +experiment=smoke, with a plus"),
        (["+experiment=smok"], "there is no such option; the nearest is smoke; there are "),
        (["+experiment=smoke", "+data=rfcx"], "+data=rfcx: write data=rfcx, without a plus"),
    ],
)
def test_what_asks_for_an_experiment_or_a_group_in_the_wrong_way_is_told_the_right_one(arguments, message, tmp_path):
    assert_one_sentence(run(*arguments, f"runs_dir={tmp_path}"), message)


def test_runs_from_another_folder(tmp_path):
    """The package is found there if it is installed; its config is its own, and results go where the user stands."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(
        command("+experiment=smoke", "features.hop_length=0"),
        **{"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 100},
    )
    assert_one_sentence(finished, "features.hop_length=0: must be above 0.")
    assert (tmp_path / "runs" / "studies" / "smoke").is_dir()


def test_hydra_s_own_words_are_there_for_who_asks(tmp_path):
    environment = {**os.environ, "HYDRA_FULL_ERROR": "1"}
    arguments = command("+experiment=smoke", f"runs_dir={tmp_path}", "training.epochz=3")
    finished = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    assert finished.returncode == 1
    assert "ConfigCompositionException" in finished.stderr


@pytest.mark.parametrize("sound", [True, False])
def test_audit_trains_nothing_and_does_without_sound(sound, rfcx_folder, tmp_path):
    root, runs = rfcx_folder(recordings=12, rate=32000), tmp_path / "runs"
    if not sound:
        shutil.rmtree(root / "train")
    finished = run("+experiment=audit", "data=rfcx", f"data.root={root}", f"runs_dir={runs}", "engine=inline")
    assert finished.returncode == 0, finished.stderr
    assert ("takes the tables alone" in finished.stdout) != sound
    [path] = runs.glob("studies/audit/*/audit.json")
    assert str(path) in finished.stdout
    document = json.loads(path.read_text())
    assert f"Audit: {document['status']}" in finished.stdout
    assert (document["signals"][3]["status"] == "amber") != sound
    assert not (runs / "fits").exists()
    assert not list(runs.glob("mlflow*"))


@pytest.mark.keras
def test_smoke_runs_to_a_verdict_and_again_from_the_store(tmp_path):
    arguments = ("+experiment=smoke", f"runs_dir={tmp_path}")
    first = run(*arguments)
    assert first.returncode == 0, first.stderr
    document = only_verdict(tmp_path)
    assert document["answer"] in first.stdout
    assert [rung["repeats"] for rung in document["rungs"]] == [2, 2, 2]
    test = document["test"]
    assert test["rung"] == document["recommended"]["rung"]
    assert test["loss"][0] > 0
    assert 1 <= test["model"]["epoch"] <= 10
    [kept] = tmp_path.glob("artifacts/smoke/*/artifacts/model/best.keras")
    assert zipfile.is_zipfile(kept)
    assert not list(tmp_path.rglob("*.pkl"))
    assert "Traceback" not in first.stderr
    assert "cuda" not in first.stderr.lower()
    again = run(*arguments)
    assert "all 6 are there from earlier runs" in again.stdout
    assert document["answer"] in again.stdout


@pytest.mark.keras
def test_killed_while_training_is_resumed(tmp_path):
    """SIGKILL to driver and workers while real fits are under way: the rerun gives the undisturbed verdict."""
    size = ("+experiment=smoke", "ladder.only=[LSTM 8, LSTM 32]")
    killed = tmp_path / "killed"
    arguments = command(*size, f"runs_dir={killed}")
    driver = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 200
    while not list(killed.glob("fits/*/fit.json")):
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.1)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert not list(killed.glob("studies/*/*/verdict.json"))
    rerun = run(*size, f"runs_dir={killed}")
    assert rerun.returncode == 0, rerun.stderr
    assert "from earlier runs" in rerun.stdout
    undisturbed = run(*size, f"runs_dir={tmp_path / 'undisturbed'}")
    assert undisturbed.returncode == 0, undisturbed.stderr
    found, expected = only_verdict(killed), only_verdict(tmp_path / "undisturbed")
    found["data"]["root"] = expected["data"]["root"] = None
    assert found == expected
    assert found["recommended"]["rung"] is not None
    curves = [
        next(folder.glob("studies/*/*/curves.csv.gz")).read_bytes() for folder in (killed, tmp_path / "undisturbed")
    ]
    assert curves[0] == curves[1]
