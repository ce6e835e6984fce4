"""White noise in place of sound, cut to the boxes of a table: a control in which nothing calls.

Every recording of the table becomes one of noise that holds its boxes one behind the other, in the table's order, each
as long as it is there and with as much noise around it. All samples are drawn alike, so a model that tells the species
has it from the length of the boxes, or from rows that it has seen.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import soundfile

from rfcx_lab.data.clips import Clips, load_clips
from rfcx_lab.data.generated import ensure_generated, generated_path
from rfcx_lab.errors import LabError
from rfcx_lab.progress import track

if TYPE_CHECKING:
    from rfcx_lab.config import NoiseData

GENERATOR = 1
"""Raised whenever the same settings sound different, so that no old noise is taken for a new one."""

COMPLETE = "noise.json"
LEVEL = 0.1
"""Standard deviation of the samples; full scale is 1."""

_SAMPLE_BYTES = 2
_HIGHEST_RATE = 655_350  # Hz, of FLAC
_DECIMALS = 4  # of times in seconds, as in the real tables
_COLUMNS = ["recording_id", "species_id", "songtype_id", "t_min", "f_min", "t_max", "f_max"]


def ensure_noise(config: NoiseData, *, under: Path) -> Path:
    """Return the folder that holds the noise of `config` in the RFCX layout, generating it first where there is none.

    Of the table's folder only `train_tp.csv` and `species.csv` are used: its recordings need not be there, and groups
    of a `folds.csv` mean nothing in noise.

    Raises:
        LabError: a setting is out of its range, or the table has a row that can't be used.
    """
    clips = _read(config)
    return ensure_generated(
        _settings(config, clips), lambda folder: _write(config, clips, folder), under=under, complete=COMPLETE
    )


def noise_bytes(config: NoiseData, *, under: Path) -> int:
    """How much disk the noise of `config` will take at most; 0 where it is there.

    Raises:
        LabError: as `ensure_noise`.
    """
    clips = _read(config)
    if (generated_path(_settings(config, clips), under=under) / COMPLETE).exists():
        return 0
    seconds = (clips.table["t_max"] - clips.table["t_min"] + 2 * config.around).sum()
    return int(seconds * config.sample_rate) * _SAMPLE_BYTES


def lay_boxes(table: pd.DataFrame, *, around: float) -> pd.DataFrame:
    """`table` with its boxes moved one behind the other in each recording, `around` seconds on both sides of each."""
    length = (table["t_max"] - table["t_min"]).round(_DECIMALS)
    taken = length + 2 * around
    end = taken.groupby(table["recording_id"]).cumsum() - around
    return table.assign(t_min=(end - length).round(_DECIMALS), t_max=end.round(_DECIMALS))


def _read(config: NoiseData) -> Clips:
    if not 1 <= config.sample_rate <= _HIGHEST_RATE:
        raise LabError(f"data.sample_rate={config.sample_rate}: must be 1 to {_HIGHEST_RATE} Hz.")
    if config.around < 0:
        raise LabError(f"data.around={config.around}: must be 0 s or more.")
    if config.seed < 0:
        raise LabError(f"data.seed is {config.seed}; choose 0 or more.")
    root = Path(config.root)
    clips = load_clips(root, replace(config, on_bad_row="reject", max_rejected=1.0), seed=0, sound=False)
    if len(clips.rejected):
        first = clips.rejected.iloc[0]
        raise LabError(_refusal(root, first["line"], first["reason"]))
    for line, name in zip(clips.table["line"], clips.table["recording_id"], strict=True):
        if Path(name).name != name or "\0" in name:
            raise LabError(_refusal(root, line, "recording_id is not a plain file name"))
    return clips


def _refusal(root: Path, line: int, reason: str) -> str:
    return (
        f"{root / 'train_tp.csv'}, line {line}: {reason}; data=noise takes the box of every row, so mend that line or "
        "leave it out."
    )


def _settings(config: NoiseData, clips: Clips) -> dict[str, object]:
    """Everything the sound and its table depend on."""
    rows = clips.table[_COLUMNS].to_csv(index=False) + repr(clips.species_names)
    return {
        "generator": GENERATOR,
        "rows": hashlib.blake2b(rows.encode(), digest_size=8).hexdigest(),
        "sample_rate": int(config.sample_rate),
        "around": float(config.around),
        "seed": int(config.seed),
    }


def _write(config: NoiseData, clips: Clips, folder: Path) -> None:
    (folder / "train").mkdir(parents=True)
    table = lay_boxes(clips.table, around=config.around)
    ends = table.groupby("recording_id", sort=False)["t_max"].max() + config.around
    for index, (name, seconds) in enumerate(track(ends.items(), "Noise", total=len(ends))):
        draw = np.random.default_rng([config.seed, index])
        samples = draw.standard_normal(round(seconds * config.sample_rate), dtype=np.float32) * np.float32(LEVEL)
        encoded = io.BytesIO()  # so that it is Python that writes the file, and says so where the disk is full
        soundfile.write(encoded, samples, config.sample_rate, format="FLAC", subtype="PCM_16")
        (folder / "train" / f"{name}.flac").write_bytes(encoded.getvalue())
    table[_COLUMNS].to_csv(folder / "train_tp.csv", index=False)
    names = pd.DataFrame({"species_id": clips.species, "name": clips.species_names})
    names.to_csv(folder / "species.csv", index=False)
