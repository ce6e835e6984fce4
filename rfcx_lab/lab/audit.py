"""The audit of a study: what it is given, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rfcx_lab import console
from rfcx_lab.config import Config
from rfcx_lab.data.audit import Audit, audit_table
from rfcx_lab.data.clips import Clips
from rfcx_lab.data.splits import Split
from rfcx_lab.features.cache import WindowStore
from rfcx_lab.features.segments import plan_segments
from rfcx_lab.features.spectral import frames_of_sound
from rfcx_lab.report.table import AUDIT_HEADER, AUDIT_LEAST, audit_rows

_STYLES = {"green": "green", "amber": "yellow", "red": "bold red"}


def audit_clips(clips: Clips, splits: Sequence[Split], *, windows: WindowStore | None, config: Config) -> Audit:
    """Audit a study's clips; without `windows` by their tables alone."""
    if windows is None:
        boxes = (clips.table["t_max"] - clips.table["t_min"]).to_numpy(dtype=np.float64)
        seconds = np.full(len(boxes), config.window.seconds) if config.window.kind == "fixed" else boxes
        sounds = prints = None
    else:
        seconds = np.array([segment.stop - segment.start for segment in plan_segments(clips, config.window)])
        sounds = np.array([clips.recordings[name].digest for name in clips.table["recording_id"]])
        prints = windows.prints()
    return audit_table(
        clips.table,
        splits,
        frames=frames_of_sound(seconds, window=config.window, config=config.features),
        window=config.window.kind,
        split_by=config.split.group,
        margin=config.audit.margin,
        sounds=sounds,
        prints=prints,
    )


def say_audit(audit: Audit) -> None:
    """Print the signals, and in words what is not green."""
    document = audit.to_dict()
    styles = [_STYLES[signal.status] for signal in audit.signals]
    console.table(AUDIT_HEADER, audit_rows(document), styles=styles, least=AUDIT_LEAST)
    for signal in audit.signals:
        if signal.status != "green":
            console.say(f"{signal.status.capitalize()}: {signal.sentence}", style=_STYLES[signal.status])
    for missing in audit.not_checked:
        console.say(f"Not checked: {missing}", style="dim")
    console.say(f"Audit: {audit.status}.", style=_STYLES[audit.status])
