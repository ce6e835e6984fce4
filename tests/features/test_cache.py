from __future__ import annotations

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf

from rfcx_lab.config import DataConfig, FeatureConfig, WindowConfig
from rfcx_lab.data.clips import load_clips
from rfcx_lab.errors import LabError
from rfcx_lab.features.cache import ensure_windows, extract
from rfcx_lab.features.segments import plan_segments

WINDOW = WindowConfig(kind="fixed", seconds=1.0)
FEATURES = FeatureConfig(kind="mfcc", sample_rate=8000, n_fft=512, hop_length=256, n_mels=20, n_mfcc=10)


@pytest.fixture
def clips(rfcx_folder):
    return load_clips(rfcx_folder(), DataConfig(kind="rfcx"), seed=0)


def ensure(clips, under, *, window=WINDOW, features=FEATURES):
    store, unreadable = ensure_windows(clips, window=window, features=features, under=under)
    assert not unreadable
    return store


def test_second_run_reads_no_audio(clips, tmp_path, monkeypatch):
    opened = []
    original = sf.SoundFile.__init__
    monkeypatch.setattr(
        sf.SoundFile, "__init__", lambda self, *a, **k: (opened.append(a[0]), original(self, *a, **k))[1]
    )
    first = ensure(clips, tmp_path).load()
    assert len(opened) == 6
    again = ensure(clips, tmp_path).load()
    assert len(opened) == 6
    assert isinstance(again, np.memmap)
    np.testing.assert_array_equal(first, again)


def test_rows_stand_in_the_order_of_the_clips(clips, tmp_path):
    shuffled = replace(clips, table=clips.table.sample(frac=1, random_state=3).reset_index(drop=True))
    plain = ensure(clips, tmp_path).load()
    np.testing.assert_array_equal(ensure(shuffled, tmp_path).load(), plain[shuffled.table["line"].to_numpy() - 2])


def test_key_follows_features_window_and_sound_but_not_labels(clips, tmp_path, rfcx_folder):
    other_sound = load_clips(rfcx_folder(seconds=6.5, name="other"), DataConfig(kind="rfcx"), seed=0)
    keys = [
        ensure(clips, tmp_path).key,
        ensure(clips, tmp_path, features=replace(FEATURES, n_mfcc=9)).key,
        ensure(clips, tmp_path, window=replace(WINDOW, seconds=0.9)).key,
        ensure(other_sound, tmp_path).key,
    ]
    assert len(set(keys)) == 4
    relabelled = replace(clips, table=clips.table.assign(label=0))
    assert ensure(relabelled, tmp_path).key == keys[0]


def test_killed_computation_is_not_taken_for_complete(clips, tmp_path):
    def dying(function, items):
        yield function(next(iter(items)))
        raise KeyboardInterrupt

    many = replace(clips, table=clips.table.loc[np.repeat(clips.table.index, 4)].reset_index(drop=True))
    with pytest.raises(KeyboardInterrupt):
        ensure_windows(many, window=WINDOW, features=FEATURES, under=tmp_path, mapper=dying)
    windows = ensure(many, tmp_path).load()
    assert np.abs(windows).sum(axis=(1, 2)).min() > 0


def _ensure_in_process(clips, under, results):
    calls = []

    def counting(function, items):
        calls.append(1)
        return map(function, items)

    store, _ = ensure_windows(clips, window=WINDOW, features=FEATURES, under=under, mapper=counting)
    results.put((len(calls), float(store.load().sum())))


def test_several_processes_compute_once(clips, tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_ensure_in_process, args=(clips, tmp_path, results)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(calls for calls, _ in found) == 1
    assert len({total for _, total in found}) == 1


def test_crop_is_padded_with_zeros(clips):
    segments = plan_segments(clips, WindowConfig(kind="crop", frames=50))
    windows = np.stack(extract(segments[:4], features=FEATURES, frames=50))
    frames = 1 + 8000 // 256
    assert np.abs(windows[:, frames - 1]).min() > 0
    assert not windows[:, frames:].any()


def test_impossible_window_is_a_sentence(clips, tmp_path):
    with pytest.raises(LabError, match=r"less than window.seconds"):
        ensure(clips, tmp_path, window=WindowConfig(kind="fixed", seconds=60.0))


def test_prints_are_equal_where_windows_are(clips, tmp_path):
    """Two rows of the same box, as two species calling at once have."""
    table = clips.table.copy()
    columns = ["recording_id", "t_min", "t_max"]
    table.loc[1, columns] = table.loc[0, columns].to_numpy()
    store = ensure(replace(clips, table=table), tmp_path)
    prints = store.prints()
    assert prints[0] == prints[1]
    assert len(set(prints.tolist())) == len(table) - 1
    windows = store.load()
    assert all((prints[i] == prints[j]) == np.array_equal(windows[i], windows[j]) for i in range(4) for j in range(24))


def cut(path, share=0.5) -> bytes:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    return whole


def test_rows_behind_a_cut_are_told_and_the_others_kept(clips, tmp_path):
    expected = ensure(clips, tmp_path / "whole").load()
    path = clips.recordings["rec2"].path
    whole = cut(path)
    store, unreadable = ensure_windows(clips, window=WINDOW, features=FEATURES, under=tmp_path)
    assert list(unreadable) == [10, 11]
    assert all("rec2.flac can't be read from" in reason for reason in unreadable.values())
    kept = [i for i in range(24) if i not in unreadable]
    np.testing.assert_array_equal(store.load(), expected[kept])
    left = replace(clips, table=clips.table.iloc[kept].reset_index(drop=True))
    assert ensure(left, tmp_path) == store
    again = ensure_windows(clips, window=WINDOW, features=FEATURES, under=tmp_path, mapper=None)
    assert again == (store, unreadable)  # nothing but what could not be read is tried again
    path.write_bytes(whole)
    mended, unreadable = ensure_windows(clips, window=WINDOW, features=FEATURES, under=tmp_path)
    assert not unreadable
    np.testing.assert_array_equal(mended.load(), expected)


def test_one_of_two_files_is_mended(clips, tmp_path):
    expected = ensure(clips, tmp_path / "whole").load()
    whole = [cut(clips.recordings[name].path) for name in ("rec2", "rec4")]
    _, unreadable = ensure_windows(clips, window=WINDOW, features=FEATURES, under=tmp_path)
    assert list(unreadable) == [10, 11, 18, 19]
    clips.recordings["rec2"].path.write_bytes(whole[0])
    store, unreadable = ensure_windows(clips, window=WINDOW, features=FEATURES, under=tmp_path)
    assert list(unreadable) == [18, 19]
    np.testing.assert_array_equal(store.load(), np.delete(expected, [18, 19], axis=0))


def test_nothing_readable_is_told_too(clips, tmp_path):
    for recording in clips.recordings.values():
        cut(recording.path, share=0.01)
    _, unreadable = ensure_windows(clips, window=WINDOW, features=FEATURES, under=tmp_path)
    assert list(unreadable) == list(range(24))
