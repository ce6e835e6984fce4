"""Windows of a study made ready to be looked at and listened to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from rfcx_lab.config import Config
from rfcx_lab.data.clips import Clips
from rfcx_lab.features.cache import WindowStore
from rfcx_lab.features.segments import Segment, Unreadable, plan_segments, read_segments
from rfcx_lab.features.sound import encode, envelope, spectrogram
from rfcx_lab.features.spectral import band_centres
from rfcx_lab.report.exhibit import HEIGHT, WIDTH, Exhibit

SOUND_BYTES = 7_000_000
"""What the sound on one page may take; a third more in base64, and the page stays one that is mailed and opened."""

_NAMES = {"mfcc": "MFCC", "logmel": "log-mel band"}


def show_rows(rows: Sequence[int], clips: Clips, *, windows: WindowStore, config: Config) -> list[Exhibit]:
    """An exhibit per row of `clips` (by position), in the order of `rows`.

    From the first on whose sound would no longer fit into `SOUND_BYTES` they have pictures, but no player.
    """
    segments, features = plan_segments(clips, config.window), windows.load()
    exhibits, left = [], SOUND_BYTES
    for row, samples in zip(rows, _read(rows, segments, config.features.sample_rate), strict=True):
        sound = None
        if not isinstance(samples, Unreadable) and left > 0:
            sound = encode(samples, sample_rate=config.features.sample_rate)
            left -= len(sound)
        exhibits.append(
            _show(
                row,
                clips,
                segment=segments[row],
                samples=samples,
                features=np.asarray(features[row]),
                sound=sound if left > 0 else None,
                config=config,
            )
        )
    return exhibits


def _read(rows: Sequence[int], segments: Sequence[Segment], sample_rate: int) -> list[np.ndarray | Unreadable]:
    """The samples of each row, every recording opened once."""
    of_file = defaultdict(list)
    for row in rows:
        of_file[segments[row].recording.path].append(row)
    samples: dict[int, np.ndarray | Unreadable] = {}
    for there in of_file.values():
        read = read_segments([segments[row] for row in there], sample_rate=sample_rate)
        samples.update(zip(there, read, strict=True))
    return [samples[row] for row in rows]


def _show(
    row: int,
    clips: Clips,
    *,
    segment: Segment,
    samples: np.ndarray | Unreadable,
    features: np.ndarray,
    sound: bytes | None,
    config: Config,
) -> Exhibit:
    call, rate = clips.table.iloc[row], config.features.sample_rate
    silent = np.zeros(2, np.float32)
    heard = silent if isinstance(samples, Unreadable) or not len(samples) else samples
    return Exhibit(
        line=int(call["line"]),
        recording_id=str(call["recording_id"]),
        species=clips.species_names[int(call["label"])],
        start=segment.start,
        stop=segment.stop,
        box=(float(call["t_min"]), float(call["t_max"]), _known(call["f_min"]), _known(call["f_max"])),
        top=rate / 2,
        waveform=envelope(heard, columns=WIDTH),
        spectrogram=spectrogram(heard, sample_rate=rate, columns=WIDTH, rows=HEIGHT),
        features=features,
        frame_seconds=config.features.hop_length / rate,
        feature_name=_NAMES[config.features.kind],
        centres=band_centres(config.features) if config.features.kind == "logmel" else None,
        sound=sound,
        unreadable=samples.reason if isinstance(samples, Unreadable) else None,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
