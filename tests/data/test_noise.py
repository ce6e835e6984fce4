"""White noise under the boxes of a table: their lengths are kept, and nothing else tells a species."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from rfcx_lab.config import NoiseData
from rfcx_lab.data import noise
from rfcx_lab.data.noise import ensure_noise, noise_bytes
from rfcx_lab.errors import LabError
from tests.data.folders import edit_table, load

BOXES = (("a", 3, 50.0, 50.35), ("b", 1, 1.0, 8.92), ("a", 1, 2.0, 9.9), ("c", 3, 0.0, 0.36))


@pytest.fixture
def config(tmp_path: Path) -> NoiseData:
    root = tmp_path / "table"
    root.mkdir()
    rows = pd.DataFrame(BOXES, columns=["recording_id", "species_id", "t_min", "t_max"])
    rows.to_csv(root / "train_tp.csv", index=False)
    (root / "species.csv").write_text("species_id,name\n1,long one\n3,short one\n")
    return NoiseData(kind="noise", root=str(root), sample_rate=8000)


def test_every_row_keeps_its_species_and_the_length_of_its_box(config, tmp_path):
    clips = load(ensure_noise(config, under=tmp_path / "made"))
    assert clips.rejected.empty
    assert clips.species_names == ("long one", "short one")
    assert list(clips.table["recording_id"]) == [row[0] for row in BOXES]
    assert list(clips.table["species_id"]) == [row[1] for row in BOXES]
    lengths = clips.table["t_max"] - clips.table["t_min"]
    assert lengths.tolist() == pytest.approx([stop - start for _, _, start, stop in BOXES], abs=1e-9)


def test_no_two_windows_around_boxes_share_noise(config, tmp_path):
    clips = load(ensure_noise(config, under=tmp_path))
    for name, rows in clips.table.groupby("recording_id"):
        starts, ends = rows["t_min"] - config.around, rows["t_max"] + config.around
        assert (starts.to_numpy()[1:] >= ends.to_numpy()[:-1] - 1e-6).all()
        assert starts.min() == pytest.approx(0, abs=1e-6)
        assert ends.max() == pytest.approx(clips.recordings[name].seconds, abs=1e-3)


def test_it_is_white_and_alike_for_all(config, tmp_path):
    folder = ensure_noise(config, under=tmp_path)
    long, short = (soundfile.read(folder / "train" / f"{name}.flac")[0] for name in "ab")
    assert noise_bytes(replace(config, seed=1), under=tmp_path) == pytest.approx(
        2 * sum(map(len, (long, short, soundfile.read(folder / "train" / "c.flac")[0]))), abs=8
    )
    assert noise_bytes(config, under=tmp_path) == 0
    for samples in (long, short):
        assert samples.std() == pytest.approx(noise.LEVEL, rel=0.02)
        assert samples.mean() == pytest.approx(0, abs=0.002)
        power = np.abs(np.fft.rfft(samples)) ** 2
        quarters = [part.mean() for part in np.array_split(power[1:], 4)]
        assert max(quarters) / min(quarters) < 1.1
    count = min(len(long), len(short))
    assert abs(np.corrcoef(long[:count], short[:count])[0, 1]) < 0.02


def test_the_same_is_made_once_and_another_seed_is_another(config, tmp_path):
    folder = ensure_noise(config, under=tmp_path)
    written = (folder / "train" / "a.flac").stat().st_mtime_ns
    assert ensure_noise(config, under=tmp_path) == folder
    assert (folder / "train" / "a.flac").stat().st_mtime_ns == written
    other = ensure_noise(replace(config, seed=1), under=tmp_path)
    assert (other / "train" / "a.flac").read_bytes() != (folder / "train" / "a.flac").read_bytes()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("t_max", "0.5", r"train_tp.csv, line 3: t_max is not after t_min; data=noise takes the box of every row"),
        ("recording_id", "../b", r"line 3: recording_id is not a plain file name"),
        ("species_id", "owl", r"line 3: species_id is not a whole number"),
    ],
)
def test_a_row_that_gives_no_noise_is_named(config, tmp_path, column, value, message):
    edit_table(Path(config.root), lambda table: table.__setitem__(column, table[column].where(table.index != 1, value)))
    with pytest.raises(LabError, match=message):
        ensure_noise(config, under=tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("key", "value"), [("sample_rate", 0), ("sample_rate", 10**6), ("around", -0.1), ("seed", -1)])
def test_a_setting_out_of_its_range_is_named(config, tmp_path, key, value):
    with pytest.raises(LabError, match=f"data.{key}"):
        ensure_noise(replace(config, **{key: value}), under=tmp_path)
