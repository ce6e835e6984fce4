"""`python -m rfcx_lab.verdict`: what it prints, and the status a CI job acts on."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rfcx_lab.verdict import find_onset, judge_ladder
from rfcx_lab.verdict.__main__ import main
from rfcx_lab.verdict.epochs import read_fit
from rfcx_lab.verdict.logs import read_log
from rfcx_lab.verdict.record import read_record
from tests.conftest import ROOT, real_data
from tests.verdict.test_chance import ARTICLE_TRAIN, ARTICLE_VAL
from tests.verdict.test_logs import LOGS

OVERFIT, PLATEAU = str(LOGS / "keras.csv"), str(LOGS / "keras_plenty.csv")
RECORD = str(ROOT / "experiments" / "ladder-soundscape" / "curves.csv.gz")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rfcx_lab.verdict", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def write(path: Path, **columns) -> str:
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(columns)
        out.writerows(zip(*columns.values(), strict=True))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([PLATEAU], 0, "does not overfit in 40 epochs."),
        ([OVERFIT], 3, "overfits, from about epoch 14 on."),
        ([PLATEAU, OVERFIT], 3, "1 of 2 fits overfit."),
    ],
)
def test_the_status_tells_a_ci_job(arguments, status, words):
    run = command(*arguments)
    assert (run.returncode, run.stderr) == (status, "")
    assert run.stdout.splitlines()[-1].endswith(words)


def test_what_can_t_be_said_is_status_4(tmp_path):
    short = write(tmp_path / "short.csv", loss=[2.0, 1.0], val_loss=[2.0, 1.0])
    run = command(PLATEAU, short)
    assert (run.returncode, run.stderr) == (4, "")
    assert "2 epochs are too few to judge: 10 are needed." in run.stdout
    assert run.stdout.splitlines()[-1] == "0 of 2 fits overfit; of 1 it can't be said."


def test_bad_data_is_status_1_and_bad_usage_2(tmp_path):
    run = command(str(tmp_path / "none.csv"))
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"{tmp_path / 'none.csv'} does not exist.\n"
    run = command("--mode", "mean", OVERFIT)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines()[-1].endswith("invalid choice: 'mean' (choose from 'min', 'max')")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [OVERFIT, "--by", "model"],
        [OVERFIT, "--tracking-uri", "sqlite:///x.db"],
        ["--group", OVERFIT],
        ["--group", "=x"],
        ["--group", f"a={OVERFIT}", "--group", f"a={PLATEAU}"],
        [OVERFIT, "--min-rise", "0"],
        [OVERFIT, "--min-rise", "x"],
        [RECORD, OVERFIT],
        [RECORD, "--plot", "x.png"],
        ["--group", f"a={RECORD}"],
        [OVERFIT, "--unknown"],
        [OVERFIT, "--chance", "nan"],
        [OVERFIT, "--classes", "1"],
        [OVERFIT, "--classes", "3", "--chance", "1.1"],
        [RECORD, "--classes", "24"],
    ],
)
def test_what_can_t_be_meant_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([OVERFIT, OVERFIT], "is named 2 times"),
        ([OVERFIT, "--group", f"a={OVERFIT}"], "is named 2 times"),
        ([str(LOGS / "nothing*.csv")], "No file matches"),
        ([OVERFIT, "--val", "val_los"], "has no column val_los (nearest: val_loss)"),
        ([OVERFIT, "--plot", "/proc/none/x.png"], "can't be written"),
        ([OVERFIT, "--plot", "x.words"], "x.words can't be written"),
        ([str(LOGS)], "is a folder"),
        ([OVERFIT, "--mode", "max", "--classes", "3"], "gives the chance of a log loss, and val_loss should rise"),
    ],
)
def test_what_can_t_be_done_is_one_sentence(arguments, sentence, capsys):
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sentence in err


CONSTANT, FALLING = [1.0] * 30, list(np.linspace(-1, -9, 30))


@pytest.mark.parametrize(
    ("columns", "verdict", "status"),
    [
        ({"loss": [1.0], "val_loss": [2.0]}, "undetermined", 4),
        ({"loss": CONSTANT, "val_loss": CONSTANT}, "not_learning", 4),
        ({"loss": ["nan"] * 30, "val_loss": ["nan"] * 30}, "undetermined", 4),
        ({"loss": FALLING, "val_loss": [*FALLING[:-1], "inf"]}, "undetermined", 4),
        ({"loss": FALLING, "val_loss": ["-inf"] * 30}, "undetermined", 4),
        ({"loss": [1e308, -1e308] * 15, "val_loss": [1e308, -1e308] * 15}, None, 4),
        ({"loss": FALLING, "val_loss": FALLING}, "still_improving", 0),
        ({"loss": FALLING, "val_loss": list(np.abs(np.linspace(-1, 2, 30)) - 5)}, "overfit", 3),
    ],
)
def test_strange_curves_have_a_status(columns, verdict, status, tmp_path, capsys):
    assert main([write(tmp_path / "log.csv", **columns), "--json"]) == status
    out, err = capsys.readouterr()
    document = json.loads(out, parse_constant=pytest.fail)
    assert (document["exit_status"], err) == (status, "")
    assert verdict in (None, document["fits"][0]["status"])


def test_groups_have_a_row_each(tmp_path, capsys):
    pattern = str(LOGS / "keras_[2p]*.csv")
    assert main([OVERFIT, "--group", f"ours={pattern}", "--group", f"theirs={LOGS / 'lightning.csv'}", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    groups = {group["name"]: group for group in document["groups"]}
    assert {name: group["fits"] for name, group in groups.items()} == {"files": 1, "ours": 2, "theirs": 1}
    assert groups["ours"]["overfit_share"][0] == 0.5
    assert main([OVERFIT, str(LOGS / "keras_2.csv"), "--plot", str(tmp_path / "x.svg")]) == 3
    assert (tmp_path / "x.svg").read_text().count("<path") > 20
    out = capsys.readouterr().out
    assert "100% [16%, 100%]" in out
    assert "14.5 […, …]" in out


def test_columns_and_direction_can_be_told(capsys):
    main([OVERFIT, "--val", "val_mae", "--json"])
    fit = json.loads(capsys.readouterr().out)["fits"][0]
    read = read_fit(read_log(LOGS / "keras.csv"), val="val_mae")
    assert (fit["train"], fit["val"], fit["mode"]) == ("mae", "val_mae", "min")
    assert fit["onset_epoch"] == find_onset(read.train, read.val).onset_epoch
    assert main([OVERFIT, "--mode", "max"]) == 0
    assert main([OVERFIT, "--min-rise", "0.9"]) == 0


def test_what_never_left_chance_has_learnt_nothing(tmp_path, capsys):
    log = write(tmp_path / "log.csv", loss=ARTICLE_TRAIN, val_loss=ARTICLE_VAL)
    for options, status in (([], 3), (["--classes", "24"], 4), (["--chance", "3.178"], 4), (["--classes", "25"], 3)):
        assert main([log, *options, "--json"]) == status
        fit = json.loads(capsys.readouterr().out)["fits"][0]
        assert fit["status"] == ("overfit" if status == 3 else "not_learning")
    assert main([log, "--classes", "24"]) == 4
    out = capsys.readouterr().out
    assert "Validation was never credibly better than a constant guess, 3.178: nothing was learnt." in out
    assert out.splitlines()[-1].endswith("overfits can't be said: not learning.")


def test_a_recorded_ladder_is_judged_as_one(capsys):
    assert main([RECORD, "--json"]) == 0
    record = read_record(Path(RECORD))
    expected = judge_ladder(record.curves, order=record.order, validation_fraction=record.validation_fraction)
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(expected.to_dict()))


def test_labelled_histories_are_read():
    for label, status in (("overfit", 3), ("non_overfit", 0)):
        path = sorted((real_data("histories") / label).rglob("*.json"))[0]
        assert main([str(path)]) == status


@pytest.mark.parametrize("arguments", [["--help"], [OVERFIT, PLATEAU]])
def test_no_framework_is_imported(arguments):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['verdict', *{arguments!r}]\n"
        "try: runpy.run_module('rfcx_lab.verdict', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split("LOADED")[1].split())
    assert "rfcx_lab" in loaded
    assert not loaded & {"tensorflow", "keras", "librosa", "mlflow", "matplotlib", "pandas", "hydra", "distributed"}
