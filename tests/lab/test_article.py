"""`+experiment=article` against the article's own calls, written out by hand: librosa, scikit-learn and Keras."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from types import SimpleNamespace

import keras
import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split

from rfcx_lab.engine.fits import FitStore
from rfcx_lab.engine.work import _part, _scaling
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.model.rung import build_model
from rfcx_lab.model.scaling import normalise
from tests.conftest import compose_config

FRAMES = 80
EPOCHS = 4
SPECIES = 3


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Three species that whistle at their own pitch, in boxes of any length, the longest beyond FRAMES."""
    root = tmp_path_factory.mktemp("article") / "data"
    (root / "train").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), []
    for i in range(16):
        samples = rng.normal(0, 0.05, 48_000 * 8)
        for j in range(5):
            start, length = 0.1 + 1.55 * j + rng.uniform(0, 0.05), rng.uniform(0.27, 1.46)
            species = int(rng.integers(SPECIES))
            at = slice(round(start * 48_000), round((start + length) * 48_000))
            samples[at] += 0.3 * np.sin(2 * np.pi * (900 + 700 * species) * np.arange(at.stop - at.start) / 48_000)
            rows.append((f"rec{i}", 3 * species, round(start, 4), round(start + length, 4)))
        sf.write(root / "train" / f"rec{i}.flac", samples, 48_000, subtype="PCM_16")
    rows.append(("rec3", 0, 0.1, 0.1 + 1.6))  # 88 frames
    table = pd.DataFrame(rows, columns=["recording_id", "species_id", "t_min", "t_max"])
    table.sample(frac=1, random_state=0).to_csv(root / "train_tp.csv", index=False)
    return root


@pytest.fixture(scope="module")
def config(root, tmp_path_factory):
    return compose_config(
        "+experiment=article", "data=rfcx", f"data.root={root}", f"window.frames={FRAMES}", "engine=inline",
        f"training.epochs={EPOCHS}", f"runs_dir={tmp_path_factory.mktemp('runs')}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def climb(config, tmp_path_factory):
    return climb_ladder(config, tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def study(config):
    return prepare_study(config)


def padding(array, xx, yy):
    """What the article pads with (stackoverflow.com/questions/59241216), but that it cuts what is too long."""
    h, w = array.shape
    a, b = max((xx - h) // 2, 0), max((yy - w) // 2, 0)
    aa, bb = max(0, xx - a - h), max(yy - b - w, 0)
    return np.pad(array, pad_width=((a, aa), (b, bb)), mode="constant")[:, :yy]


@pytest.fixture(scope="module")
def article(root):
    """Its features, normalisation and parts."""
    df = pd.read_csv(root / "train_tp.csv")
    features, labels = [], []
    for index in range(len(df)):
        row = df.iloc[index]
        y, sr = librosa.load(root / "train" / f"{row['recording_id']}.flac", sr=28000)
        y_cut = y[round(row["t_min"] * sr, ndigits=None) : round(row["t_max"] * sr, ndigits=None)]
        with warnings.catch_warnings(action="ignore"):  # empty mel bands
            mfcc = librosa.feature.mfcc(y=y_cut, n_fft=255, hop_length=512, n_mfcc=128)
        features.append(np.array([padding(mfcc, 1, FRAMES)]))
        labels.append(row["species_id"])
    raw, y = np.concatenate(features, axis=0), np.array(labels)
    X = np.array((raw - np.min(raw)) / (np.max(raw) - np.min(raw)))  # noqa: N806
    X = X / np.std(X)  # noqa: N806
    rows = np.arange(len(X))
    options = {"test_size": 0.25, "random_state": 123}
    rest, test, y_rest, y_test = train_test_split(rows, y, stratify=y, **options)
    train, val, y_train, y_val = train_test_split(rest, y_rest, **options)
    parts = {"train": (train, y_train), "validation": (val, y_val), "test": (test, y_test)}
    return SimpleNamespace(raw=raw, X=X, y=y, parts=parts)


def test_features_are_the_article_s(study, article):
    windows = study.windows.load().transpose(0, 2, 1)
    assert windows.shape == article.raw.shape == (81, 128, FRAMES)
    height = article.raw.max() - article.raw.min()
    np.testing.assert_allclose(windows / height, article.raw / height, atol=1e-5)
    lengths = (np.abs(article.raw).sum(axis=1) > 0).sum(axis=1)
    assert len(set(lengths)) > 20
    assert (article.raw[:, :, 0] == 0).all(axis=1).mean() > 0.9  # padded in front, too


def test_rows_of_each_part_are_the_article_s_in_its_order(study, article):
    split = study.splits[0]
    for name, (rows, labels) in article.parts.items():
        np.testing.assert_array_equal(getattr(split, name), rows)
        np.testing.assert_array_equal(3 * study.clips.labels[rows], labels)
    recordings = study.clips.table["recording_id"]
    assert set(recordings[split.train]) & set(recordings[split.test])  # which only a split by row may have


def test_normalised_input_is_the_article_s(study, article):
    spec = study.fits[0]
    scaling = _scaling(spec)["scaling"]
    for name, (rows, _) in article.parts.items():
        part = _part(spec, getattr(spec.split, name))
        assert part.windows.shape == (len(rows), 128, FRAMES)
        ours = normalise(part.windows, scaling)
        np.testing.assert_allclose(ours / article.X.max(), article.X[rows] / article.X.max(), atol=1e-5)


@pytest.fixture(scope="module")
def by_hand(study, article):
    """The article's model and fit, from the weights and the dropout masks of ours."""
    spec = study.fits[0]
    ours = build_model(spec.rung, input_shape=(128, FRAMES), classes=SPECIES, seed=spec.seed)
    model = keras.Sequential()
    model.add(keras.Input((128, FRAMES)))
    model.add(keras.layers.LSTM(128))
    model.add(keras.layers.Dropout(0.2))
    model.add(keras.layers.Dense(128, activation="relu"))
    model.add(keras.layers.Dense(64, activation="relu"))
    model.add(keras.layers.Dropout(0.4))
    model.add(keras.layers.Dense(48, activation="relu"))
    model.add(keras.layers.Dropout(0.4))
    model.add(keras.layers.Dense(SPECIES, activation="softmax"))
    model.set_weights(ours.get_weights())
    for mine, theirs in zip(model.layers, ours.layers, strict=True):
        if isinstance(mine, keras.layers.Dropout):
            mine.seed_generator.state.assign(theirs.seed_generator.state)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["acc"])
    data = {name: (article.X[rows], labels // 3) for name, (rows, labels) in article.parts.items()}
    history = model.fit(
        *data["train"], epochs=EPOCHS, batch_size=72, validation_data=data["validation"], shuffle=False, verbose=0
    )
    return SimpleNamespace(model=model, history=history.history, data=data)


def test_curves_are_those_of_the_article_s_fit(climb, by_hand):
    [curves] = climb.record.curves["article's stack"]
    for ours, theirs in (
        (curves.train_loss, "loss"), (curves.train_accuracy, "acc"),
        (curves.val_loss, "val_loss"), (curves.val_accuracy, "val_acc"),
    ):  # fmt: skip
        assert ours == pytest.approx(by_hand.history[theirs], abs=1e-5)


def test_evaluation_is_that_of_the_article_s_last_model(climb, by_hand):
    path = next(path for path in climb.files if path.name == "evaluation.json")
    document = json.loads(path.read_text())
    check_document(document)
    assert (document["epoch"], document["kept"]) == (EPOCHS, "last")
    for name, data in by_hand.data.items():
        loss, accuracy = by_hand.model.evaluate(*data, verbose=0)
        found = document["parts"][name]
        assert (found["loss"], found["accuracy"]) == pytest.approx((loss, accuracy), abs=1e-5)
        assert found["rows"] == len(data[1])
    X, y = by_hand.data["test"]  # noqa: N806
    said = by_hand.model.predict(X, verbose=0).argmax(axis=1)
    assert document["confusion"] == confusion_matrix(y, said, labels=range(SPECIES)).tolist()


def test_files_are_there_and_the_figure_shows_four_curves(climb):
    names = {path.name for path in climb.files}
    assert {f"{stem}.{suffix}" for stem in ("evaluation", "confusion") for suffix in ("png", "svg")} <= names
    from rfcx_lab.report.evaluation_figure import evaluation_figure

    [curves] = climb.record.curves["article's stack"]
    document = json.loads(next(path for path in climb.files if path.name == "evaluation.json").read_text())
    panels = evaluation_figure(curves, document).axes
    drawn = {line.get_label(): tuple(line.get_ydata()) for panel in panels for line in panel.lines}
    assert drawn["training loss"] == curves.train_loss
    assert drawn["validation loss"] == curves.val_loss
    assert drawn["training accuracy"] == curves.train_accuracy
    assert drawn["validation accuracy"] == curves.val_accuracy


def test_audit_and_warnings_say_what_is_wrong(climb):
    signals = {signal["name"]: signal for signal in climb.document["audit"]["signals"]}
    assert climb.document["audit"]["split_by"] == "row"
    assert signals["recording"]["status"] in ("amber", "red")
    assert "set split.group=recording_id" in signals["recording"]["sentence"]
    said = " ".join(climb.document["warnings"])
    for key in ("mel bands are empty", "features.mel_rate", "features.time_major", "split.group=row",
                "training.scaling=all_global", "training.shuffle", "training.train_loss=running"):  # fmt: skip
        assert key in said
    document = json.loads(next(path for path in climb.files if path.name == "evaluation.json").read_text())
    assert set(climb.document["warnings"]) < set(document["wrong"])


def test_one_rung_and_one_repeat_are_told_as_such(climb, study):
    answer = climb.document["answer"]
    assert "rung" not in answer.split(".")[0].replace("rungs", "rung") or "1 repeat" in answer
    assert climb.document["test"]["rung"] == "article's stack"
    assert climb.document["test"]["kept"] == "last"
    assert math.isfinite(climb.document["test"]["loss"][0])


def test_nothing_is_trained_or_measured_anew(climb, config, study, tmp_path, monkeypatch):
    assert FitStore(study.store).has(study.fits[0].key)
    again = climb_ladder(config, tmp_path, fit=None)
    assert again.document["test"] == climb.document["test"]
