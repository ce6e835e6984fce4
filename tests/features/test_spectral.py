from __future__ import annotations

import warnings
from dataclasses import replace

import librosa
import numpy as np
import pandas as pd
import pytest

from rfcx_lab.config import DataConfig, FeatureConfig, WindowConfig
from rfcx_lab.data.clips import load_clips
from rfcx_lab.errors import LabError
from rfcx_lab.features.cache import ensure_windows
from rfcx_lab.features.segments import plan_segments
from rfcx_lab.features.spectral import (
    FEATURES,
    band_centres,
    check_features,
    empty_mel_bands,
    frame_count,
    frames_of_sound,
    pad_or_cut,
    width,
)
from tests.conftest import compose_config

FIXED = WindowConfig(kind="fixed", seconds=2.0)


def config(**changes) -> FeatureConfig:
    plain = FeatureConfig(kind="mfcc", sample_rate=16000, n_fft=1024, hop_length=512, n_mels=40, n_mfcc=20)
    return replace(plain, **changes)


@pytest.mark.parametrize("kind", FEATURES)
def test_shape_is_time_by_feature(kind):
    samples = np.random.default_rng(0).normal(size=32000).astype(np.float32)
    features = FEATURES[kind](samples, config(kind=kind))
    assert features.shape == (frame_count(FIXED, config(kind=kind)), width(config(kind=kind)))


def test_logmel_peaks_at_the_tone():
    tone = np.sin(2 * np.pi * 3000 * np.arange(32000) / 16000).astype(np.float32)
    band = FEATURES["logmel"](tone, config(kind="logmel")).mean(axis=0).argmax()
    centres = librosa.mel_frequencies(n_mels=42, fmin=0, fmax=8000)[1:-1]
    assert centres[band] == pytest.approx(3000, rel=0.08)


def test_article_features_equal_the_article_s_own_calls(rfcx_folder):
    """Whole file at 28 kHz, cut to the box, 128 MFCC by librosa's default rate, zero-padded on both sides."""
    root = rfcx_folder(rate=48000)
    article = compose_config("+experiment=ladder", "features=article", "window=article", "window.frames=80")
    clips = load_clips(root, DataConfig(kind="rfcx"), seed=0)
    store, _ = ensure_windows(clips, window=article.window, features=article.features, under=root / "cache")
    windows = store.load()
    assert not article.features.time_major
    for i, row in clips.table.iterrows():
        y, sr = librosa.load(root / "train" / f"{row['recording_id']}.flac", sr=28000)
        box = y[round(row["t_min"] * sr) : round(row["t_max"] * sr)]
        with warnings.catch_warnings(action="ignore"):  # empty mel bands
            mfcc = librosa.feature.mfcc(y=box, n_fft=255, hop_length=512, n_mfcc=128)
        missing = 80 - mfcc.shape[1]
        padded = np.pad(mfcc, ((0, 0), (missing // 2, missing - missing // 2)))
        np.testing.assert_allclose(windows[i].T, padded, atol=1e-3)


@pytest.mark.parametrize("rate", [22050, 28000])
def test_empty_bands_are_counted_and_mended(rate):
    article = compose_config("+experiment=ladder", "features=article", f"features.mel_rate={rate}").features
    empty, n_fft = empty_mel_bands(article)
    with warnings.catch_warnings(action="ignore"):
        as_written, mended, too_short = (
            librosa.filters.mel(sr=rate, n_fft=n, n_mels=128).max(axis=1) for n in (255, n_fft, n_fft // 2)
        )
    assert 20 <= empty == (as_written == 0).sum() <= 34
    assert (mended > 0).all()
    assert not (too_short > 0).all()
    assert empty_mel_bands(replace(article, n_fft=n_fft))[0] == 0


def test_pad_or_cut():
    frames = np.ones((3, 2), dtype=np.float32)
    np.testing.assert_array_equal(pad_or_cut(frames, 4), [[1, 1], [1, 1], [1, 1], [0, 0]])
    assert pad_or_cut(frames, 2).shape == (2, 2)
    assert pad_or_cut(frames, 2, padding="both").shape == (2, 2)
    np.testing.assert_array_equal(pad_or_cut(frames, 6, padding="both")[:, 0], [0, 1, 1, 1, 0, 0])


def test_bands_laid_out_for_another_rate_lie_elsewhere():
    """A tone is caught by the band that librosa would catch it with were it slowed down to that rate."""
    tone = np.sin(2 * np.pi * 3000 * np.arange(32000) / 16000).astype(np.float32)
    laid_out = config(kind="logmel", mel_rate=8000)
    band = FEATURES["logmel"](tone, laid_out).mean(axis=0).argmax()
    centres = librosa.mel_frequencies(n_mels=42, fmin=0, fmax=4000)[1:-1]
    assert centres[band] == pytest.approx(1500, rel=0.08)
    assert band_centres(laid_out)[band] == pytest.approx(3000, rel=0.08)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mel_rate": 0}, "features.mel_rate=0: must be 1 to"),
        ({"hop_length": 0}, "features.hop_length=0: must be above 0"),
        ({"n_mfcc": 41}, "features.n_mfcc=41: must lie between 1 and features.n_mels=40"),
        ({"f_max": 9000.0}, "features.f_max=9000.0: lies above half the sampling rate, 8000.0 Hz"),
        ({"kind": "wavelet"}, "features.kind=wavelet: must be one of mfcc, logmel"),
        ({"f_min": 8000.0}, "features.f_min=8000.0"),
        ({"f_max": -1.0}, "features.f_max=-1.0: must be above 0"),
        ({"n_mels": 4000}, "features.n_mels=4000: must be at most"),
        ({"n_fft": 10**9}, "features.n_fft=1000000000: must be at most"),
        ({"sample_rate": 10**12}, "features.sample_rate=1000000000000: must be at most"),
    ],
)
def test_impossible_config_is_named(change, message):
    with pytest.raises(LabError, match=message):
        check_features(config(**change), FIXED)


def test_unknown_window_is_named():
    with pytest.raises(LabError, match=r"window.kind=hann: must be fixed or crop"):
        check_features(config(), WindowConfig(kind="hann"))
    with pytest.raises(LabError, match=r"window.padding=front: must be end or both"):
        check_features(config(), WindowConfig(kind="crop", frames=9, padding="front"))


@pytest.mark.parametrize("n_fft", [255, 512, 1024])
@pytest.mark.parametrize("frames", [10, 80])
def test_frames_of_sound_are_those_before_the_padding(n_fft, frames, rfcx_folder, tmp_path):
    """Counted on the features themselves: padding is all zeros, and noise never is."""
    root = rfcx_folder()
    table = pd.read_csv(root / "train_tp.csv")
    # Lengths about those where a frame more begins, of an even and an odd analysis window.
    samples = [1024, 1025, 1151, 1152, 1153, 2047, 2048, 3000]
    table["t_max"] = table["t_min"] + np.resize(samples, len(table)) / 8000
    table.to_csv(root / "train_tp.csv", index=False)
    clips = load_clips(root, DataConfig(kind="rfcx"), seed=0)
    crop = WindowConfig(kind="crop", frames=frames)
    features = config(sample_rate=8000, n_fft=n_fft, hop_length=128, n_mels=10, n_mfcc=5)
    store, _ = ensure_windows(clips, window=crop, features=features, under=tmp_path / "cache")
    windows = store.load()
    seconds = np.array([segment.stop - segment.start for segment in plan_segments(clips, crop)])
    seen = (windows != 0).any(axis=2).sum(axis=1)
    np.testing.assert_array_equal(frames_of_sound(seconds, window=crop, config=features), seen)
    assert seen.max() == min(frames, 1 + 3000 // 128)
    assert len(set(seen.tolist())) > 1


def test_frames_of_sound_of_a_fixed_window_are_all_of_it():
    seconds = np.full(5, 2.0)
    found = frames_of_sound(seconds, window=FIXED, config=config())
    assert set(found.tolist()) == {frame_count(FIXED, config())}
