"""How fast the article's features are made: by seeking, against loading whole files as the article does.

    python benchmarks/features.py

Writes itself recordings of 60 s at 48 kHz, nearly all with one row, as in the competition's table, and times three ways
to the same MFCC (28 kHz, n_fft 255, hop 512, 128 coefficients, 400 frames) on them: a whole-file `librosa.load` per
row, one per recording, and `rfcx_lab`, in one process and with two workers. A minute.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from rfcx_lab.model.backend import prepare_process

prepare_process()  # one thread per process, before numpy is imported

import librosa
import numpy as np
import pandas as pd
import soundfile as sf
from hydra import compose, initialize_config_dir
from measure import Task, check, describe_machine, interleave, ratios, show
from numpy.typing import NDArray
from omegaconf import OmegaConf

from rfcx_lab.config import Config, EngineConfig, register_schemas
from rfcx_lab.data.clips import Clips, load_clips
from rfcx_lab.engine.engine import open_engine
from rfcx_lab.features.cache import Mapper, ensure_windows

CONF = Path(__file__).resolve().parents[1] / "conf"
RATE, SECONDS = 48_000, 60.0
TOLERANCE = 0.01  # dB-like units of an MFCC: what two resamplings that differ by 2e-5 may differ by

Frames = NDArray[np.float32]
Load = Callable[[Path], NDArray[np.float32]]


def main() -> int:
    """Measure, and say whether the aims are met."""
    options = _options()
    describe_machine(["librosa", "soundfile", "soxr", "numpy"])
    register_schemas()
    with tempfile.TemporaryDirectory() as folder, open_engine(EngineConfig("local", workers=2)) as engine:
        root = Path(folder)
        config = _config(root)
        _write_recordings(root, recordings=options.recordings, seed=options.seed)
        clips = load_clips(root, config.data, seed=0)
        print(f"{len(clips.table)} rows in {len(clips.recordings)} recordings of {SECONDS:.0f} s at {RATE} Hz")

        def fresh(mapper: Mapper = map) -> None:
            shutil.rmtree(root / "cache", ignore_errors=True)
            _ours(clips, config, root / "cache", mapper)

        fresh(engine.map)  # librosa is imported, here and in the workers, before anything is timed
        fresh()
        ways: dict[str, Task] = {
            "whole file per row": lambda: _theirs(clips, config, _load),
            "whole file per recording": lambda: _theirs(clips, config, cache(_load)),
            "rfcx_lab, one process": fresh,
            "rfcx_lab, two workers": lambda: fresh(engine.map),
        }
        taken = interleave(ways, rounds=options.rounds)
        show(taken)
        row, recording, one, two = taken.values()
        aims = [
            check("one process, times as fast as whole file per row", ratios(row, one), at_least=8),
            check("two workers, times as fast as whole file per row", ratios(row, two), at_least=14),
            check("one process, times as fast as whole file per recording", ratios(recording, one)),
            check("largest difference of an MFCC", [_difference(clips, config, root)], at_most=TOLERANCE),
            check("audio files opened by a warm run", [_opened(clips, config, root)], at_most=0),
        ]
    return 0 if all(aims) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _config(root: Path) -> Config:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        overrides = ["data=rfcx", f"data.root={root}", "features=article", "window=crop"]
        config = OmegaConf.to_object(compose("config", overrides=overrides))
    assert isinstance(config, Config)
    return config


def _write_recordings(root: Path, *, recordings: int, seed: int) -> None:
    """Noise with a chirp per row; every fifteenth recording has two rows: 1.07 rows each, as in the real table."""
    rng = np.random.default_rng(seed)
    (root / "train").mkdir()
    time, rows = np.arange(int(SECONDS * RATE)) / RATE, []
    for i in range(recordings):
        sound = rng.normal(0, 0.03, len(time))
        for _ in range(2 if i % 15 == 0 else 1):
            length = float(np.clip(rng.lognormal(np.log(1.86), 0.78), 0.27, 7.92))  # as long as the real boxes
            begin, pitch = rng.uniform(0, SECONDS - length), rng.uniform(500, 9000)
            inside = (time >= begin) & (time < begin + length)
            sound[inside] += 0.2 * np.sin(2 * np.pi * pitch * time[inside])
            rows.append((f"r{i:03}", i % 2, begin, begin + length))
        sf.write(root / "train" / f"r{i:03}.flac", sound, RATE, subtype="PCM_16")
    columns = ["recording_id", "species_id", "t_min", "t_max"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "train_tp.csv", index=False)


def _ours(clips: Clips, config: Config, under: Path, mapper: Mapper = map) -> Frames:
    store, _ = ensure_windows(clips, window=config.window, features=config.features, under=under, mapper=mapper)
    return store.load()


def _load(path: Path) -> NDArray[np.float32]:
    return librosa.load(path, sr=28_000)[0]


def _theirs(clips: Clips, config: Config, load: Load) -> Frames:
    """The article's calls, row by row, zero-padded or cut to the same number of frames."""
    frames, rows = config.window.frames or 0, []
    for name, begin, end in clips.table[["recording_id", "t_min", "t_max"]].itertuples(index=False):
        sound = load(clips.recordings[name].path)
        first = int(begin * 28_000 + 0.5)
        cut = sound[first : first + round((end - begin) * 28_000)]
        found = librosa.feature.mfcc(y=cut, n_fft=255, hop_length=512, n_mfcc=128).T[:frames]
        rows.append(np.pad(found, ((0, frames - len(found)), (0, 0))))
    return np.asarray(rows, dtype=np.float32)


def _difference(clips: Clips, config: Config, root: Path) -> float:
    return float(np.abs(_ours(clips, config, root / "cache") - _theirs(clips, config, cache(_load))).max())


def _opened(clips: Clips, config: Config, root: Path) -> int:
    """How many audio files are opened when the features are there."""
    opened: list[object] = []
    original = sf.SoundFile.__init__

    def counting(self: sf.SoundFile, file: object, *args: object, **kwargs: object) -> None:
        opened.append(file)
        original(self, file, *args, **kwargs)

    sf.SoundFile.__init__ = counting
    try:
        _ours(clips, config, root / "cache")
        warm = len(opened)
        _ours(clips, config, root / "again")
    finally:
        sf.SoundFile.__init__ = original
    assert len(opened) > warm, "the counter counts nothing"
    return warm


if __name__ == "__main__":
    sys.exit(main())
