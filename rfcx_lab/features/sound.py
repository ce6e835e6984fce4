"""Sound for people: a spectrogram and a waveform small enough for a page, and samples that a browser can play."""

from __future__ import annotations

import io

import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.signal import get_window

from rfcx_lab.features.segments import Samples

_ANALYSIS_SECONDS = 0.02  # long enough to part the notes of a trill's chord, short enough to part those of a trill
_SHOWN = (0.3, 0.999)  # quantiles: the fainter part of the background is shown as silence, and a click stands out
_RANGE_DB = 65.0  # at most: where a recording is silent, its noise is not shown a hundred dB below
_PEAK = 0.9  # of full scale: faint recordings can be heard without turning anything up
_FAINTEST = 1e-10


def spectrogram(samples: Samples, *, sample_rate: int, columns: int, rows: int) -> NDArray[np.float32]:
    """Power in dB, `[rows, columns]`, the lowest frequency first, up to half the rate; both its ends are clipped.

    Where there are more frequencies than rows, the loudest of each row is kept: a whistle is not averaged away.
    """
    n_fft = min(1 << round(np.log2(_ANALYSIS_SECONDS * sample_rate)), max(2, len(samples)))
    padded = np.pad(samples, n_fft // 2)
    starts = np.linspace(0, len(padded) - n_fft, columns).astype(int)
    frames = padded[starts[:, None] + np.arange(n_fft)] * get_window("hann", n_fft).astype(np.float32)
    power = np.abs(rfft(frames, axis=1)) ** 2
    edges = np.linspace(0, power.shape[1], min(rows, power.shape[1]) + 1).astype(int)[:-1]
    loudest = np.maximum.reduceat(power, edges, axis=1).T
    decibels = 10 * np.log10(np.maximum(loudest, _FAINTEST))
    low, high = np.quantile(decibels, _SHOWN)
    return np.clip(decibels, max(low, high - _RANGE_DB), high).astype(np.float32)


def envelope(samples: Samples, *, columns: int) -> NDArray[np.float32]:
    """The lowest and the highest sample in each of `columns` stretches, `[2, columns]`, the loudest at 1."""
    edges = np.linspace(0, len(samples), min(columns, len(samples)) + 1).astype(int)[:-1]
    peak = max(float(np.abs(samples).max()), _FAINTEST)
    bounds = np.stack([np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)])
    return (bounds / peak).astype(np.float32)


def encode(samples: Samples, *, sample_rate: int) -> bytes:
    """A mono 16-bit FLAC file, its peak raised or lowered to nearly full scale: nothing a model could hear is lost."""
    file = io.BytesIO()
    loud = samples * (_PEAK / max(float(np.abs(samples).max()), _FAINTEST))
    sf.write(file, loud, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
