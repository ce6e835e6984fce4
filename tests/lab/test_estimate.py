from __future__ import annotations

import os
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.lab.estimate import check_disk, fits_bytes
from rfcx_lab.lab.study import prepare_study

Usage = namedtuple("Usage", "total used free")


def test_needs_are_compared_with_what_is_free(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(10**9, 0, 5_000_000))
    check_disk(tmp_path / "not" / "there", features=2_000_000, fits=3_000_000)
    with pytest.raises(LabError, match=r"needs about 5.0 MB of disk \(features 2.0, fits 3.0\) and 5.0 MB are free"):
        check_disk(tmp_path / "not" / "there", features=2_000_000, fits=3_000_001)


@pytest.mark.parametrize(("free", "message"), [(1_000_000, "soundscape 5.3"), (7_000_000, "features"), (10**9, None)])
def test_disk_too_small_is_said_before_anything_is_written(monkeypatch, toy_config, free, message):
    config = toy_config("window.seconds=10", "features.hop_length=64")
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(10**9, 0, free))
    if message is None:
        study = prepare_study(config)
        assert study.windows.path.is_dir()
        return
    with pytest.raises(LabError, match=message) as caught:
        prepare_study(config)
    assert str(caught.value).startswith(f"runs_dir={config.runs_dir}: ")
    assert not (Path(config.runs_dir) / "features").exists()


def test_finished_fits_need_no_disk(toy_config):
    study = prepare_study(toy_config())
    shape = study.input_shape
    weights = sum(rung.trainable_parameters for rung in study.rungs) * len(study.splits)
    assert 4 * weights < fits_bytes(study.fits, shape=shape) < 4 * weights + 200_000 * len(study.fits)
    assert fits_bytes([], shape=shape) == 0


def test_a_small_disk_for_real(toy_config, tmp_path):
    """A file system of 4 MB, where this machine lets us make one."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place)]
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0 or subprocess.run(command).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        with pytest.raises(LabError, match=r"needs about 5.3 MB of disk \(soundscape 5.3\) and 4.2 MB are free"):
            prepare_study(toy_config(f"runs_dir={place / 'runs'}"))
        assert not list(place.iterdir())
    finally:
        subprocess.run(["umount", str(place)], check=True)
