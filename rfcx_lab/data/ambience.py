"""The forest without its callers: a noise floor, wind, rain and insects, other in every recording."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len
from scipy.signal import oaconvolve

from rfcx_lab.data.calls import Samples

LOUDNESS = (0.01, 0.04)
"""Root mean square of a recording's background (full scale 1): far from the 16 bit grid and from clipping."""


def background(rng: np.random.Generator, size: int, *, sample_rate: int) -> Samples:
    """The ambience of one recording.

    Returns:
        (size,) samples. Which noises there are, their colour and their level belong to the recording, so its
        clips share them: the reason why recordings, not clips, must be split.
    """
    mix = band_noise(rng, size, sample_rate=sample_rate, slope=rng.uniform(-0.8, -0.3))
    mix += rng.uniform(0.15, 1.0) * _wind(rng, size, sample_rate=sample_rate)
    if rng.uniform() < 0.6:
        mix += rng.uniform(0.03, 0.3) * _rain(rng, size, sample_rate=sample_rate)
    for _ in range(rng.integers(1, 4)):
        mix += rng.uniform(0.02, 0.1) * _insect(rng, size, sample_rate=sample_rate)
    return _unit(mix) * np.float32(rng.uniform(*LOUDNESS))


def band_noise(
    rng: np.random.Generator,
    size: int,
    *,
    sample_rate: int,
    band: tuple[float, float] = (30.0, np.inf),
    slope: float = 0.0,
) -> Samples:
    """Gaussian noise, (size,), of unit mean power inside `band` (Hz), with amplitude ~ frequency**slope."""
    length = next_fast_len(size, real=True)
    frequency = np.arange(length // 2 + 1, dtype=np.float32) * np.float32(sample_rate / length)
    inside = np.flatnonzero((frequency >= band[0]) & (frequency <= band[1]))
    spectrum = np.zeros(len(frequency), dtype=np.complex64)
    parts = rng.standard_normal((len(inside), 2), dtype=np.float32).view(np.complex64)[:, 0]
    spectrum[inside] = parts * frequency[inside] ** np.float32(slope)
    return _unit(irfft(spectrum, length)[:size])


def _unit(samples: Samples) -> Samples:
    scaled: Samples = samples / np.sqrt(np.mean(samples**2))
    return scaled


def _wind(rng: np.random.Generator, size: int, *, sample_rate: int) -> Samples:
    """Rumble below some hundred Hz that swells and dies over seconds."""
    rumble = band_noise(rng, size, sample_rate=sample_rate, band=(30.0, rng.uniform(200, 600)), slope=-1.0)
    knots = np.arange(0, size / sample_rate + 2, rng.uniform(1.0, 4.0))
    gusts = np.exp(0.7 * rng.standard_normal(len(knots)))
    return rumble * np.interp(np.arange(size) / sample_rate, knots, gusts).astype(np.float32)


def _rain(rng: np.random.Generator, size: int, *, sample_rate: int) -> Samples:
    """Drops: clicks of a few milliseconds at random times, a few of them close and loud."""
    drops = rng.poisson(size / sample_rate * 10 ** rng.uniform(1.0, 2.5)) + 1
    strength = rng.lognormal(0.0, 0.8, drops) * rng.choice([-1.0, 1.0], drops)
    clicks = np.bincount(rng.integers(0, size, drops), weights=strength, minlength=size).astype(np.float32)
    length = round(0.008 * sample_rate)
    splash = rng.standard_normal(length) * np.exp(-np.linspace(0.0, rng.uniform(4.0, 9.0), length))
    return _unit(oaconvolve(clicks, splash.astype(np.float32))[:size])


def _insect(rng: np.random.Generator, size: int, *, sample_rate: int) -> Samples:
    """A cicada or cricket: a narrow band of buzz, beating, and singing in verses or without end."""
    centre = rng.uniform(0.13, 0.42) * sample_rate
    width = centre * rng.uniform(0.02, 0.1)
    buzz = band_noise(rng, size, sample_rate=sample_rate, band=(centre - width / 2, centre + width / 2))
    time = np.arange(size, dtype=np.float32) / np.float32(sample_rate)
    beat = 0.5 + 0.5 * np.sin(2 * np.pi * np.float32(rng.uniform(4, 50)) * time)
    buzz *= 1 - np.float32(rng.uniform(0.3, 1.0)) * beat
    if rng.uniform() < 0.5:
        verse = np.sin(2 * np.pi * (time / np.float32(rng.uniform(0.6, 8.0)) + np.float32(rng.uniform())))
        # A steep slope instead of a switch: switching on and off would click over the whole spectrum.
        buzz *= 1 / (1 + np.exp(-12 * (verse - np.float32(rng.uniform(-0.7, 0.5)))))
    return _unit(buzz)
