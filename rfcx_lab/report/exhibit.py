"""One window of sound as a page shows it: waveform, spectrogram with the box, what the model sees, and a player."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

WIDTH = 300  # units of the drawings, and columns of their pictures
HEIGHT = 110  # units; a spectrogram has about as many rows
_COLOURS = "viridis"  # even in lightness, and the same to every eye
_TICKS = 5


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A call and the window that stands for it. Times in seconds from its recording's beginning, frequencies in Hz."""

    line: int  # of train_tp.csv
    recording_id: str
    species: str
    start: float
    stop: float
    box: tuple[float, float, float | None, float | None]  # t_min, t_max, f_min, f_max
    top: float  # upper edge of the spectrogram
    waveform: NDArray[np.float32]  # [2, columns], lowest and highest, within −1 … 1
    spectrogram: NDArray[np.float32]  # [rows, columns] in dB, lowest frequency first
    features: NDArray[np.float32]  # [T, F]
    frame_seconds: float
    feature_name: str
    centres: NDArray[np.float64] | None  # of the bands in Hz, [F]; none where features are numbered coefficients
    sound: bytes | None  # a FLAC file
    unreadable: str | None = None  # why there is no sound, in a phrase


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place from 0 to 1, and its text."""

    place: float
    text: str


def sound_uri(sound: bytes) -> Markup:
    """A data URI for a player."""
    return Markup("data:audio/flac;base64,") + base64.b64encode(sound).decode()


def spectrogram_uri(exhibit: Exhibit) -> Markup:
    """The spectrogram as a picture, lowest frequency at its foot. Noise takes a fifth of the bytes it would as PNG."""
    return _picture(exhibit.spectrogram, "WEBP", quality=80)


def features_uri(exhibit: Exhibit) -> Markup:
    """What the model sees, a pixel per number; time runs to the right, the first coefficient or band is at the foot.

    Every coefficient takes the colours' whole range, as the model, too, is given each on a scale of its own.
    """
    numbers = exhibit.features.T
    if exhibit.centres is None:
        numbers = numbers - numbers.mean(axis=1, keepdims=True)
        numbers = numbers / np.maximum(numbers.std(axis=1, keepdims=True), 1e-6)
        numbers = np.clip(numbers, -2.5, 2.5)
    return _picture(numbers, "PNG", optimize=True)


def waveform_path(exhibit: Exhibit, *, height: float) -> str:
    """An SVG path around the waveform, `WIDTH` × `height`."""
    low, high = exhibit.waveform
    across = np.linspace(0, WIDTH, len(low))
    middle, half = height / 2, height / 2 - 1
    there = [f"{x:.0f},{middle - half * y:.1f}" for x, y in zip(across, high, strict=True)]
    back = [f"{x:.0f},{middle - half * y:.1f}" for x, y in zip(across[::-1], low[::-1], strict=True)]
    return f"M{' L'.join([*there, *back])}Z"


def box_of(exhibit: Exhibit) -> dict[str, float]:
    """The labelled box in the spectrogram's drawing; its whole height where the table names no frequencies."""
    t_min, t_max, f_min, f_max = exhibit.box
    length = exhibit.stop - exhibit.start
    left, right = (min(max((t - exhibit.start) / length, 0.0), 1.0) for t in (t_min, t_max))
    low, high = (f_min or 0.0) / exhibit.top, min((f_max or exhibit.top) / exhibit.top, 1.0)
    return {
        "x": left * WIDTH,
        "width": max((right - left) * WIDTH, 1.0),
        "y": (1 - high) * HEIGHT,
        "height": max((high - low) * HEIGHT, 1.0),
    }


def time_ticks(start: float, stop: float) -> list[Tick]:
    """Seconds at round places between `start` and `stop`."""
    return [Tick((value - start) / (stop - start), f"{value:g}") for value in round_values(start, stop)]


def frequency_ticks(exhibit: Exhibit) -> list[Tick]:
    """Kilohertz up the spectrogram."""
    return [Tick(value * 1000 / exhibit.top, f"{value:g}") for value in round_values(0, exhibit.top / 1000)]


def feature_ticks(exhibit: Exhibit) -> list[Tick]:
    """Coefficients by number, from 0; bands by their centres in kHz."""
    count = exhibit.features.shape[1]
    if exhibit.centres is None:
        return [Tick((value + 0.5) / count, f"{value:g}") for value in round_values(0, count - 1)]
    places = np.linspace(0, count - 1, min(4, count)).round().astype(int)
    return [Tick((place + 0.5) / count, f"{exhibit.centres[place] / 1000:.1f}") for place in places]


def round_values(low: float, high: float) -> Sequence[float]:
    """About `_TICKS` round numbers from `low` to `high`."""
    span = max(high - low, 1e-9) / _TICKS
    unit = 10.0 ** math.floor(math.log10(span))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= span)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 6) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _picture(numbers: NDArray[np.float32], kind: str, **options: object) -> Markup:
    from PIL import Image

    low, high = float(numbers.min()), float(numbers.max())
    steps = ((numbers - low) / max(high - low, 1e-9) * 255).round().astype(np.uint8)[::-1]
    image = Image.fromarray(np.ascontiguousarray(steps))
    image.putpalette(_palette())
    file = io.BytesIO()
    (image if kind == "PNG" else image.convert("RGB")).save(file, kind, **options)
    return Markup(f"data:image/{kind.lower()};base64,") + base64.b64encode(file.getvalue()).decode()


@cache
def _palette() -> bytes:
    import matplotlib

    colours = matplotlib.colormaps[_COLOURS](np.arange(256), bytes=True)
    return bytes(np.ascontiguousarray(colours[:, :3]))
