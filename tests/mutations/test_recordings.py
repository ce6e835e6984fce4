"""Recordings: bytes of FLAC files, and other files in their place."""

from __future__ import annotations

import io
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from rfcx_lab.errors import LabError
from tests.mutations.conftest import RATE, RECORDINGS, ROWS, assert_sentence, examples, prepare, tell

EXAMPLES = 120


def as_flac(samples: np.ndarray, rate: int) -> bytes:
    out = io.BytesIO()
    sf.write(out, samples, rate, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def as_wav(samples: np.ndarray, rate: int) -> bytes:
    out = io.BytesIO()
    sf.write(out, samples, rate, format="WAV", subtype="FLOAT")
    return out.getvalue()


def silent_wave(frames: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(2 * frames))
    return out.getvalue()


NOISE = np.random.default_rng(1).normal(0, 0.1, (3 * 96000, 8))
OTHER_FILES = [
    b"",
    b"recording_id,species_id\n",
    b"fLaC",
    b"\x89PNG\r\n\x1a\n" + bytes(200),
    silent_wave(0),
    silent_wave(2 * RATE),
    silent_wave(1000),
    as_flac(NOISE[: 2 * 96000], 96000),
    as_flac(NOISE[: 2 * 44100, :2], 44100),
    as_flac(NOISE[: 2 * 11025, 0], 11025),
    as_wav(np.full(2 * RATE, np.nan), RATE),
    as_wav(np.where(np.arange(2 * RATE) == RATE, np.inf, 0.0), RATE),
    as_wav(np.full((2 * RATE, 2), 3e38), RATE),
    as_wav(NOISE[: 2 * RATE, :3], RATE),
]
PLACE, LENGTH = st.floats(0, 0.999), st.integers(1, 4000)


def overwrite(content: bytes, place: float, new: bytes) -> bytes:
    start = int(place * len(content))
    return content[:start] + new + content[start + len(new) :]


AUDIO_MUTATIONS = st.one_of(
    st.builds(lambda p: lambda b: b[: int(p * len(b))], PLACE),
    st.builds(lambda p, n: lambda b: overwrite(b, p, bytes(n)), PLACE, LENGTH),
    st.builds(lambda p, new: lambda b: overwrite(b, p, new), PLACE, st.binary(min_size=1, max_size=40)),
    st.builds(lambda i, v: lambda b: b[:i] + bytes([v]) + b[i + 1 :], st.integers(0, 60), st.integers(0, 255)),
    st.builds(
        lambda p, new: lambda b: b[: int(p * len(b))] + new + b[int(p * len(b)) :], PLACE, st.binary(max_size=40)
    ),
    st.builds(lambda p, n: lambda b: b[: int(p * len(b))] + b[int(p * len(b)) + n :], PLACE, LENGTH),
    st.sampled_from(OTHER_FILES).map(lambda other: lambda b: other),
    st.sampled_from(["folder", "link", "gone"]),
)


def test_damaged_recordings_end_in_a_sentence_or_cost_their_own_rows_alone(damaged, healthy):
    outcomes: Counter[str] = Counter()
    clips, store = prepare(damaged(), features_too=True)
    expected = dict(zip(clips.table["line"], np.array(store.load()), strict=True))

    def damage(path: Path, change) -> None:
        if callable(change):
            path.write_bytes(change(path.read_bytes()))
            return
        path.unlink()
        if change == "folder":
            path.mkdir()
        elif change == "link":
            path.symlink_to(healthy / "train" / path.name)

    @examples(EXAMPLES)
    @given(
        st.dictionaries(st.integers(0, RECORDINGS - 1), AUDIO_MUTATIONS, min_size=1, max_size=3),
        st.sampled_from([0.1, 0.5, 1.0]),
    )
    def check(changes, max_rejected):
        root = damaged()
        for i, change in changes.items():
            damage(root / "train" / f"rec{i}.flac", change)
        hit = {f"rec{i}" for i in changes}
        try:
            clips, store = prepare(root, features_too=True, max_rejected=max_rejected)
        except LabError as error:
            outcomes["a sentence"] += 1
            assert_sentence(
                str(error), *(f"{name}.flac" for name in hit), "end of the recording at", "species", "split."
            )
            return
        outcomes["a study"] += 1
        assert len(clips.table) + len(clips.rejected) == ROWS
        assert set(clips.rejected["recording_id"]) <= hit
        windows = store.load()
        assert len(windows) == len(clips.table)
        assert np.isfinite(windows).all()
        for row, window in zip(clips.table.itertuples(), windows, strict=True):
            if row.recording_id not in hit:
                np.testing.assert_array_equal(window, expected[row.line])

    check()
    tell("recordings", outcomes)
