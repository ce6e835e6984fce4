"""The synthetic rainforest: its layout, its promises about noise, and what its boxes give away."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from rfcx_lab.config import SoundscapeData
from rfcx_lab.data import soundscape
from rfcx_lab.data.calls import SPECIES, TOP, synthesise, top_frequency
from rfcx_lab.data.scene import PlannedCall, band_power, plan_recording, render_scene
from rfcx_lab.data.soundscape import COLUMNS, ensure_soundscape
from rfcx_lab.errors import LabError

SMALL = SoundscapeData(
    kind="soundscape",
    recordings=3,
    seconds=10.0,
    calls_per_recording=3,
    sample_rate=24_000,
    species=24,
    snr_db=[-3.0, 15.0],
    seed=0,
    templated_boxes=False,
)
BOX = ["recording_id", "t_min", "f_min", "t_max", "f_max"]
FULL = replace(SMALL, recordings=200, seconds=60.0, calls_per_recording=10)


def table(directory: Path) -> pd.DataFrame:
    return pd.read_csv(directory / "train_tp.csv")


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((directory / "train").iterdir())}


def plans(config: SoundscapeData) -> list[list[PlannedCall]]:
    return [plan_recording(config, index) for index in range(config.recordings)]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_soundscape(SMALL, under=tmp_path_factory.mktemp("soundscapes"))


def test_layout_is_that_of_rfcx(generated: Path) -> None:
    rows = table(generated)
    assert list(rows.columns) == COLUMNS
    assert len(rows) == 9
    assert rows["recording_id"].nunique() == 3
    assert rows["recording_id"].str.fullmatch("[0-9a-f]{9}").all()
    for name in rows["recording_id"].unique():
        info = soundfile.info(generated / "train" / f"{name}.flac")
        assert (info.channels, info.subtype, info.samplerate, info.frames) == (1, "PCM_16", 24_000, 240_000)
    species = pd.read_csv(generated / "species.csv")
    assert species["species_id"].tolist() == list(range(24))
    assert species["name"].nunique() == 24


def test_boxes_lie_inside_the_recording(generated: Path) -> None:
    rows = table(generated)
    for low, high, limit in (("t_min", "t_max", 10.0), ("f_min", "f_max", 12_000)):
        assert (rows[low] >= 0).all()
        assert (rows[low] < rows[high]).all()
        assert (rows[high] <= limit).all()


def test_same_seed_same_bytes_other_seed_other_sound(generated: Path, tmp_path: Path) -> None:
    again = ensure_soundscape(SMALL, under=tmp_path)
    assert again.name == generated.name
    assert contents(again) == contents(generated)
    pd.testing.assert_frame_equal(table(again), table(generated))
    other = ensure_soundscape(replace(SMALL, seed=1), under=tmp_path)
    assert other != again
    assert not set(contents(other)) & set(contents(again))


def test_more_recordings_begin_with_the_same_ones(generated: Path, tmp_path: Path) -> None:
    more = ensure_soundscape(replace(SMALL, recordings=4), under=tmp_path)
    assert contents(generated).items() <= contents(more).items()
    pd.testing.assert_frame_equal(table(more).head(9), table(generated))


def test_a_complete_soundscape_is_reused(generated: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in generated.rglob("*")}
    assert ensure_soundscape(SMALL, under=generated.parent) == generated
    assert {path: path.stat().st_mtime_ns for path in generated.rglob("*")} == before


def test_leftovers_of_a_killed_generation_are_replaced(
    generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(soundscape, "_rows", die)
        with pytest.raises(KeyboardInterrupt):
            ensure_soundscape(SMALL, under=tmp_path)
    assert not (tmp_path / generated.name).exists()
    half_copied = tmp_path / generated.name / "train"
    half_copied.mkdir(parents=True)
    (half_copied / "000000000.flac").touch()

    directory = ensure_soundscape(SMALL, under=tmp_path)
    assert contents(directory) == contents(generated)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == [directory]


def test_call_stands_out_in_its_box(tmp_path: Path) -> None:
    config = replace(SMALL, recordings=4, snr_db=[20.0, 20.0])
    directory = ensure_soundscape(config, under=tmp_path)
    gains = []
    for name, t_min, f_min, t_max, f_max in table(directory)[BOX].itertuples(index=False):
        samples, rate = soundfile.read(directory / "train" / f"{name}.flac", dtype="float32")
        first, last = round(t_min * rate), round(t_max * rate)
        outside = np.concatenate([samples[: max(first, 1)], samples[last:]])
        inside_power = band_power(samples[first:last], (f_min, f_max), rate)
        gains.append(10 * np.log10(inside_power / band_power(outside, (f_min, f_max), rate)))
    assert np.median(gains) > 6
    assert np.mean(np.array(gains) > 0) > 0.7  # the rest: a louder neighbour in the same band


@pytest.mark.parametrize("snr_db", [-10.0, 12.0])
def test_snr_is_kept_in_the_box_band_over_the_call(snr_db: float) -> None:
    config = replace(SMALL, snr_db=[snr_db, snr_db])
    scene = render_scene(config, 0)
    for call, band in zip(scene.plan, scene.bands, strict=True):
        first = round(call.start * config.sample_rate)
        span = slice(first, first + round(call.seconds * config.sample_rate))
        powers = [band_power(layer[span], band, config.sample_rate) for layer in (scene.calls, scene.background)]
        assert 10 * np.log10(powers[0] / powers[1]) == pytest.approx(snr_db, abs=0.1)


def test_calls_are_varied_but_stay_below_the_filter_edge() -> None:
    rng = np.random.default_rng(0)
    for species in SPECIES:
        assert top_frequency(species.song) < TOP * 24_000
        first, second = (synthesise(species.song, rng, seconds=1.0, sample_rate=24_000) for _ in range(2))
        assert first.shape == second.shape == (24_000,)
        assert np.mean(first**2) == pytest.approx(1.0, rel=1e-3)
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.9
        assert band_power(first, (TOP * 24_000, 12_000), 24_000) < 0.01


def box_length_accuracy(config: SoundscapeData) -> float:
    rows = [(index, call) for index, plan in enumerate(plans(config)) for call in plan]
    lengths = np.array([[call.t_max - call.t_min] for _, call in rows])
    species = np.array([call.species_id for _, call in rows])
    groups = np.array([index for index, _ in rows])
    nearest = KNeighborsClassifier(1)
    predicted = cross_val_predict(nearest, lengths, species, groups=groups, cv=GroupKFold(5))
    return float(np.mean(predicted == species))


def test_box_length_tells_nothing_about_the_species() -> None:
    assert box_length_accuracy(FULL) < 1 / 24 + 3 * np.sqrt(1 / 24 / 2000)
    calls = [call for plan in plans(FULL) for call in plan]
    seconds = pd.Series([call.seconds for call in calls]).groupby([call.species_id for call in calls]).mean()
    assert seconds.std() < 0.05


def test_templated_boxes_give_the_species_away() -> None:
    config = replace(FULL, templated_boxes=True)
    assert box_length_accuracy(config) > 0.99
    lengths = [call.t_max - call.t_min for plan in plans(config) for call in plan]
    assert 0.25 < min(lengths) < 0.4
    assert 7 < max(lengths) < 8
    steps = np.array(lengths) * 48_000 / 512
    assert np.abs(steps - steps.round()).max() < 0.02


@pytest.mark.parametrize("templated", [False, True])
def test_plans_are_balanced_in_order_and_free_of_overlap(templated: bool) -> None:
    config = replace(FULL, templated_boxes=templated)
    counts = np.bincount([call.species_id for plan in plans(config) for call in plan], minlength=24)
    assert counts.max() - counts.min() <= 1
    for plan in plans(config):
        assert plan[0].t_min >= 0
        assert plan[-1].t_max <= config.seconds
        assert all(left.t_max <= right.t_min for left, right in pairwise(plan))
        assert all(call.t_min <= call.start + 1e-4 for call in plan)
        assert all(call.start + call.seconds <= call.t_max + 1e-4 for call in plan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"species": 1}, "data.species is 1; choose 2 to 24"),
        ({"species": 25}, "data.species is 25; choose 2 to 24"),
        ({"recordings": 0}, "data.recordings is 0; choose 1 or more"),
        ({"seed": -1}, "data.seed is -1; choose 0 or more"),
        ({"snr_db": [5.0, -5.0]}, "data.snr_db is .* lower one first"),
        ({"snr_db": [5.0]}, "data.snr_db is .* two numbers"),
        ({"calls_per_recording": 4}, "data.calls_per_recording=4 does not fit .* set data.seconds to 12"),
        ({"seconds": 8.0, "templated_boxes": True}, "does not fit into data.seconds=8"),
        ({"sample_rate": 16_000}, "data.sample_rate is 16000, too low .* choose [0-9]+ or more"),
    ],
)
def test_bad_settings_are_told_in_one_sentence(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(LabError, match=message):
        ensure_soundscape(replace(SMALL, **change), under=tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
