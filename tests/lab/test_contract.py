from __future__ import annotations

import json

import jsonschema
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.lab.contract import check_document
from rfcx_lab.records import FOLDER


@pytest.mark.parametrize("name", ["ladder-esc50/verdict.json", "frontier-esc50/frontier.json"])
def test_a_document_is_held_to_the_schema_that_it_names(name):
    document = json.loads((FOLDER / name).read_text())
    check_document(document)
    for key in ("answer", "data"):
        with pytest.raises(jsonschema.ValidationError, match=f"'{key}' is a required property"):
            check_document({k: v for k, v in document.items() if k != key})
    with pytest.raises(jsonschema.ValidationError):
        check_document({**document, "schema": "rfcx_lab/steps/1"})


@pytest.mark.parametrize("schema", [None, "rfcx_lab/answer/1", "verdict", 2])
def test_a_document_of_no_known_schema_is_refused_by_name(schema):
    with pytest.raises(LabError, match=rf"No schema is called {schema}: .* verdict, evaluation, frontier, steps"):
        check_document({"schema": schema})
