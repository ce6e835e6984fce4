from __future__ import annotations

import librosa
import numpy as np
import pytest
import soundfile as sf

from rfcx_lab.config import DataConfig, WindowConfig
from rfcx_lab.data.clips import load_clips
from rfcx_lab.data.recordings import find_recording
from rfcx_lab.errors import LabError
from rfcx_lab.features.segments import Segment, plan_segments, read_segments, too_short

FIXED = WindowConfig(kind="fixed", seconds=2.0)


@pytest.fixture
def clips(rfcx_folder):
    return load_clips(rfcx_folder(), DataConfig(kind="rfcx"), seed=0)


def recording(folder, samples, rate, name="a", suffix=".wav"):
    sf.write(folder / f"{name}{suffix}", samples, rate, subtype="FLOAT" if suffix == ".wav" else "PCM_16")
    return find_recording(folder, name)


def test_fixed_window_is_centred_on_the_box_and_moved_inward(clips):
    segments = plan_segments(clips, FIXED)
    for segment, (t_min, t_max) in zip(segments, clips.table[["t_min", "t_max"]].to_numpy(), strict=True):
        assert segment.stop - segment.start == pytest.approx(2.0)
        assert segment.start >= 0
        assert segment.stop <= 6.0
        centre = np.clip((t_min + t_max) / 2, 1.0, 5.0)
        assert (segment.start + segment.stop) / 2 == pytest.approx(centre)


def test_crop_is_the_box(clips):
    segments = plan_segments(clips, WindowConfig(kind="crop", frames=10))
    bounds = np.array([(s.start, s.stop) for s in segments])
    np.testing.assert_allclose(bounds, clips.table[["t_min", "t_max"]].to_numpy())


def test_recording_shorter_than_the_window_is_named(clips):
    with pytest.raises(LabError, match=r"rec0.flac lasts 6.00 s, less than window.seconds=7"):
        plan_segments(clips, WindowConfig(kind="fixed", seconds=7.0))


@pytest.mark.parametrize(("native", "target"), [(48000, 28000), (16000, 32000), (44100, 32000), (8000, 8000)])
@pytest.mark.parametrize("start", [0.0, 1.2345, 3.0])
def test_equals_the_whole_file_resampled(tmp_path, native, target, start):
    samples = np.random.default_rng(0).normal(0, 0.1, native * 4).astype(np.float32)
    segment = Segment(recording(tmp_path, samples, native), start, start + 1.0)
    [found] = read_segments([segment], sample_rate=target)
    whole = librosa.resample(samples, orig_sr=native, target_sr=target, res_type="soxr_hq")
    first = int(start * target + 0.5)
    assert found.shape == (target,)
    np.testing.assert_allclose(found, whole[first : first + target], atol=2e-5)


@pytest.mark.parametrize("start", [0.0, 1.23451, 2.00009])
def test_cut_segment_is_a_slice_of_the_whole_file(tmp_path, start):
    """Both ends are rounded: where only the length were, a slice would now and then be a sample longer."""
    samples = np.random.default_rng(0).normal(0, 0.1, 48000 * 4).astype(np.float32)
    whole = librosa.resample(samples, orig_sr=48000, target_sr=28000, res_type="soxr_hq")
    here, lengths = recording(tmp_path, samples, 48000), set()
    for stop in start + 1 + np.arange(8) / 28000 / 3:
        [found] = read_segments([Segment(here, start, stop, cut=True)], sample_rate=28000)
        expected = whole[round(start * 28000) : round(stop * 28000)]
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=2e-5)
        lengths.add(len(found))
    assert len(lengths) > 2


def test_stereo_is_mixed_down(tmp_path):
    left = np.linspace(-0.5, 0.5, 8000, dtype=np.float32)
    stereo = recording(tmp_path, np.stack([left, np.zeros_like(left)], axis=1), 8000)
    [found] = read_segments([Segment(stereo, 0.25, 0.5)], sample_rate=8000)
    np.testing.assert_allclose(found, left[2000:4000] / 2, atol=1e-6)


def test_only_the_segment_is_read(tmp_path, monkeypatch):
    long = recording(tmp_path, np.zeros(60 * 8000, dtype=np.float32), 8000)
    read = []
    original = sf.SoundFile.read
    monkeypatch.setattr(sf.SoundFile, "read", lambda self, n, **k: read.append(n) or original(self, n, **k))
    read_segments([Segment(long, 30.0, 31.0)], sample_rate=8000)
    assert sum(read) < 1.2 * 8000


@pytest.mark.parametrize("damage", ["cut", "zeros"])
def test_what_is_damaged_is_told_and_the_rest_is_read(tmp_path, damage):
    noise = np.random.default_rng(0).normal(0, 0.1, 80000)
    whole = recording(tmp_path, noise, 8000, suffix=".flac")
    segments = [Segment(whole, start, start + 1.0) for start in (8.0, 4.6, 0.0, 4.7, 3.0)]
    expected = read_segments(segments, sample_rate=16000)
    content = bytearray(whole.path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000 if damage == "zeros" else None] = bytes(2000 if damage == "zeros" else 0)
    whole.path.write_bytes(content)
    found = read_segments(segments, sample_rate=16000)
    lost = {"cut": [0, 1, 3], "zeros": [1, 3]}[damage]
    for i, (now, before) in enumerate(zip(found, expected, strict=True)):
        if i in lost:
            start, stop = segments[i].start, segments[i].stop
            assert f"a.flac can't be read from {start:.2f} to {stop:.2f} s: " in now.reason
        else:
            np.testing.assert_array_equal(now, before)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_samples_that_are_no_sound_are_told(tmp_path, value):
    samples = np.zeros((32000, 2), dtype=np.float32)
    samples[20000] = value
    file = recording(tmp_path, samples, 16000)
    good, bad = read_segments([Segment(file, 0.0, 0.5), Segment(file, 1.0, 1.5)], sample_rate=8000)
    assert good.shape == (4000,)
    assert "no finite numbers" in bad.reason


def test_rows_of_recordings_shorter_than_the_window(clips):
    assert too_short(clips, FIXED) == {}
    assert too_short(clips, WindowConfig(kind="crop", frames=10)) == {}
    found = too_short(clips, WindowConfig(kind="fixed", seconds=7.0))
    assert list(found) == list(range(24))
    assert found[0] == "rec0 lasts 6.00 s, less than window.seconds=7.0"
