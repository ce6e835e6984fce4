"""MFCC and log-mel spectrograms, time first.

A feature is one function here and one entry in `FEATURES`. librosa is imported where it is used: it is slow to start.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.config import FeatureConfig, WindowConfig
from rfcx_lab.errors import LabError
from rfcx_lab.features.segments import Samples

_MOST_BANDS = 1024
_TOP_RATE = 1_000_000  # Hz; ultrasonic recorders stay below it
Frames = NDArray[np.float32]


def logmel(samples: Samples, config: FeatureConfig) -> Frames:
    """Log-mel power in dB, `[T, n_mels]`; at most 80 dB below the window's loudest band."""
    import librosa

    spectrum = librosa.stft(samples, n_fft=config.n_fft, hop_length=config.hop_length)
    power = _mel_basis(config, config.n_fft) @ np.abs(spectrum) ** 2
    return librosa.power_to_db(power).T


def mfcc(samples: Samples, config: FeatureConfig) -> Frames:
    """Mel-frequency cepstral coefficients `[T, n_mfcc]`: the orthonormal DCT-II of `logmel`."""
    import librosa

    return librosa.feature.mfcc(S=logmel(samples, config).T, n_mfcc=config.n_mfcc).T


FEATURES: dict[str, Callable[[Samples, FeatureConfig], Frames]] = {"mfcc": mfcc, "logmel": logmel}


def width(config: FeatureConfig) -> int:
    """Numbers per frame."""
    return config.n_mfcc if config.kind == "mfcc" and config.n_mfcc else config.n_mels


def band_centres(config: FeatureConfig) -> NDArray[np.float64]:
    """The centre of each mel band in Hz, `[n_mels]`."""
    from librosa import mel_frequencies

    laid_out = _mel_rate(config)
    centres = mel_frequencies(config.n_mels + 2, fmin=config.f_min, fmax=config.f_max or laid_out / 2)[1:-1]
    return centres * config.sample_rate / laid_out  # where they come to lie


def frame_count(window: WindowConfig, config: FeatureConfig) -> int:
    """Frames per window: librosa's centred frames of a fixed window, or what the crop is padded to."""
    if window.kind == "crop":
        return window.frames or 0
    return 1 + round((window.seconds or 0.0) * config.sample_rate) // config.hop_length


def input_shape(window: WindowConfig, config: FeatureConfig) -> tuple[int, int]:
    """What a model is fed per window: (steps of the LSTM, numbers per step)."""
    frames, numbers = frame_count(window, config), width(config)
    return (frames, numbers) if config.time_major else (numbers, frames)


def frames_of_sound(seconds: NDArray[np.float64], *, window: WindowConfig, config: FeatureConfig) -> NDArray[np.int64]:
    """How many frames of windows that last `seconds` `[N]` hold sound; what follows them is padding."""
    samples = np.round(seconds * config.sample_rate).astype(np.int64)
    centred = 1 + (samples + 2 * (config.n_fft // 2) - config.n_fft) // config.hop_length  # as librosa counts them
    return np.minimum(centred, frame_count(window, config))


def pad_or_cut(frames: Frames, count: int, *, padding: str = "end") -> Frames:
    """`[T, F]` -> `[count, F]`, with zeros behind or the end cut off; with `padding="both"`, half of them before."""
    missing = max(0, count - len(frames))
    before = missing // 2 if padding == "both" else 0
    return np.pad(frames[:count], ((before, missing - before), (0, 0)))


def empty_mel_bands(config: FeatureConfig) -> tuple[int, int]:
    """How many mel bands catch no frequency of the FFT, and the smallest power of two as `n_fft` that leaves none.

    Raises:
        LabError: all are.
    """
    from librosa import mel_frequencies

    rate = _mel_rate(config)
    edges = mel_frequencies(config.n_mels + 2, fmin=config.f_min, fmax=config.f_max or rate / 2)

    def empty(n_fft: int) -> int:
        step = rate / n_fft
        first = (np.floor(edges[:-2] / step) + 1) * step  # of the FFT's frequencies, the first one inside each band
        return int((first >= edges[2:]).sum())

    if empty(config.n_fft) == config.n_mels:
        raise LabError(
            f"features.f_min={config.f_min}: all {config.n_mels} mel bands from there to {edges[-1]:g} Hz are empty; "
            "lower it, or raise features.f_max or features.n_fft."
        )
    mended = 1 << (config.n_fft - 1).bit_length()
    while empty(mended):
        mended *= 2
    return empty(config.n_fft), mended


def _mel_rate(config: FeatureConfig) -> int:
    return config.mel_rate or config.sample_rate


def _mel_basis(config: FeatureConfig, n_fft: int) -> NDArray[np.float32]:
    return _cached_mel_basis(_mel_rate(config), n_fft, config.n_mels, config.f_min, config.f_max)


@cache
def _cached_mel_basis(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float | None
) -> NDArray[np.float32]:
    """`[n_mels, 1 + n_fft / 2]`; made once, where librosa's own spectrogram makes it for every window."""
    from librosa.filters import mel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # librosa's word on empty bands gives no number
        return mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max)


def check_features(config: FeatureConfig, window: WindowConfig) -> None:
    """Raise LabError, naming the key, where the two configs can't be computed."""
    _require(config.kind in FEATURES, f"features.kind={config.kind}", f"must be one of {', '.join(FEATURES)}")
    for name in ("sample_rate", "n_fft", "hop_length", "n_mels"):
        value = getattr(config, name)
        _require(value > 0, f"features.{name}={value}", "must be above 0")
    _require(
        config.sample_rate <= _TOP_RATE, f"features.sample_rate={config.sample_rate}", f"must be at most {_TOP_RATE}"
    )
    bins = min(1 + config.n_fft // 2, _MOST_BANDS)
    _require(
        config.n_mels <= bins,
        f"features.n_mels={config.n_mels}",
        f"must be at most {bins} with features.n_fft={config.n_fft}",
    )
    if config.kind == "mfcc":
        n_mfcc = config.n_mfcc
        valid = n_mfcc is not None and 0 < n_mfcc <= config.n_mels
        _require(valid, f"features.n_mfcc={n_mfcc}", f"must lie between 1 and features.n_mels={config.n_mels}")
    _require(config.f_max is None or config.f_max > 0, f"features.f_max={config.f_max}", "must be above 0")
    laid_out = config.mel_rate
    _require(
        laid_out is None or 0 < laid_out <= _TOP_RATE, f"features.mel_rate={laid_out}", f"must be 1 to {_TOP_RATE}"
    )
    top, nyquist = config.f_max or _mel_rate(config) / 2, _mel_rate(config) / 2
    _require(top <= nyquist, f"features.f_max={top}", f"lies above half the sampling rate, {nyquist} Hz")
    _require(0 <= config.f_min < top, f"features.f_min={config.f_min}", f"must lie between 0 and {top} Hz")
    _require(window.kind in ("fixed", "crop"), f"window.kind={window.kind}", "must be fixed or crop")
    _require(window.kind != "fixed" or (window.seconds or 0) > 0, f"window.seconds={window.seconds}", "must be above 0")
    _require(window.kind != "crop" or (window.frames or 0) > 0, f"window.frames={window.frames}", "must be above 0")
    _require(window.padding in ("end", "both"), f"window.padding={window.padding}", "must be end or both")
    seconds = (window.seconds or 0) if window.kind == "fixed" else 1
    longest = round(seconds * config.sample_rate)
    _require(
        config.n_fft <= longest,
        f"features.n_fft={config.n_fft}",
        f"must be at most {longest}, the samples of {seconds} s "
        f"({'window.seconds, ' if window.kind == 'fixed' else ''}features.sample_rate={config.sample_rate})",
    )


def _require(holds: bool, what: str, why: str) -> None:
    if not holds:
        raise LabError(f"{what}: {why}.")
