from __future__ import annotations

from rfcx_lab.report.audit_words import name_signal, sum_up


def test_a_sum_names_the_signals_of_its_status_alone():
    signals = [
        {"name": "box_seconds", "status": "amber"},
        {"name": "same_src_file", "status": "red"},
        {"name": "recording", "status": "red"},
    ]
    assert sum_up({"status": "red", "signals": signals}) == (
        "The model can name species by something other than sound: same src_file, same recording."
    )
    assert sum_up({"status": "amber", "signals": signals}).endswith(": length of the box.")
    assert sum_up({"status": "green", "signals": []}) == "Nothing was found that tells the species but sound."


def test_a_column_of_folds_is_called_as_it_is():
    assert name_signal("same_src_file") == "same src_file"
    assert name_signal("duplicate_windows") == "duplicate windows"
