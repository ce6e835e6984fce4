"""Which stretch of which recording, and its samples, read by seeking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from rfcx_lab.config import WindowConfig
from rfcx_lab.data.clips import Clips
from rfcx_lab.data.recordings import Recording
from rfcx_lab.errors import LabError

Samples = NDArray[np.float32]
_CONTEXT = 0.05  # seconds read on each side, so that the resampler sees what it would see in the whole file


@dataclass(frozen=True)
class Segment:
    """`start` and `stop`, in seconds, of `recording`."""

    recording: Recording
    start: float
    stop: float


def plan_segments(clips: Clips, window: WindowConfig) -> list[Segment]:
    """One segment per row of `clips`, in its order.

    Raises:
        LabError: a recording is shorter than the fixed window.
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
    return Segment(recording, t_min, min(t_max, recording.seconds))


def read_segments(segments: Sequence[Segment], *, sample_rate: int) -> list[Samples]:
    """Mono samples of segments of ONE recording, each `[round((stop − start) · sample_rate)]`, in [−1, 1].

    Several channels are averaged. The result equals the same stretch of the whole file resampled at once (to about
    1e-5): the grid of the whole file is kept, and the resampler is given sound beyond the segment's edges.

    Raises:
        LabError: the file ends before its header says it does.
    """
    recording = segments[0].recording
    with sf.SoundFile(recording.path) as file:
        return [_read(file, segment, sample_rate) for segment in segments]


def _read(file: sf.SoundFile, segment: Segment, sample_rate: int) -> Samples:
    native = segment.recording.sample_rate
    divisor = gcd(native, sample_rate)
    native_step, step = native // divisor, sample_rate // divisor  # so many samples here last as long as so many there
    first = int(segment.start * sample_rate + 0.5)
    count = round((segment.stop - segment.start) * sample_rate)
    begin = max(0, int((segment.start - _CONTEXT) * native) // native_step) * native_step
    end = min(segment.recording.frames, int((segment.stop + _CONTEXT) * native) + native_step)
    try:
        file.seek(begin)
        samples = file.read(end - begin, dtype="float32", always_2d=True)
    except sf.LibsndfileError as error:
        raise LabError(f"{segment.recording.path} can't be read at {segment.start:.2f} s ({error}).") from error
    if len(samples) < end - begin:
        raise LabError(
            f"{segment.recording.path} is truncated: it ends at {(begin + len(samples)) / native:.2f} s, its header "
            f"says {segment.recording.seconds:.2f} s; fetch it again, or leave its rows out."
        )
    mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    if native != sample_rate:
        mono = soxr.resample(mono, native, sample_rate, quality="HQ")
    offset = first - begin // native_step * step
    cut = mono[offset : offset + count]
    return np.pad(cut, (0, count - len(cut)))  # rounding may ask for a sample beyond the end
