"""A sweep's driver that is killed, whose trials lie in a file."""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.lab.driver import Moment, done, said, start_driver
from tests.lab.outcome import runs_of
from tests.lab.sweeps import EPOCHS, REPEATS, SIZE, trials_of

KILLED = (*SIZE, "sweep.n_trials=6", "sweep.confidence=0.999")


def finish(runs: Path, *overrides: str) -> None:
    """Run a driver to its end."""
    driver = start_driver(runs, *KILLED, *overrides)
    driver.join(120)
    assert driver.exitcode == 0, said(runs)


@pytest.mark.parametrize(("sampler", "epochs"), [("frontier", EPOCHS), ("tpe", 30)])
def test_sigkill_at_any_moment(sampler, epochs, prepared, tmp_path):
    """Nothing stays running, every trial counts once, and all come out as if nothing had happened."""
    near = ("ladder.margin=0.01", "sweep.settled.clearance=0.01")  # of 30 epochs, some fits need not all
    chosen = (f"sweep.sampler={sampler}", f"training.epochs={epochs}", "sweep.end_settled=true", *near)
    for name in ("whole", "runs"):
        shutil.copytree(prepared, tmp_path / name)
    finish(tmp_path / "whole", *chosen)
    expected = trials_of(f"{tmp_path}/whole/optuna/smoke.log")
    assert len(expected) == 6
    events, dice, killed = done(tmp_path / "whole"), random.Random(sampler), 0
    begin = next(i for i, event in enumerate(events) if "optuna/" in event)
    end = next(i for i, event in enumerate(events) if "studies/" in event)
    runs = tmp_path / "runs"
    for _ in range(5):
        moment = Moment("optuna/", dice.randrange(end - begin) // 3)  # what is done already is not done again
        driver = start_driver(runs, *KILLED, *chosen, kill_at=moment)
        driver.join(120)
        assert driver.exitcode in (0, -signal.SIGKILL), said(runs)
        killed += driver.exitcode != 0
    assert killed >= 3
    finish(runs, *chosen)
    assert trials_of(f"{runs}/optuna/smoke.log") == expected
    found = [json.loads((tmp_path / name / "studies/out/frontier.json").read_text()) for name in ("whole", "runs")]
    for document in found:
        for trial in document["trials"]:
            del trial["mlflow_run"]
        del document["data"]["root"], document["search"]["storage"]
    assert found[0] == found[1]
    assert (found[0]["search"]["epochs"]["ended_early"] > 0) == (epochs == 30)
    levels = Counter(run.data.tags["level"] for run in runs_of(f"sqlite:///{runs}/mlflow.db"))
    assert levels == {"study": 1, "rung": 6, "fit": 6 * REPEATS}
