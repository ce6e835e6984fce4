"""Judges learning curves: `find_onset` one fit, `judge_ladder` a ladder of architectures.

Needs numpy and scipy only, knows no framework, and can judge anyone's curves. Names are loaded on first use,
so that reading the configuration costs no numpy import.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from rfcx_lab.verdict.config import JudgeConfig, OnsetConfig
    from rfcx_lab.verdict.curves import Curves
    from rfcx_lab.verdict.ladder import LadderVerdict, judge_ladder
    from rfcx_lab.verdict.onset import OnsetMonitor, Verdict, find_onset
    from rfcx_lab.verdict.rungs import RungInfo

__all__ = [
    "Curves",
    "JudgeConfig",
    "LadderVerdict",
    "OnsetConfig",
    "OnsetMonitor",
    "RungInfo",
    "Verdict",
    "find_onset",
    "judge_ladder",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["JudgeConfig", "OnsetConfig"],
        "curves": ["Curves"],
        "ladder": ["LadderVerdict", "judge_ladder"],
        "onset": ["OnsetMonitor", "Verdict", "find_onset"],
        "rungs": ["RungInfo"],
    },
)
