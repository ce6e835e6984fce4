"""The command as a user types it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from rfcx_lab.config import Config
from rfcx_lab.interrupt import STATUS, STOPPED, STOPPING
from rfcx_lab.lab.checks import check_config
from tests.commandline import assert_one_sentence, command, run
from tests.conftest import ROOT, compose_config

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
GROUPS = {group: sorted(p.stem for p in (ROOT / "conf" / group).glob("*.yaml")) for group in ("features", "window")}


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
        (["data.root=DIR"], "data.root: there is no such key with this data; it goes with data=rfcx or data=noise."),
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


@pytest.mark.parametrize("target", ["ladder", "look", "sweep"])
def test_make_hands_on_a_folder_whatever_its_name(target):
    folder = "my recordings (2024), part 1"
    asked = ["make", "-n", target, f"DATA={folder}"]
    shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    [line] = [line for line in shown.stdout.splitlines() if "-m rfcx_lab" in line]
    overrides = shlex.split(line)[3:]
    assert compose_config(*overrides).data.root == folder


@pytest.mark.parametrize("mode", ["run", "sweep"])
def test_output_folders_lie_under_runs_dir(mode, tmp_path):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        composed = compose("config", ["+experiment=smoke", f"runs_dir={tmp_path}"], return_hydra_config=True)
    folder = Path(composed.hydra[mode].dir)
    assert folder.parent == tmp_path / "studies" / "smoke"


@pytest.mark.parametrize("place", ["", "' '"])
def test_empty_runs_dir_is_refused_before_anything_is_written(place):
    before = sorted(Path("/").iterdir())
    assert_one_sentence(run("+experiment=smoke", f"runs_dir={place}"), "must be a folder; write runs_dir=.")
    assert sorted(Path("/").iterdir()) == before


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


@pytest.mark.parametrize(("library", "number"), [("hydra", signal.SIGINT), ("numpy", signal.SIGTERM)])
def test_stopped_while_libraries_are_still_loading(library, number, tmp_path):
    """The signal comes with the library's import: the first one of all, and one within the study."""
    code = (
        "import os, runpy, sys\n"
        "class Stopper:\n"
        "    def find_spec(name, path=None, target=None):\n"
        f"        if name == {library!r}: os.kill(os.getpid(), {number:d})\n"
        "sys.meta_path.insert(0, Stopper)\n"
        f"sys.argv = ['rfcx_lab', '+experiment=smoke', 'runs_dir={tmp_path}']\n"
        "runpy.run_module('rfcx_lab', run_name='__main__')\n"
    )
    stopped = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert (stopped.returncode, stopped.stderr.strip(), stopped.stdout) == (STATUS, STOPPED, "")


def test_a_stop_that_python_dropped_is_answered_at_the_end(tmp_path):
    code = (
        "import runpy, signal, sys\n"
        "from rfcx_lab.lab import command\n"
        "class Gone:\n    def __del__(self): signal.raise_signal(signal.SIGINT)\n"
        "command.run = lambda config, output, command=(): Gone() and None\n"
        f"sys.argv[1:] = ['+experiment=smoke', 'runs_dir={tmp_path}']\n"
        "runpy.run_module('rfcx_lab', run_name='__main__', alter_sys=True)\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    said = [line for line in finished.stderr.splitlines() if line]
    assert (said[0], said[-1], finished.returncode) == (STOPPING, STOPPED, STATUS)
    assert "Exception ignored" in finished.stderr


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


def test_help_names_every_option_and_marks_the_defaults():
    text = run("--help").stdout
    assert run().stdout == text  # who says nothing trains nothing
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
