from __future__ import annotations

import os
import re
import subprocess
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from rfcx_lab.engine.estimate import Cost, check_disk, describe_plan, fits_bytes, fits_seconds
from rfcx_lab.errors import LabError
from rfcx_lab.lab.checks import plan_of
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


def test_a_rung_is_traced_once_per_process(planted):
    """As `model.compiled` keeps it: a second fit of a rung costs less than its first, in each process anew."""
    study = prepare_study(planted({}, "ladder.repeats=4"))
    of_one = [spec for spec in study.fits if spec.rung.name == "LSTM 32"]
    cost = [fits_seconds(of_one[:count], shape=study.input_shape, processes=1) for count in range(1, 5)]
    assert cost[0] > cost[1] - cost[0] == pytest.approx(cost[2] - cost[1]) == pytest.approx(cost[3] - cost[2])
    trace = cost[0] - (cost[1] - cost[0])
    for processes, traces in ((2, 2), (4, 4), (9, 4)):
        more = fits_seconds(of_one, shape=study.input_shape, processes=processes)
        assert more - cost[3] == pytest.approx((traces - 1) * trace)
    three_rungs = fits_seconds(study.fits[:3], shape=study.input_shape, processes=1)
    assert three_rungs > 3 * trace


def test_models_that_are_not_kept_are_traced_for_every_fit(planted):
    study = prepare_study(planted({}, "ladder.repeats=2"))
    spec, widths = study.fits[0], range(1, 14)
    many = [replace(spec, rung=replace(spec.rung, lstm=[width])) for width in widths]
    once, twice = (fits_seconds(many * times, shape=study.input_shape, processes=1) for times in (1, 2))
    assert twice == pytest.approx(2 * once)
    kept = [fits_seconds(many[1:] * times, shape=study.input_shape, processes=1) for times in (1, 2)]
    assert kept[1] < 2 * kept[0] - 5


def test_a_plan_tells_the_least_and_the_most(planted):
    config = planted({}, "ladder.repeats={min:4,max:12}")
    study, cost = prepare_study(config), Cost((32, 40), config.engine, workers=1)
    missing = [study.up_to(look.repeats).fits for look in plan_of(config)]
    text = describe_plan(missing, study.fits, cost=cost)
    assert re.fullmatch(
        r"Fits: at least 12, about .* on 1 worker\(s\), \d+ MB of disk; "
        r"at most 36 of 36, about .* on 1 worker\(s\), \d+ MB of disk\.",
        text,
    )
    assert cost.seconds(missing[0]) < cost.seconds(missing[1]) < cost.seconds(missing[2])
    there = describe_plan([[], missing[1][12:], missing[2][12:]], study.fits, cost=cost)
    assert there.startswith("Fits: those of the first look are there; at most 24 of 36 (12 are there from earlier")
    assert describe_plan([[]], study.fits, cost=cost) == "Fits: all 36 are there from earlier runs."
    assert describe_plan([study.fits], study.fits, cost=cost).startswith("Fits: 36 of 36 to do, about ")
