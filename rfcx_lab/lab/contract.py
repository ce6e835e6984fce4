"""The JSON documents that studies leave, held to the schemas that are committed beside the verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from rfcx_lab.errors import LabError

_SCHEMAS = {
    "verdict": "schema.json",
    "evaluation": "evaluation.schema.json",
    "frontier": "frontier.schema.json",
    "steps": "steps.schema.json",
    "length": "length.schema.json",
}


def check_document(document: Mapping[str, Any]) -> None:
    """Hold a document to the schema that it names itself, as `rfcx_lab/verdict/2`.

    Raises:
        LabError: it names none that there is.
        jsonschema.ValidationError: it breaks the contract.
    """
    import jsonschema

    named = document.get("schema")
    kind = next((kind for kind in _SCHEMAS if str(named).startswith(f"rfcx_lab/{kind}/")), None)
    if kind is None:
        raise LabError(f"No schema is called {named}: rfcx_lab/KIND/NUMBER, of {', '.join(_SCHEMAS)}, is needed.")
    jsonschema.validate(document, json.loads((files("rfcx_lab.verdict") / _SCHEMAS[kind]).read_text()))
