"""The command as a user types it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from rfcx_lab.config import Config
from rfcx_lab.lab.answer import check_answer
from rfcx_lab.lab.study import check_config
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
    ],
)
def test_bad_input_is_one_sentence(arguments, message, tmp_path):
    finished = run("+experiment=smoke", f"runs_dir={tmp_path}", "engine=inline", *arguments)
    assert finished.returncode == 1
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


def test_help_names_every_option_and_marks_the_defaults():
    text = run("--help").stdout
    options = list((ROOT / "conf").glob("*/*.yaml"))
    assert len(options) > 10
    defaults = {f"{group}/{name}" for group, name in compose_choices().items()}
    for path in options:
        mark = "*" if f"{path.parent.name}/{path.stem}" in defaults else ""
        [line] = re.findall(rf"^  {re.escape(path.stem + mark)} .*$", section(text, path.parent.name), re.MULTILINE)
        assert line.split(maxsplit=1)[1].endswith((".", "?", "!", ":")), line


def section(text: str, group: str) -> str:
    return re.split(rf"^\+?{group}=$", text, flags=re.MULTILINE)[1].split("=\n")[0]


def compose_choices() -> dict[str, str]:
    """The option that each group has when nothing is said."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        choices = compose("config", return_hydra_config=True).hydra.runtime.choices
    return {group: option for group, option in choices.items() if not group.startswith("hydra/")}


def test_help_beside_other_arguments_shows_what_they_compose():
    assert "epochs: 7" in run("+experiment=smoke", "training.epochs=7", "--help").stdout


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
    while not list(killed.glob("fits/[!.]*/fit.json")):  # a folder with a dot is still being written
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
