"""Recordings on disk: where they lie, how long they are, and what identifies their sound."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

SUFFIXES = (".flac", ".wav")
_FLAC_MD5 = slice(26, 42)  # of the STREAMINFO block: MD5 of the decoded samples (RFC 9639, 8.2)


@dataclass(frozen=True)
class Recording:
    """One readable audio file: native `sample_rate` in Hz, `frames` per channel, `digest` of content and format."""

    path: Path
    sample_rate: int
    frames: int
    digest: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


def find_recording(folder: Path, recording_id: str) -> Recording | str:
    """Open the header of `folder/<recording_id>.flac` (or .wav); where that fails, say why in a phrase."""
    if Path(recording_id).name != recording_id or recording_id in {"", ".", ".."}:
        return "recording_id is not a plain file name"
    paths = [folder / f"{recording_id}{suffix}" for suffix in SUFFIXES]
    path = next((p for p in paths if p.is_file()), None)
    if path is None:
        return f"no file {paths[0].name} or {paths[1].name} in {folder}"
    if folder.resolve() not in path.resolve().parents:
        return f"{path.name} is a link that leaves {folder}"
    try:
        info = sf.info(path)
    except (sf.LibsndfileError, OSError) as error:
        return f"{path.name} is not readable audio ({error})"
    if info.frames <= 0:
        return f"{path.name} holds no samples"
    return Recording(path, info.samplerate, info.frames, f"{info.samplerate}-{info.channels}-{_digest(path)}")


def _digest(path: Path) -> str:
    """FLAC carries a checksum of its sound; any other file is hashed whole."""
    with path.open("rb") as file:
        head = file.read(42)
        if head[:4] == b"fLaC" and any(head[_FLAC_MD5]):
            return head[_FLAC_MD5].hex()
        file.seek(0)
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
