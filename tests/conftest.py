from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rfcx_lab.config import Config, register_schemas
from rfcx_lab.model.backend import prepare_process

ROOT = Path(__file__).parents[1]

TOY = (
    "+experiment=smoke",
    "data.recordings=10",
    "data.seconds=12.0",
    "data.calls_per_recording=4",
    "data.species=3",
    "data.sample_rate=22050",
    "features.sample_rate=22050",
)
"""The smoke experiment, smaller still."""

LONGEST = (
    "lab/test_full_disk", "test_smoke", "lab/test_servers", "lab/test_stopped", "lab/test_remote", "lab/test_killed",
    "mutations/test_overrides", "experiments/test_records", "benchmarks/test_scripts",
)  # fmt: skip
"""Files that take minutes: begun first, so that none is left to one of two processes at the end."""

prepare_process()  # before any test imports Keras
os.environ.setdefault("MPLBACKEND", "agg")
register_schemas()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {ROOT / "tests" / f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))  # stable


def compose_config(*overrides: str) -> Config:
    """The config that a command line with `overrides` would run."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = OmegaConf.to_object(compose("config", overrides=list(overrides)))
    assert isinstance(config, Config)
    return config


@pytest.fixture
def toy_config(tmp_path: Path) -> Callable[..., Config]:
    """The smoke experiment, in this process and in a folder of the test's own; further overrides as arguments."""

    def make(*overrides: str) -> Config:
        return compose_config(*TOY, "engine=inline", f"runs_dir={tmp_path / 'runs'}", *overrides)

    return make


@pytest.fixture
def rfcx_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder in the RFCX layout: `recordings` of noise, four rows each, over `species`."""

    def make(
        *, recordings: int = 6, seconds: float = 6.0, rate: int = 8000, species: int = 2, name: str = "data"
    ) -> Path:
        root = tmp_path / name
        (root / "train").mkdir(parents=True)
        rng = np.random.default_rng(0)
        rows = []
        for i in range(recordings):
            samples = rng.normal(0, 0.1, int(seconds * rate))
            sf.write(root / "train" / f"rec{i}.flac", samples, rate, subtype="PCM_16")
            for j in range(4):
                start = 0.2 + j * (seconds - 1.5) / 4
                rows.append((f"rec{i}", (i + j) % species, 1, start, 100.0, start + 1.0, 3000.0))
        columns = ["recording_id", "species_id", "songtype_id", "t_min", "f_min", "t_max", "f_max"]
        pd.DataFrame(rows, columns=columns).to_csv(root / "train_tp.csv", index=False)
        return root

    return make


def real_data(name: str) -> Path:
    """A folder of the data named by RFCX_LAB_DATA; the test that asks is skipped where there is none."""
    folder = Path(os.environ.get("RFCX_LAB_DATA", "")) / name
    if "RFCX_LAB_DATA" not in os.environ or not folder.is_dir():
        pytest.skip(f"RFCX_LAB_DATA names no folder with {name}")
    return folder
