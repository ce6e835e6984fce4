"""A synthetic rainforest on disk, in the layout of the RFCX competition: data for whoever has none at hand.

`DIR/train_tp.csv`, `DIR/train/<recording_id>.flac` (mono, 16 bit) and `DIR/species.csv`; the loader
that reads it is that of the real data.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import soundfile

from rfcx_lab.data.calls import SPECIES, TOP, Samples, top_frequency
from rfcx_lab.data.generated import ensure_generated, generated_path
from rfcx_lab.data.scene import CALL_SECONDS, Scene, longest_boxes, recording_id, render_scene
from rfcx_lab.errors import LabError
from rfcx_lab.progress import track

if TYPE_CHECKING:
    from rfcx_lab.config import SoundscapeData

GENERATOR = 1
"""Raised whenever the same settings sound different, so that no old soundscape is taken for a new one."""

COMPLETE = "soundscape.json"
"""Its settings, written last."""

_SAMPLE_BYTES = 2
COLUMNS = ["recording_id", "species_id", "songtype_id", "t_min", "f_min", "t_max", "f_max"]


def ensure_soundscape(config: SoundscapeData, *, under: Path) -> Path:
    """Return the directory that holds the soundscape of `config`, generating it first where there is none.

    Raises:
        LabError: a setting is out of its range, or the recordings are too short for their calls.
    """
    _check(config)
    return ensure_generated(_settings(config), lambda folder: _write(config, folder), under=under, complete=COMPLETE)


def soundscape_bytes(config: SoundscapeData, *, under: Path) -> int:
    """How much disk the soundscape of `config` will take at most; 0 where it is there.

    Raises:
        LabError: a setting is out of its range.
    """
    _check(config)
    if (generated_path(_settings(config), under=under) / COMPLETE).exists():
        return 0
    return int(config.recordings * config.seconds * config.sample_rate) * _SAMPLE_BYTES


def _settings(config: SoundscapeData) -> dict[str, object]:
    """Everything the sound depends on."""
    return {
        "generator": GENERATOR,
        "recordings": int(config.recordings),
        "seconds": float(config.seconds),
        "calls_per_recording": int(config.calls_per_recording),
        "sample_rate": int(config.sample_rate),
        "species": int(config.species),
        "snr_db": [float(bound) for bound in config.snr_db],
        "seed": int(config.seed),
        "templated_boxes": bool(config.templated_boxes),
    }


def _check(config: SoundscapeData) -> None:
    if not 2 <= config.species <= len(SPECIES):
        raise LabError(f"data.species is {config.species}; choose 2 to {len(SPECIES)}.")
    for name in ("recordings", "calls_per_recording"):
        if getattr(config, name) < 1:
            raise LabError(f"data.{name} is {getattr(config, name)}; choose 1 or more.")
    if config.seed < 0:
        raise LabError(f"data.seed is {config.seed}; choose 0 or more.")
    snr_db = list(config.snr_db)
    if len(snr_db) != 2 or not -np.inf < snr_db[0] <= snr_db[1] < np.inf:
        raise LabError(f"data.snr_db is {snr_db}; give two numbers of dB, the lower one first, like [-3, 15].")
    _check_room(config)
    voices = [voice for one in SPECIES[: config.species] for voice in (one.song, one.second) if voice]
    lowest_rate = int(np.ceil(max(map(top_frequency, voices)) / TOP))
    if config.sample_rate < lowest_rate:
        raise LabError(
            f"data.sample_rate is {config.sample_rate}, too low for the highest call of these species; "
            f"choose {lowest_rate} or more."
        )


def _check_room(config: SoundscapeData) -> None:
    # A distant call has to fit as well.
    needed = max(longest_boxes(config), CALL_SECONDS[1])
    if needed > config.seconds:
        raise LabError(
            f"data.calls_per_recording={config.calls_per_recording} does not fit into "
            f"data.seconds={config.seconds:g}; set data.seconds to {np.ceil(needed):.0f} or more, or ask for "
            "fewer calls."
        )


def _write(config: SoundscapeData, directory: Path) -> None:
    (directory / "train").mkdir(parents=True)
    rows: list[dict[str, object]] = []
    for index in track(range(config.recordings), "Soundscapes", total=config.recordings):
        name, scene = recording_id(config.seed, index), render_scene(config, index)
        encoded = io.BytesIO()  # so that it is Python that writes the file, and says so where the disk is full
        soundfile.write(encoded, _mix(scene), config.sample_rate, format="FLAC", subtype="PCM_16")
        (directory / "train" / f"{name}.flac").write_bytes(encoded.getvalue())
        rows.extend(_rows(scene, name))
    pd.DataFrame(rows, columns=COLUMNS).to_csv(directory / "train_tp.csv", index=False)
    names = [one.name for one in SPECIES[: config.species]]
    species = pd.DataFrame({"species_id": range(config.species), "name": names})
    species.to_csv(directory / "species.csv", index=False)


def _mix(scene: Scene) -> Samples:
    """Both layers together, turned down where a close caller would clip."""
    mixed = scene.background + scene.calls
    return mixed * np.float32(0.98 / max(0.98, float(np.abs(mixed).max())))


def _rows(scene: Scene, name: str) -> list[dict[str, object]]:
    return [
        {
            "recording_id": name,
            "species_id": call.species_id,
            "songtype_id": call.songtype_id,
            "t_min": call.t_min,
            "f_min": round(low, 4),
            "t_max": call.t_max,
            "f_max": round(high, 4),
        }
        for call, (low, high) in zip(scene.plan, scene.bands, strict=True)
    ]
