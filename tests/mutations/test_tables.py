"""Tables: `train_tp.csv` and `folds.csv`."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcx_lab.errors import LabError
from tests.mutations.conftest import ROWS, assert_sentence, examples, prepare, tell

EXAMPLES = 200

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
    filled = [i for i, line in enumerate(lines, start=1) if line.strip(' "\t')]
    return set(filled[1:])


@pytest.mark.parametrize("name", ["train_tp.csv", "folds.csv"])
def test_a_damaged_table_ends_in_a_sentence_or_loses_no_row(damaged, name):
    outcomes: Counter[str] = Counter()

    @examples(EXAMPLES if name == "train_tp.csv" else EXAMPLES // 4)
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
