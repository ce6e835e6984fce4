"""A finished ladder, a finished sweep and a look at the same data, which means mischief: for pages to be opened on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rfcx_lab.lab import work
from rfcx_lab.lab.command import run
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.lab.sweep import run_sweep
from tests import fakes
from tests.conftest import compose_config
from tests.report.studies import OVERRIDES, SIZE, SPECIES, SWEEP, TOY


@pytest.fixture(scope="session")
def root(tmp_path_factory) -> Path:
    """The toy soundscape with names that are markup, and one row that can't be used."""
    runs = tmp_path_factory.mktemp("soundscape")
    root = prepare_study(compose_config(*TOY, *SIZE, f"runs_dir={runs}", "audit.only=true")).clips.root
    pd.DataFrame({"species_id": range(3), "name": SPECIES}).to_csv(root / "species.csv", index=False)
    table = pd.read_csv(root / "train_tp.csv")
    bad = table.iloc[[0]].assign(t_max=99.0)
    pd.concat([table, bad]).to_csv(root / "train_tp.csv", index=False)
    return root


@pytest.fixture(scope="session")
def study(root, tmp_path_factory) -> Path:
    """The folder of a finished ladder."""
    folder = tmp_path_factory.mktemp("study")
    overrides = [*OVERRIDES, f"data.root={root}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "load_model", lambda path: path.read_bytes())
        patch.setattr(work, "predict", fakes.fake_predict)
        config = compose_config(*overrides, f"runs_dir={folder / 'runs'}")
        climb_ladder(config, folder / "out", fit=fakes.fit_with_model, command=overrides)
    return folder / "out"


@pytest.fixture(scope="session")
def looked(root, study) -> Path:
    """The folder of a look at the same data; its features are there already."""
    overrides = ["+experiment=look", *OVERRIDES[1:], f"data.root={root}"]
    run(compose_config(*overrides, f"runs_dir={study.parent / 'runs'}"), study.parent / "look", command=overrides)
    return study.parent / "look"


@pytest.fixture(scope="session")
def swept(root, tmp_path_factory) -> Path:
    """The folder of a finished sweep, some of whose fits run out of memory; its `runs_dir` is `runs` beside it."""
    folder = tmp_path_factory.mktemp("sweep")
    overrides = [*SWEEP, f"data.root={root}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "load_model", lambda path: path.read_bytes())
        patch.setattr(work, "predict", fakes.fake_predict)
        config = compose_config(*overrides, f"runs_dir={folder / 'runs'}")
        run_sweep(config, folder / "out", fit=fakes.fit_with_frontier, command=overrides)
    return folder / "out"
