"""Damaged input, by the hundred: it ends in one sentence before training, or no row is lost without a word.

`pytest tests/mutations -s` prints how many inputs were tried, and how they ended.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, settings

from rfcx_lab.config import DataConfig, FeatureConfig, SplitConfig, WindowConfig
from rfcx_lab.data.clips import load_clips, reject_rows
from rfcx_lab.data.splits import make_splits
from rfcx_lab.features.cache import ensure_windows, locate_windows
from rfcx_lab.features.segments import too_short

RECORDINGS, ROWS, RATE = 10, 30, 8000
SPLIT = SplitConfig(group="recording_id", test_fraction=0.25, validation_fraction=0.25)
WINDOW = WindowConfig(kind="fixed", seconds=0.5)
FEATURES = FeatureConfig(kind="mfcc", sample_rate=RATE, n_fft=256, hop_length=512, n_mels=16, n_mfcc=8)
COLUMNS = ["recording_id", "species_id", "songtype_id", "t_min", "f_min", "t_max", "f_max"]


def examples(count: int):
    """So many inputs, the same ones in every run."""
    return settings(
        max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )


def assert_sentence(error: str, *names: str) -> None:
    assert "\n" not in error
    assert 10 < len(error) < 400, error
    assert error.endswith("."), error
    assert any(name in error for name in names), error


def tell(kind: str, outcomes: Counter) -> None:
    """What the README says; a mutation that never does harm would test nothing, and one that always does neither."""
    print(f"\n{kind}: {sum(outcomes.values())} inputs, {dict(outcomes)}")
    assert min(outcomes.values()) > sum(outcomes.values()) / 50  # which inputs are drawn depends on what is imported


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("healthy")
    (root / "train").mkdir()
    rng = np.random.default_rng(0)
    lines = [",".join(COLUMNS)]
    for i in range(RECORDINGS):
        sf.write(root / "train" / f"rec{i}.flac", rng.normal(0, 0.1, 2 * RATE), RATE, subtype="PCM_16")
        for j in range(3):
            start = 0.1 + 0.6 * j
            lines.append(f"rec{i},{(i + j) % 3},1,{start:.2f},100.0,{start + 0.5:.2f},3000.0")
    (root / "train_tp.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def damaged(healthy, tmp_path):
    """Makes a fresh copy of the healthy folder, always in the same place."""

    def make() -> Path:
        root = tmp_path / "d"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(healthy, root)
        return root

    return make


def prepare(root: Path, *, features_too: bool, **options):
    """What comes before training: the clips that are left, and their windows."""
    config = DataConfig(kind="rfcx", **options)
    clips = load_clips(root, config, seed=0)
    clips = reject_rows(clips, too_short(clips, WINDOW), config=config, seed=0)
    split(clips)
    if not features_too:
        return clips, locate_windows(clips, window=WINDOW, features=FEATURES, under=root / "cache")
    store, unreadable = ensure_windows(clips, window=WINDOW, features=FEATURES, under=root / "cache")
    clips = reject_rows(clips, unreadable, config=config, seed=0)
    split(clips)
    return clips, store


def split(clips) -> None:
    names, groups = clips.species_names, clips.groups("recording_id")
    for part in make_splits(clips.labels, groups, config=SPLIT, repeats=2, seed=0, species_names=names):
        assert len(part.train) + len(part.validation) + len(part.test) == len(clips.table)
