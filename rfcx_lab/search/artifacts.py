"""The figures that the Optuna dashboard shows beside a study and its trials: files in a folder beside the storage."""

from __future__ import annotations

import io
import json
import mimetypes
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

_PREFIX = "artifacts:"  # of the system attributes in which Optuna and its dashboard look for artifacts


def artifact_folder(storage: str, runs: Path) -> Path:
    """What `optuna-dashboard --artifact-dir` is to be given: beside a journal; of a database, in `runs`."""
    return (runs / "optuna" if "://" in storage else Path(storage).parent) / "artifacts"


def keep_artifact(place: optuna.Study | optuna.Trial, name: str, content: bytes, *, folder: Path) -> str:
    """Show `content` as the file `name` of a study, or of a trial that is not told yet, in the place of an earlier one.

    Returns its id. `optuna.artifacts.upload_artifact` would show it once more each time a sweep is gone on with.
    """
    from optuna import Study
    from optuna.artifacts import FileSystemArtifactStore

    of_study = isinstance(place, Study)
    storage = place._storage if isinstance(place, Study) else place.storage
    where = place._study_id if isinstance(place, Study) else place._trial_id
    there = storage.get_study_system_attrs(where) if of_study else storage.get_trial_system_attrs(where)
    folder.mkdir(parents=True, exist_ok=True)
    found = _listed(there)
    identity = found.get(name) or str(uuid.uuid4())
    FileSystemArtifactStore(folder).write(identity, io.BytesIO(content))
    if name not in found:
        mimetype, encoding = mimetypes.guess_type(name)
        meta = {"artifact_id": identity, "filename": name, "mimetype": mimetype, "encoding": encoding}
        write = storage.set_study_system_attr if of_study else storage.set_trial_system_attr
        write(where, f"{_PREFIX}{identity}", json.dumps(meta))
    return identity


def _listed(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The ids of artifacts by file name; null stands where one was deleted in the dashboard."""
    every = [json.loads(value) for key, value in attributes.items() if key.startswith(_PREFIX)]
    return {meta["filename"]: meta["artifact_id"] for meta in every if meta is not None}
