"""The command line: overrides of every key."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given
from hypothesis import strategies as st

from rfcx_lab.config import SoundscapeData
from rfcx_lab.data.clips import load_clips
from rfcx_lab.data.soundscape import soundscape_bytes
from rfcx_lab.data.splits import make_splits
from rfcx_lab.engine.engine import open_engine
from rfcx_lab.errors import LabError
from rfcx_lab.lab.checks import check_config, plan_of
from rfcx_lab.refusals import KEYS, explain, read_config
from tests.conftest import ROOT
from tests.mutations.conftest import assert_sentence, examples, tell

EXAMPLES = 150

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
    repeats = min(2, plan_of(config)[-1].repeats)
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

    @examples(EXAMPLES)
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
    wrong = "{x: 1}" if KEYS[key] in (int, float, bool, str, str | None) else "'no such thing'"
    listed = next((name for name in ("ladder.rungs", "steps.steps") if key.startswith(f"{name}.")), None)
    shown = listed or key
    with pytest.raises(LabError) as caught:
        begin("+experiment=smoke", f"{key}={wrong}")
    assert_sentence(str(caught.value), shown, key)
    with pytest.raises(LabError, match=r"there is no such key|is a list") as caught:
        begin("+experiment=smoke", f"{key}x=1")
    assert_sentence(str(caught.value), f"{key}x", shown)
