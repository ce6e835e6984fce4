"""Which stretch of which recording, and its samples, read by seeking."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import gcd

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from rfcx_lab.config import WindowConfig
from rfcx_lab.data.clips import Clips
from rfcx_lab.data.recordings import Recording, decoder_words
from rfcx_lab.errors import LabError

Samples = NDArray[np.float32]
_LOUDEST = 1e15  # full scale is 1; beyond this the power of a float overflows
_CONTEXT = 0.05  # seconds read on each side, so that the resampler sees what it would see in the whole file


@dataclass(frozen=True)
class Segment:
    """`start` and `stop`, in seconds, of `recording`.

    Where it is `cut`, both ends are rounded to whole samples, as those of a slice are; else it is the length, so that
    all segments of so many seconds have one.
    """

    recording: Recording
    start: float
    stop: float
    cut: bool = False


@dataclass(frozen=True)
class Unreadable:
    """Why a segment gives no sound, in a phrase."""

    reason: str


def too_short(clips: Clips, window: WindowConfig) -> dict[int, str]:
    """The rows of `clips`, by position, whose recording is shorter than the fixed window, each with a phrase why."""
    seconds = window.seconds if window.kind == "fixed" and window.seconds else 0.0
    short = {
        name: f"{name} lasts {recording.seconds:.2f} s, less than window.seconds={seconds}"
        for name, recording in clips.recordings.items()
        if recording.seconds < seconds
    }
    return {i: short[name] for i, name in enumerate(clips.table["recording_id"]) if name in short}


def plan_segments(clips: Clips, window: WindowConfig) -> list[Segment]:
    """One segment per row of `clips`, in its order.

    Raises:
        LabError: a recording is shorter than the fixed window (`too_short` tells which rows those are).
    """
    plan = _fixed if window.kind == "fixed" else _crop
    rows = clips.table[["recording_id", "t_min", "t_max"]].itertuples(index=False)
    return [plan(clips.recordings[name], t_min, t_max, window) for name, t_min, t_max in rows]


def _fixed(recording: Recording, t_min: float, t_max: float, window: WindowConfig) -> Segment:
    seconds = window.seconds or 0.0
    if recording.seconds < seconds:
        raise LabError(
            f"{recording.path} lasts {recording.seconds:.2f} s, less than window.seconds={seconds}; "
            "shorten the window or leave the recording out."
        )
    start = (t_min + t_max) / 2 - seconds / 2
    start = min(max(start, 0.0), recording.seconds - seconds)
    return Segment(recording, start, start + seconds)


def _crop(recording: Recording, t_min: float, t_max: float, window: WindowConfig) -> Segment:
    return Segment(recording, t_min, min(t_max, recording.seconds), cut=True)


def read_segments(segments: Sequence[Segment], *, sample_rate: int) -> list[Samples | Unreadable]:
    """Mono samples of segments of ONE recording, in [−1, 1]: each `[round((stop − start) · sample_rate)]`.

    Several channels are averaged. The result equals the same stretch of the whole file resampled at once (to about
    1e-5): the grid of the whole file is kept, and the resampler is given sound beyond the segment's edges.

    A segment whose sound can't be had (the file ends before its header says so, is damaged there, or holds numbers
    that are no sound) is `Unreadable`; the others of its file are read all the same.
    """
    out: list[Samples | Unreadable] = []
    with ExitStack() as opened:
        file = None
        for segment in segments:
            try:
                file = file or opened.enter_context(sf.SoundFile(segment.recording.path))
                out.append(_read(file, segment, sample_rate))
            except (sf.LibsndfileError, OSError) as error:
                file = None  # after an error libsndfile reads nothing more: the next segment needs a new one
                out.append(Unreadable(_reason(segment, error)))
    return out


def _read(file: sf.SoundFile, segment: Segment, sample_rate: int) -> Samples:
    native = segment.recording.sample_rate
    divisor = gcd(native, sample_rate)
    native_step, step = native // divisor, sample_rate // divisor  # so many samples here last as long as so many there
    first, count = _samples(segment, sample_rate)
    begin = max(0, int((segment.start - _CONTEXT) * native) // native_step) * native_step
    end = min(segment.recording.frames, int((segment.stop + _CONTEXT) * native) + native_step)
    if file.samplerate != native:
        raise OSError("it is not the file it was a moment ago")
    file.seek(begin)
    samples = file.read(end - begin, dtype="float32", always_2d=True)
    if len(samples) < end - begin:
        raise OSError(f"it ends at {(begin + len(samples)) / native:.2f} s")
    if not np.abs(samples).max(initial=0.0) < _LOUDEST:
        raise OSError("it holds samples that are no finite numbers")
    mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    if native != sample_rate:
        mono = soxr.resample(mono, native, sample_rate, quality="HQ")
    offset = first - begin // native_step * step
    cut = mono[offset : offset + count]
    return np.pad(cut, (0, count - len(cut)))  # rounding may ask for a sample beyond the end


def _samples(segment: Segment, sample_rate: int) -> tuple[int, int]:
    """The first sample, and how many."""
    if segment.cut:
        first = round(segment.start * sample_rate)
        return first, round(segment.stop * sample_rate) - first
    return int(segment.start * sample_rate + 0.5), round((segment.stop - segment.start) * sample_rate)


def _reason(segment: Segment, error: Exception) -> str:
    why = decoder_words(error) if isinstance(error, sf.LibsndfileError) else str(error)
    return f"{segment.recording.path.name} can't be read from {segment.start:.2f} to {segment.stop:.2f} s: {why}"
