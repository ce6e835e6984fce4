"""Where a study's recordings lie; those that are made, not recorded, are made for it here."""

from __future__ import annotations

from pathlib import Path

from rfcx_lab.config import Config, NoiseData, RfcxData, SoundscapeData
from rfcx_lab.engine.estimate import check_disk
from rfcx_lab.errors import LabError


def locate_data(config: Config) -> Path:
    """The folder in the RFCX layout that `config.data` names, or describes.

    Raises:
        LabError: there is no such kind of data, its settings can't be, or the disk has no room for it.
    """
    data, runs = config.data, Path(config.runs_dir)
    if isinstance(data, SoundscapeData):
        from rfcx_lab.data.soundscape import ensure_soundscape, soundscape_bytes

        check_disk(runs, soundscape=soundscape_bytes(data, under=runs / "soundscapes"))
        return ensure_soundscape(data, under=runs / "soundscapes")
    if isinstance(data, NoiseData):
        from rfcx_lab.data.noise import ensure_noise, noise_bytes

        check_disk(runs, noise=noise_bytes(data, under=runs / "soundscapes"))
        return ensure_noise(data, under=runs / "soundscapes")
    if isinstance(data, RfcxData):
        return Path(data.root)
    raise LabError(f"data.kind={data.kind}: must be rfcx, soundscape or noise.")
