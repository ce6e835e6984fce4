"""Every answer on record falls into the statements that it was made of."""

from __future__ import annotations

import json

import pytest

from rfcx_lab.records import FOLDER
from rfcx_lab.verdict.statements import split_answer

DOCUMENTS = sorted(path for path in FOLDER.glob("**/*.json") if "answer" in json.loads(path.read_text()))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: "/".join(path.relative_to(FOLDER).parts))
def test_nothing_is_lost_and_every_statement_is_a_sentence(path):
    answer = json.loads(path.read_text())["answer"]
    statements = split_answer(answer)
    assert " ".join(statements) == answer
    assert len(statements) > 2
    assert all(one.endswith(".") and one.count("(") == one.count(")") for one in statements)


def test_a_ladder_s_answer_is_told_by_its_parts():
    document = json.loads((FOLDER / "ladder-soundscape" / "verdict.json").read_text())
    assert [statement.split(" ", 2)[:2] for statement in split_answer(document["answer"])] == [
        ["Trained", "for"],
        ["From", "which"],
        ["Recommended:", "LSTM"],
        ["+", "head"],
        ["+", "LSTM"],
        ["10", "of"],
    ]


def test_numbers_are_not_taken_apart():
    assert split_answer("It does (p < .001, 3.18 nats). It does not.") == [
        "It does (p < .001, 3.18 nats).",
        "It does not.",
    ]
