"""Data sets that are made, not recorded: each once, whole, under a name that follows from its settings."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock


def ensure_generated(
    settings: Mapping[str, object], write: Callable[[Path], None], *, under: Path, complete: str
) -> Path:
    """Return the folder of what `settings` describe, having `write` fill it first where there is none.

    Safe for several processes at once: one writes, the others wait for it. A folder appears under its name only when
    complete; the file `complete`, written last, holds the settings, and a folder without it is a killed one's leftover.
    """
    target = generated_path(settings, under=under)
    if (target / complete).exists():
        return target
    under.mkdir(parents=True, exist_ok=True)
    with FileLock(under / f".{target.name}.lock"):
        if (target / complete).exists():
            return target
        # Whoever holds the lock is alone: what lies here was left by a process that died.
        partial = under / f".{target.name}.partial"
        for leftover in (partial, target):
            shutil.rmtree(leftover, ignore_errors=True)
        write(partial)
        (partial / complete).write_text(json.dumps(settings, indent=2) + "\n")
        partial.rename(target)
    return target


def generated_path(settings: Mapping[str, object], *, under: Path) -> Path:
    """Where `ensure_generated` has, or will have, what `settings` describe."""
    return under / hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
