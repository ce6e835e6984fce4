"""Recordings on disk: where they lie, how long they are, and what identifies their sound."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

SUFFIXES = (".flac", ".wav")
_FLAC_MD5 = slice(26, 42)  # of the STREAMINFO block: MD5 of the decoded samples (RFC 9639, 8.2)
_UNKNOWN_LENGTH = 2**62  # libsndfile's count is above it where a FLAC header names none
_BLOCK = 256
_SHOWN = 60  # characters of a name


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
    if Path(recording_id).name != recording_id or recording_id in {"", ".", ".."} or "\0" in recording_id:
        return "recording_id is not a plain file name"
    paths = [folder / f"{recording_id}{suffix}" for suffix in SUFFIXES]
    names = [_shown(path.name) for path in paths]
    try:
        path = next((p for p in paths if p.is_file()), None)
        if path is None:
            return f"no file {names[0]} or {names[1]} in {folder.name}"
        if folder.resolve() not in path.resolve().parents:
            return f"{_shown(path.name)} is a link that leaves {folder.name}"
        return _open(path)
    except OSError as error:
        return f"{names[0]} can't be opened ({error.strerror})"


def _open(path: Path) -> Recording | str:
    if not path.stat().st_size:
        return f"{_shown(path.name)} is empty"
    try:
        with path.open("rb"):  # libsndfile's word on a file that may not be opened is "System error"
            info = sf.info(path)
    except sf.LibsndfileError as error:
        return f"{_shown(path.name)} is not readable audio ({decoder_words(error)})"
    frames = info.frames if info.frames < _UNKNOWN_LENGTH else _count_frames(path)
    if frames <= 0:
        return f"{_shown(path.name)} holds no samples"
    return Recording(path, info.samplerate, frames, f"{info.samplerate}-{info.channels}-{_digest(path)}")


def decoder_words(error: sf.LibsndfileError) -> str:
    """What libsndfile says of a file, without its own jargon."""
    said = error.error_string.removeprefix("Error : ").rstrip(".")
    return "nothing that can be decoded lies there" if "psf_fseek" in said else said


def _count_frames(path: Path) -> int:
    """How many can be decoded, to within a block: an encoder that wrote to a pipe could not go back to its header."""
    count = 0
    with contextlib.suppress(sf.LibsndfileError), sf.SoundFile(path) as file:
        while len(file.read(_BLOCK, dtype="float32")) == _BLOCK:
            count += _BLOCK
    return count


def _shown(name: str) -> str:
    """A file's name as it can stand in a sentence."""
    printable = "".join(c if c.isprintable() else "�" for c in name)
    return printable if len(printable) <= _SHOWN else f"{printable[: _SHOWN // 2]}…{printable[-_SHOWN // 2 :]}"


def _digest(path: Path) -> str:
    """FLAC carries a checksum of its sound; any other file is hashed whole."""
    with path.open("rb") as file:
        head = file.read(42)
        if head[:4] == b"fLaC" and any(head[_FLAC_MD5]):
            return head[_FLAC_MD5].hex()
        file.seek(0)
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
