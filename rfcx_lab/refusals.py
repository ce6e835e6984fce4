"""What Hydra and OmegaConf refuse before a study begins, in one sentence that names the key and the nearest one."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hydra.errors import OverrideParseException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from rfcx_lab.config import SCHEMAS, Config, RungConfig, StepConfig
from rfcx_lab.errors import LabError

E = TypeVar("E", bound=BaseException)
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_PLURALS = {int: "whole numbers", float: "numbers", bool: "true or false", str: "texts", StepConfig: "steps"}
_TASK = (Path(__file__).with_name("__main__.py"), "main")  # what Hydra calls once there is a config
_LISTS = {
    "ladder.rungs": "change a rung in a file of your own, conf/ladder/mine.yaml",
    "steps.steps": "change a step in a file of your own beside conf/experiment/mended.yaml",
}
_LONGEST = 150  # characters of what a library says, or of an override


def explain(error: Exception, overrides: Sequence[str], *, conf: Path) -> str | None:
    """One sentence on why `overrides` give no config; None where the study had begun, and `error` is a bug."""
    if any((Path(frame.filename), frame.name) == _TASK for frame in traceback.extract_tb(error.__traceback__)):
        return None
    return _sentence(error, overrides, conf)


def _sentence(error: Exception, overrides: Sequence[str], conf: Path) -> str:
    told = _first(error, LabError)  # by a check of our own, amid Hydra's work
    if told is not None:
        return str(told)
    if isinstance(error, OSError) and error.errno is not None:  # Hydra's own word on a missing file has none
        return (
            f"{_cut(str(error.filename))} can't be written ({error.strerror}); set runs_dir to a folder on which "
            "you may write."
        )
    if isinstance(error, OverrideParseException) and "=" not in _outer(error.override):
        return f"{_cut(error.override)!r} is no override: write key=value."
    return _group_fault(overrides, conf) or _key_fault(_cause(error), overrides) or _in_its_words(error, overrides)


def read_config(composed: DictConfig, overrides: Sequence[str], *, conf: Path) -> Config:
    """The config as dataclasses, every value of its type.

    Raises:
        LabError: a key that no schema has (`+key=value` adds it, and no code reads it), a value that is not set, or one
            that `${…}` fetches and that is of another type.
    """
    _check_keys(composed)
    try:
        config = OmegaConf.to_object(composed)
    except MissingMandatoryValue as error:
        raise LabError(f"{error.full_key} is not set; add {error.full_key}=… to the command.") from error
    except OmegaConfBaseException as error:
        raise LabError(_sentence(error, overrides, conf)) from error
    assert isinstance(config, Config)
    _check_containers(config)
    return config


def _check_containers(node: Any, prefix: str = "") -> None:
    """OmegaConf checks the type of every number and text, but not of a list or a group that `${…}` fetches."""
    for name, hint in get_type_hints(type(node)).items():
        value, key = getattr(node, name), prefix + name
        if isinstance(value, str) and value == MISSING:  # what `~key` leaves of a key without a default
            raise LabError(f"{key} is not set; add {key}=… to the command.")
        if hint is Any:
            continue
        if (get_origin(hint) is list and not isinstance(value, list)) or is_dataclass(hint) != is_dataclass(value):
            raise LabError(f"{key}={_cut(str(value))}: must be {_in_words(hint)}.")
        for child in value if isinstance(value, list) else [value]:
            if is_dataclass(child):
                _check_containers(child, f"{key}.")


def _check_keys(composed: DictConfig) -> None:
    there = _keys_of(OmegaConf.to_container(composed, resolve=False))
    for key in there:
        group, _, rest = _plain(key).partition(".")
        schema = OmegaConf.get_type(composed, group) if rest and group in composed else None
        known = _keys(schema, f"{group}.") if is_dataclass(schema) else KEYS
        if _plain(key) not in known and not any(_plain(key).startswith(f"{name}.") for name in _LOOSE):
            deepest = [name for name in there if name.startswith(key)][-1]
            raise LabError(f"{_cut(deepest)}: {_no_such_key(_plain(deepest))}.")


def _group_fault(overrides: Sequence[str], conf: Path) -> str | None:
    """A group's option that there is no file for, or a group that is asked for in the wrong way."""
    groups = [override.partition("=")[0].lstrip("+") for override in overrides]
    for override, group in zip(overrides, groups, strict=True):
        key, _, value = override.partition("=")
        if not group.isidentifier() or not (conf / group).is_dir() or "=" not in override:
            continue
        options = sorted(path.stem for path in (conf / group).glob("*.yaml"))
        if value not in options:
            return (
                f"{_cut(override)}: there is no such option{_nearest(value, options)}; there are {', '.join(options)}."
            )
        if groups.count(group) > 1:
            return f"{group} is chosen twice; leave out one of {', '.join(o for o in overrides if group in o)}."
        if group == "experiment" and not key.startswith("+"):
            return f"{override}: write +{override}, with a plus: no experiment is chosen unless you add one."
        if group != "experiment" and key.startswith("+"):
            return f"{override}: write {override.lstrip('+')}, without a plus: that group has an option already."
    return None


def _key_fault(cause: OmegaConfBaseException | None, overrides: Sequence[str]) -> str | None:
    """A key that is not there, or a value of the wrong type."""
    if cause is None:
        return None
    key, rung = str(cause.full_key or ""), cause.object_type is RungConfig
    plain = _plain(key)
    if rung and plain not in KEYS:  # OmegaConf gives a rung's key alone
        plain = f"ladder.rungs.{plain}"
    override = next((o for o in overrides if o.lstrip("+~").split("=")[0] == key.split("[")[0]), "")
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        asked = (o.lstrip("+~").split("=")[0] for o in overrides)  # OmegaConf gives the first part that is not there
        whole = next((name for name in asked if name.startswith(f"{key}.")), None)
        return f"{_cut(whole or key)}: {_no_such_key(whole or plain)}."
    hint = KEYS.get(plain) or next((KEYS[known] for known in KEYS if known.endswith(f".{plain}")), None)
    if isinstance(cause, ValidationError) and hint is not None and not override.startswith("~"):
        wanted = _in_words(get_args(hint)[0] if key.endswith("]") else hint)
        return f"{_cut(override.lstrip('+')) or key}: {key} must be {wanted}."
    return None


def _in_its_words(error: Exception, overrides: Sequence[str]) -> str:
    cause = _cause(error)
    said = str(cause or error).strip().splitlines() or [type(error).__name__]
    if isinstance(error, OverrideParseException):
        return f"{_cut(error.override)}: not an override ({_cut(said[0])}); mend it, and mind the shell's quotes."
    if said[0].startswith("Ambiguous value"):
        override = next((o for o in overrides if o in said[0]), "")
        return f"{_cut(override)}: several values for one key; write [a,b] where a list is meant."
    for override in overrides:
        for name, remedy in _LISTS.items():
            if override.lstrip("+~").startswith(f"{name}."):
                return f"{_cut(override)}: {name} is a list; {remedy}."
    text = said[0] if cause is not None else " ".join(said)  # of OmegaConf's lines the first one says it
    named = [o for o in overrides if cause is not None and cause.full_key and str(cause.full_key) in o]
    return f"{_cut(' '.join(named or overrides))}: {_cut(text)}; `python -m rfcx_lab --cfg job` shows what is valid."


def _no_such_key(key: str) -> str:
    if key in KEYS:
        kinds = [name.removeprefix("schema_") for (_, name), node in SCHEMAS.items() if key in _keys(node, "data.")]
        return f"there is no such key with this data; it goes with data={' or data='.join(kinds)}"
    group = key.rpartition(".")[0]
    leaves = [known for known in KEYS if not any(other.startswith(f"{known}.") for other in KEYS)]
    siblings = [known.rpartition(".")[2] for known in KEYS if known.rpartition(".")[0] == group]
    nearest = _nearest(key, leaves if group else list(KEYS))
    listed = f"; {group} has {', '.join(siblings)}" if group and siblings else ""
    return f"there is no such key{nearest or listed}"


def _nearest(word: str, words: Sequence[str]) -> str:
    """The word that is meant: one that ends alike, in another group, or else one that is spelt alike."""
    found = [w for w in words if w.rpartition(".")[2] == word] or get_close_matches(word, words, n=1, cutoff=0.75)
    return f"; the nearest is {found[0]}" if found else ""


def _in_words(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join("null" if part is type(None) else _in_words(part) for part in get_args(hint))
    if get_origin(hint) is list:
        return f"a list of {_PLURALS.get(get_args(hint)[0], 'rungs')}, as in [a,b]"
    return _WORDS.get(hint, "a group of keys")


def _keys(node: Any, prefix: str = "") -> dict[str, Any]:
    """Every key under a schema, with its type; the elements of a list are written as the list."""
    keys: dict[str, Any] = {}
    for name, hint in get_type_hints(node).items():
        keys[prefix + name] = hint
        inner = next((arg for arg in (hint, *get_args(hint)) if is_dataclass(arg)), None)
        if inner is not None:
            keys |= _keys(inner, f"{prefix}{name}.")
    return keys


def _keys_of(node: Any, prefix: str = "") -> list[str]:
    if isinstance(node, list):
        return [key for i, child in enumerate(node) for key in _keys_of(child, f"{prefix}[{i}]")]
    if not isinstance(node, dict):
        return []
    keys = []
    for name, child in node.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        keys += [key, *_keys_of(child, key)]
    return keys


def _plain(key: str) -> str:
    """`ladder.rungs[0].lstm` -> `ladder.rungs.lstm`."""
    return "".join(part.partition("]")[2] if i else part for i, part in enumerate(key.split("[")))


def _outer(override: str) -> str:
    """What stands before the first bracket or quote."""
    return re.split(r"""[\[{'"(]""", override)[0]


def _cause(error: BaseException) -> OmegaConfBaseException | None:
    return _first(error, OmegaConfBaseException)


def _first(error: BaseException, kind: type[E]) -> E | None:
    """The first of that kind among `error` and what it came from."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, kind):
        found = found.__cause__ or found.__context__
    return found


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


KEYS = _keys(Config)
for (_group, _), _node in SCHEMAS.items():
    if _group is not None:
        KEYS |= _keys(_node, f"{_group}.")
"""Every key that some study has."""

_LOOSE = [key for key, hint in KEYS.items() if hint is Any]
"""Those that take a value of more than one kind, which is checked where it is used."""
