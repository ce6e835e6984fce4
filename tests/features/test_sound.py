from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf

from rfcx_lab.features.sound import encode, envelope, spectrogram

RATE = 16_000


def tone(hertz: float, *, seconds: float = 1.0, loud: float = 0.01) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("hertz", [500, 3000, 7000])
def test_a_tone_stands_at_its_frequency(hertz):
    picture = spectrogram(tone(hertz), sample_rate=RATE, columns=120, rows=80)
    assert picture.shape == (80, 120)
    row = picture.mean(axis=1).argmax()
    assert (row + 0.5) / 80 * RATE / 2 == pytest.approx(hertz, abs=RATE / 2 / 80)


def test_a_call_stands_at_its_time():
    samples = np.concatenate([np.zeros(RATE, np.float32), tone(2000)])
    loudness = spectrogram(samples, sample_rate=RATE, columns=100, rows=60).max(axis=0)
    assert loudness[5:48].max() < loudness[52:95].min()


@pytest.mark.parametrize("samples", [np.zeros(2, np.float32), np.zeros(RATE, np.float32), tone(900, seconds=0.003)])
def test_silence_and_scraps_are_drawn_too(samples):
    picture = spectrogram(samples, sample_rate=RATE, columns=50, rows=40)
    assert np.isfinite(picture).all()
    assert np.isfinite(envelope(samples, columns=300)).all()


def test_envelope_holds_the_extremes():
    samples = tone(10, loud=0.5)
    samples[700] = -1.0
    low, high = envelope(samples, columns=100)
    assert (low.min(), high.max()) == pytest.approx((-1.0, 0.5), abs=1e-3)


def test_sound_comes_back_at_full_loudness():
    samples = tone(440, loud=0.001)
    heard, rate = sf.read(io.BytesIO(encode(samples, sample_rate=RATE)), dtype="float32")
    assert rate == RATE
    assert np.abs(heard).max() == pytest.approx(0.9, abs=1e-3)
    assert np.corrcoef(heard, samples)[0, 1] > 0.9999
