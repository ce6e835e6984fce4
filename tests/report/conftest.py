"""A finished ladder, a finished sweep and a look at the same data, which means mischief: for pages to be opened on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser

from rfcx_lab.lab.command import run
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.lab.sweep import run_sweep
from tests import fakes
from tests.conftest import compose_config
from tests.report.browser import open_browser
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
    return finish(climb_ladder, [*OVERRIDES, f"data.root={root}"], tmp_path_factory, fit=fakes.fit_with_model)


@pytest.fixture(scope="session")
def swept(root, tmp_path_factory) -> Path:
    """The folder of a finished sweep, some of whose fits run out of memory; its `runs_dir` is `runs` beside it."""
    return finish(run_sweep, [*SWEEP, f"data.root={root}"], tmp_path_factory, fit=fakes.fit_with_frontier)


def finish(run_study: Callable, overrides: list[str], tmp_path_factory, *, fit: Callable) -> Path:
    folder = tmp_path_factory.mktemp(run_study.__name__)
    with pytest.MonkeyPatch.context() as patch:
        fakes.predict_by_fakes(patch)
        run_study(compose_config(*overrides, f"runs_dir={folder / 'runs'}"), folder / "out", fit=fit, command=overrides)
    return folder / "out"


@pytest.fixture(scope="session")
def looked(root, study) -> Path:
    """The folder of a look at the same data; its features are there already."""
    overrides = ["+experiment=look", *OVERRIDES[1:], f"data.root={root}"]
    run(compose_config(*overrides, f"runs_dir={study.parent / 'runs'}"), study.parent / "look", command=overrides)
    return study.parent / "look"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of one module: while it is open, no other event loop runs in this process."""
    with open_browser() as browser:
        yield browser
