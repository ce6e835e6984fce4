"""Damaged input, by the hundred: it ends in one sentence before training, or no row is lost without a word.

`pytest tests/test_mutations.py -s` prints how many inputs were tried, and how they ended.
"""

from __future__ import annotations

import io
import re
import shutil
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rfcx_lab.config import DataConfig, FeatureConfig, SoundscapeData, SplitConfig, WindowConfig
from rfcx_lab.data.clips import load_clips, reject_rows
from rfcx_lab.data.soundscape import soundscape_bytes
from rfcx_lab.data.splits import make_splits
from rfcx_lab.errors import LabError
from rfcx_lab.features.cache import ensure_windows, locate_windows
from rfcx_lab.features.segments import too_short
from rfcx_lab.lab.checks import check_config
from rfcx_lab.lab.engine import open_engine
from rfcx_lab.refusals import KEYS, explain, read_config
from tests.conftest import ROOT

CSV_EXAMPLES, AUDIO_EXAMPLES, OVERRIDE_EXAMPLES = 200, 120, 150
RECORDINGS, ROWS, RATE = 10, 30, 8000
SPLIT = SplitConfig(group="recording_id", test_fraction=0.25, validation_fraction=0.25)
WINDOW = WindowConfig(kind="fixed", seconds=0.5)
FEATURES = FeatureConfig(kind="mfcc", sample_rate=RATE, n_fft=256, hop_length=512, n_mels=16, n_mfcc=8)
COLUMNS = ["recording_id", "species_id", "songtype_id", "t_min", "f_min", "t_max", "f_max"]


def examples(count: int):
    """So many inputs, the same ones in every run."""
    return settings(
        max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )


def assert_sentence(error: str, *names: str) -> None:
    assert "\n" not in error
    assert 10 < len(error) < 400, error
    assert error.endswith("."), error
    assert any(name in error for name in names), error


def tell(kind: str, outcomes: Counter) -> None:
    """What the README says; a mutation that never does harm would test nothing, and one that always does neither."""
    print(f"\n{kind}: {sum(outcomes.values())} inputs, {dict(outcomes)}")
    assert min(outcomes.values()) > sum(outcomes.values()) / 50  # which inputs are drawn depends on what is imported


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("healthy")
    (root / "train").mkdir()
    rng = np.random.default_rng(0)
    lines = [",".join(COLUMNS)]
    for i in range(RECORDINGS):
        sf.write(root / "train" / f"rec{i}.flac", rng.normal(0, 0.1, 2 * RATE), RATE, subtype="PCM_16")
        for j in range(3):
            start = 0.1 + 0.6 * j
            lines.append(f"rec{i},{(i + j) % 3},1,{start:.2f},100.0,{start + 0.5:.2f},3000.0")
    (root / "train_tp.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def damaged(healthy, tmp_path):
    """Makes a fresh copy of the healthy folder, always in the same place."""

    def make() -> Path:
        root = tmp_path / "d"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(healthy, root)
        return root

    return make


def prepare(root: Path, *, features_too: bool, **options):
    """What comes before training: the clips that are left, and their windows."""
    config = DataConfig(kind="rfcx", **options)
    clips = load_clips(root, config, seed=0)
    clips = reject_rows(clips, too_short(clips, WINDOW), config=config, seed=0)
    split(clips)
    if not features_too:
        return clips, locate_windows(clips, window=WINDOW, features=FEATURES, under=root / "cache")
    store, unreadable = ensure_windows(clips, window=WINDOW, features=FEATURES, under=root / "cache")
    clips = reject_rows(clips, unreadable, config=config, seed=0)
    split(clips)
    return clips, store


def split(clips) -> None:
    names, groups = clips.species_names, clips.groups("recording_id")
    for part in make_splits(clips.labels, groups, config=SPLIT, repeats=2, seed=0, species_names=names):
        assert len(part.train) + len(part.validation) + len(part.test) == len(clips.table)


# --- the table -------------------------------------------------------------------------------------------------------

NASTY_CELLS = [
    *(
        "",
        " ",
        "NaN",
        "inf",
        "-inf",
        "1e400",
        "-1",
        "0",
        "007",
        "1,5",
        "1e300",
        "0x10",
        "True",
        "None",
        "NA",
        "１",
        "2.5",
    ),
    *(
        "../x",
        "/etc/passwd",
        "rec0/",
        "rec0.flac",
        ".",
        "..",
        "rec\x00",
        "é",
        "🦉",
        "a" * 5000,
        "rec 0",
        "rec0 ",
        "=1+1",
    ),
    *('"', '""', 'a"b', "'", "\t", "\u2028", "\x85", "99999999999999999999", "9007199254740993"),
]
CELLS = st.one_of(
    st.sampled_from(NASTY_CELLS),
    st.text(max_size=8),
    st.floats().map(str),
    st.integers().map(str),
)
LINE = st.integers(0, ROWS)


def set_cell(text: str, line: int, column: int, cell: str) -> str:
    lines = text.split("\n")
    line %= len(lines)
    fields = lines[line].split(",")
    fields[column % len(fields)] = cell
    return "\n".join([*lines[:line], ",".join(fields), *lines[line + 1 :]])


def change_line(text: str, line: int, change) -> str:
    lines = text.split("\n")
    line %= len(lines)
    return "\n".join([*lines[:line], *change(lines[line]), *lines[line + 1 :]])


def change_column(text: str, column: int, change) -> str:
    rows = [line.split(",") for line in text.split("\n")]
    return "\n".join(",".join(change(row, column)) if len(row) > column else ",".join(row) for row in rows)


def quote_over_lines(text: str, line: int, column: int, count: int) -> str:
    """A quote before a field, and one behind the same field some lines below: all between is one field then."""
    lines = [row.split(",") for row in text.split("\n")]
    first, last = lines[line % len(lines)], lines[(line + count) % len(lines)]
    first[column % len(first)] = '"' + first[column % len(first)]
    last[column % len(last)] += '"'
    return "\n".join(",".join(row) for row in lines)


TEXT_MUTATIONS = st.one_of(
    st.builds(lambda i, j, n: lambda t: quote_over_lines(t, i, j, n), LINE, st.integers(0, 6), st.integers(0, 3)),
    st.builds(lambda i, j, c: lambda t: set_cell(t, i, j, c), LINE, st.integers(0, 6), CELLS),
    st.builds(lambda i, j, c: lambda t: set_cell(t, i, j, c), LINE, st.sampled_from([0, 1, 3, 5]), CELLS),
    st.builds(lambda i: lambda t: change_line(t, i, lambda line: [line, line]), LINE),
    st.builds(lambda i: lambda t: change_line(t, i, lambda line: []), LINE),
    st.builds(lambda i: lambda t: change_line(t, i, lambda line: [line, "", " ", ",,,,,,"]), LINE),
    st.builds(
        lambda i, s: lambda t: change_line(t, i, lambda line: [line + s]), LINE, st.sampled_from([",", ",7", '"'])
    ),
    st.builds(lambda j: lambda t: change_column(t, j, lambda r, k: r[:k] + r[k + 1 :]), st.integers(0, 6)),
    st.builds(lambda j: lambda t: change_column(t, j, lambda r, k: [*r, r[k]]), st.integers(0, 6)),
    st.builds(lambda j: lambda t: change_column(t, j, lambda r, k: r[k:] + r[:k]), st.integers(0, 6)),
    st.builds(lambda s: lambda t: t.replace(",", s), st.sampled_from([";", "\t", ", ", " ,", "|"])),
    st.builds(lambda s: lambda t: t.replace("\n", s), st.sampled_from(["\r\n", "\r", "\n\n"])),
    st.builds(
        lambda i, s: lambda t: t[: i % (len(t) + 1)] + s + t[i % (len(t) + 1) :],
        st.integers(0, 2000),
        st.text(max_size=3),
    ),
)
BYTE_MUTATIONS = st.one_of(
    st.builds(lambda i: lambda b: b[: i % (len(b) + 1)], st.integers(0, 2000)),
    st.builds(
        lambda i, k: lambda b: b[: i % len(b)] + bytes([b[i % len(b)] ^ (1 << k)]) + b[i % len(b) + 1 :] if b else b,
        st.integers(0, 2000),
        st.integers(0, 7),
    ),
    st.sampled_from(["utf-8-sig", "utf-16", "latin-1"]).map(
        lambda name: lambda b: b.decode(errors="replace").replace("rec1", "récø").encode(name, errors="replace")
    ),
)


def rows_in(content: bytes) -> set[int]:
    """The lines of a CSV file that hold a row, counted without any CSV reader."""
    lines = re.split(r"\r\n|\n|\r", content.decode("utf-8-sig"))
    filled = [i for i, line in enumerate(lines, start=1) if line.strip(' ,"\t')]
    return set(filled[1:])


@pytest.mark.parametrize("name", ["train_tp.csv", "folds.csv"])
def test_a_damaged_table_ends_in_a_sentence_or_loses_no_row(damaged, name):
    outcomes: Counter[str] = Counter()

    @examples(CSV_EXAMPLES if name == "train_tp.csv" else CSV_EXAMPLES // 4)
    @given(
        st.lists(TEXT_MUTATIONS, min_size=1, max_size=3),
        st.lists(BYTE_MUTATIONS, max_size=1),
        st.sampled_from([0.1, 1.0]),
    )
    def check(texts, byte_changes, max_rejected):
        root = damaged()
        text = (root / "train_tp.csv").read_text()
        for change in texts:
            text = change(text)
        content = text.encode(errors="replace")
        for change in byte_changes:
            content = change(content)
        (root / name).write_bytes(content)
        try:
            clips, _ = prepare(root, features_too=False, max_rejected=max_rejected)
        except LabError as error:
            outcomes["a sentence"] += 1
            assert_sentence(str(error), name, "train_tp.csv", "split.", "recording_id")
            return
        outcomes["a study"] += 1
        lines = [*clips.table["line"], *clips.rejected["line"]]
        assert len(lines) == len(set(lines))
        assert set(lines) == rows_in((root / "train_tp.csv").read_bytes())
        assert (clips.rejected["reason"].str.len() > 5).all()
        for row in clips.table.itertuples():
            assert 0 <= row.t_min < row.t_max <= 2.01
            assert (root / "train" / f"{row.recording_id}.flac").is_file()

    check()
    tell(name, outcomes)


# --- the recordings --------------------------------------------------------------------------------------------------


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

    @examples(AUDIO_EXAMPLES)
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


# --- the command line ------------------------------------------------------------------------------------------------

NASTY_VALUES = [
    *("abc", "null", "-1", "0", "1", "7", "0.3", "2.5", "1e400", "nan", "-inf", "1000000000000", "true", "[]", "[1,2]"),
    *("[a]", "{}", "{a: 1}", "''", "'a b'", "${nowhere}", "${name}", "???", "../x", "/etc/passwd", "[{name: x}]"),
    *("[{name: x, lstm: [8]}, {name: x, lstm: [8]}]", "[{name: x, lstm: [0]}]", "[[", "a=b", "1,2", "\\", '"', "é"),
]
VALUES = st.one_of(
    st.sampled_from(NASTY_VALUES),
    st.text(max_size=6),
    st.integers().map(str),
    st.floats().map(str),
)
PREFIXES = st.sampled_from(["", "", "", "", "+", "++", "~"])


@st.composite
def overrides(draw) -> str:
    key = draw(st.sampled_from(sorted(KEYS)))
    if draw(st.integers(0, 4)) == 0:  # misspelt
        i = draw(st.integers(0, len(key) - 1))
        key = key[:i] + draw(st.sampled_from(["", "x", "."])) + key[i + 1 :]
    value = draw(VALUES)
    return f"{draw(PREFIXES)}{key}={value}"


def begin(*arguments: str) -> None:
    """All that a command does before it reads data, with the sentence that it would end with raised as a LabError."""
    try:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            composed = compose("config", overrides=list(arguments))
    except Exception as error:
        sentence = explain(error, arguments, conf=ROOT / "conf")
        assert sentence is not None
        raise LabError(sentence) from error
    config = read_config(composed, arguments, conf=ROOT / "conf")
    check_config(config)
    if isinstance(config.data, SoundscapeData):
        soundscape_bytes(config.data, under=Path(config.runs_dir))
    load_or_miss(config)
    groups = np.array([f"g{i}" for i in range(40) for _ in range(3)])
    labels = np.arange(120) % 3
    repeats = min(2, config.ladder.repeats)
    make_splits(labels, groups, config=config.split, repeats=repeats, seed=config.seed, species_names=["a", "b", "c"])
    with open_engine(config.engine):
        pass


def load_or_miss(config) -> None:
    """The data's own settings are checked where the data is read; here there is none."""
    with pytest.raises(LabError) as caught:
        load_clips(Path("nowhere"), config.data, seed=config.seed)
    if "nowhere" not in str(caught.value):
        raise caught.value


def test_a_damaged_override_ends_in_a_sentence_or_is_valid():
    outcomes: Counter[str] = Counter()

    @examples(OVERRIDE_EXAMPLES)
    @given(overrides())
    def check(override):
        try:
            begin("+experiment=smoke", override)
        except LabError as error:
            outcomes["a sentence"] += 1
            assert_sentence(str(error), *key_parts(override))
            return
        outcomes["a study"] += 1

    check()
    tell("overrides", outcomes)


def key_parts(override: str) -> list[str]:
    """What of an override a sentence may name: its key, or the start of what can't be parsed."""
    key = override.lstrip("+~").split("=")[0]
    return [key, key.split(".")[-1].split("[")[0], override[:20], "ladder"]


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_refuses_what_it_can_not_be(key):
    """A group of keys for a value, and a value for a group of keys."""
    wrong = "{x: 1}" if KEYS[key] in (int, float, bool, str) else "'no such thing'"
    shown = key if not key.startswith("ladder.rungs.") else "ladder.rungs"
    with pytest.raises(LabError) as caught:
        begin("+experiment=smoke", f"{key}={wrong}")
    assert_sentence(str(caught.value), shown, key)
    with pytest.raises(LabError, match=r"there is no such key|is a list") as caught:
        begin("+experiment=smoke", f"{key}x=1")
    assert_sentence(str(caught.value), f"{key}x", "ladder.rungs")
