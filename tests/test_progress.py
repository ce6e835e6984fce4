"""What progress shows: live in a terminal of any size, in plain lines elsewhere."""

from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console

from rfcx_lab import console, progress
from rfcx_lab.progress import Sight

ROWS = [(f"LSTM {width} · 0", "epoch 3 of 28", "val loss 2.413", "train 1.902") for width in (8, 32, 128)]


@pytest.fixture
def terminal(monkeypatch):
    """Called with columns and lines, makes our console one of that size; what is written there can be read."""

    def make(columns: int, lines: int = 24, **options) -> io.StringIO:
        screen = io.StringIO()
        one = Console(file=screen, width=columns, height=lines, highlight=False, force_terminal=True, **options)
        for module in (console, progress):
            monkeypatch.setattr(module, "console", lambda: one)
        monkeypatch.setattr(progress.sys.stdout, "isatty", lambda: True, raising=False)
        return screen

    return make


def rendered(sight: Sight, screen: io.StringIO) -> list[str]:
    """The lines of one look."""
    shown = progress._LiveWatch("Fits", lambda: sight)
    shown._over = False
    progress.console().print(shown._render())
    return re.sub(r"\x1b\[[\d;]*m", "", screen.getvalue()).splitlines()


@pytest.mark.parametrize("columns", [24, 40, 60, 80, 200])
def test_what_is_under_way_fits_a_terminal_of_any_width(terminal, columns):
    lines = rendered(Sight("17 of 48", 0.4, ROWS), terminal(columns))
    assert len(lines) == 1 + len(ROWS)
    assert max(map(len, lines)) <= columns
    assert "17 of 48" in lines[0]
    assert ("━" in lines[0]) == (columns >= 40)
    assert all(
        line.split("·")[0].strip() == row[0].split("·")[0].strip() for line, row in zip(lines[1:], ROWS, strict=True)
    )
    assert ("epoch 3 of 28" in lines[1]) == (columns >= 40)
    assert ("train 1.902" in lines[1]) == (columns >= 60)


def test_more_workers_than_lines_are_counted(terminal):
    lines = rendered(Sight("0 of 99", 0.0, ROWS * 20), terminal(80, 16))
    assert len(lines) < 16
    assert lines[-1].strip() == f"and {60 - len(lines[1:-1])} more"


def test_no_colour_where_none_is_wanted(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    screen = terminal(80)
    rendered(Sight("1 of 2", 0.5, ROWS), screen)
    console.say("amber", style="yellow")
    codes = [
        int(code) for found in re.findall(r"\x1b\[([\d;]*)m", screen.getvalue()) for code in found.split(";") if code
    ]
    assert not [code for code in codes if code >= 30]


def test_time_left_is_told_by_the_work_and_not_by_the_start_of_workers(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = progress._LiveWatch("Fits", lambda: Sight("", 0.0))
    said = []
    for moment, share in ((130.0, 0.0), (140.0, 0.1), (150.0, 0.2), (180.0, 0.5)):
        now[0] = moment
        said.append(shown._left(Sight("", share)))
    assert said == ["…", "…", "1 min 20 s left", "50 s left"]


def test_lines_come_without_a_terminal_even_while_nothing_is_finished(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.001)
    looks, enough = iter([0.0, *[0.1 * n for n in range(5)]]), threading.Event()

    def look() -> Sight:
        share = next(looks, 0.5)
        if share >= 0.4:
            enough.set()
        return Sight("0 of 2", share, ROWS[:1])

    with progress.watch("Fits", look):
        assert enough.wait(60)
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\r" not in out and "━" not in out
    assert re.match(r"Fits: 0 of 2, … · LSTM 8 · 0 epoch 3 of 28 val loss 2.413\n", out)
    assert re.search(r"^Fits: 0 of 2, \d+ s left · LSTM 8 · 0", out, re.MULTILINE)
    assert out.splitlines()[-1].startswith("Fits: 0 of 2 after ")


def test_what_is_soon_done_says_nothing_without_a_terminal(capsys):
    assert list(progress.track(range(3), "Features", total=3)) == [0, 1, 2]
    assert capsys.readouterr().out == ""


def test_table_leaves_out_what_is_least_needed(terminal):
    rows = [("+ head dropout (remedy)", "99,999", "6 of 6", "7.5 [6, 17]")]
    header = ("Rung", "Parameters", "Overfit", "Onset epoch")
    wide = terminal(100)
    console.table(header, rows, least=("Parameters", "Onset epoch"))
    assert "99,999" in wide.getvalue() and "left out" not in wide.getvalue()
    narrow = terminal(60)
    console.table(header, rows, least=("Parameters", "Onset epoch"))
    assert "99,999" not in narrow.getvalue()
    assert "7.5 [6, 17]" in narrow.getvalue() and "left out: Parameters." in narrow.getvalue()
    tiny = terminal(24)
    console.table(header, rows, least=("Parameters", "Onset epoch"))
    assert "6 of 6" in tiny.getvalue() and "dropout" in tiny.getvalue() and "7.5" not in tiny.getvalue()


def test_long_names_are_folded_rather_than_columns_left_out(terminal):
    name, header = "normalised by the training part, per coefficient", ("Step", "Best", "Gap")
    screen = terminal(68)
    console.table(header, [(name, "2.74 [2.69, 2.78]", "3.77")], least=("Gap", "Best"))
    shown = screen.getvalue()
    assert "2.74 [2.69, 2.78]" in shown and "3.77" in shown and "left out" not in shown
    assert [word for word in name.split() if word not in shown] == []


def test_a_path_stays_in_one_piece(terminal):
    screen, path = terminal(40), "runs/studies/ladder/2026-01-01_00-00-00/verdict.json"
    console.say(path, whole=True)
    assert path in screen.getvalue()
