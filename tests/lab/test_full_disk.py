"""Out of disk: a study stops with a sentence, and goes on once there is room."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.lab.ladder import climb_ladder
from tests import fakes
from tests.lab.driver import EPOCHS, REPEATS, SIZE, done, said, start_driver
from tests.lab.interrupted import FITS, MARKS, assert_as_if_undisturbed, document_of, uri_of
from tests.lab.outcome import assert_view_is_whole, without_root


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[[int], Path]]:
    """Called with a number of bytes, gives a file system of that size; called again, makes it larger."""
    place = tmp_path / "disk"
    place.mkdir()

    def resize(size: int) -> Path:
        options = f"size={size}" + (",remount" if place.is_mount() else "")
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True
        )
        if mounted.returncode:
            pytest.skip("a tmpfs can't be mounted here")
        return place

    yield resize
    if place.is_mount():
        subprocess.run(["umount", "--lazy", place], check=True)


def test_full_disk_stops_with_a_sentence_and_space_lets_it_go_on(undisturbed, small_disk, tmp_path):
    """Too little space in one stage after another, then a little more, until it is enough."""
    log, size, stopped = tmp_path / "runs", undisturbed.soundscapes - (128 << 10), []
    runs = small_disk(size) / "runs"
    for _ in range(60):
        driver = start_driver(runs, log=log)
        driver.join(120)
        text = said(log)
        assert "Traceback" not in text
        if driver.exitcode == 0 and "MLflow:" not in text:
            break
        if driver.exitcode:
            assert driver.exitcode == 1
            sentence = r"No space is left on the disk of \S+ \(0\.\d MB free.*\): make room, and the same command"
            assert re.search(sentence, text)
            stopped.append(last_stage(log))
        else:  # the verdict is there; only MLflow lacks what did not go in
            assert "MLflow: no space is left on its disk. Results are kept" in text
            assert document_of(runs) == undisturbed.document
        size += (256 if "features/" in stopped else 64) << 10  # features take up little, every stage after them more
        small_disk(size)
    assert driver.exitcode == 0
    assert {"soundscapes/", "features/", "sql DROP TABLE", "studies/out"} <= set(stopped), stopped
    assert_as_if_undisturbed(runs, undisturbed)


def last_stage(log: Path) -> str:
    """The stage in which the latest driver ended."""
    events = done(log)
    return [mark for mark in MARKS if any(mark in event for event in events)][-1]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_full_disk_under_a_fit_is_no_failed_fit(engine, undisturbed, small_disk, toy_config, tmp_path, monkeypatch):
    runs = small_disk(16 << 20) / "runs"
    ballast = runs.parent / "ballast"
    monkeypatch.setenv(fakes.BALLAST, str(ballast))
    config = toy_config(*SIZE, f"engine={engine}", f"runs_dir={runs}")
    with pytest.raises(LabError, match=rf"No space is left on the disk of {runs} \(0\.0 MB free\): make room, and"):
        climb_ladder(config, tmp_path / "out", fit=fakes.fit_that_fills_the_disk)
    finished = {path: path.read_bytes() for path in runs.glob("fits/[!.]*/fit.json")}
    assert 0 < len(finished) < FITS
    ballast.unlink()
    document = climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit).document
    assert without_root({**document, "test": undisturbed.document["test"]}) == undisturbed.document
    assert all(path.read_bytes() == record for path, record in finished.items())
    assert_view_is_whole(uri_of(runs), repeats=REPEATS, epochs=EPOCHS)
