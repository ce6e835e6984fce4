"""Descriptions in Markdown, as MLflow's pages show them: of an experiment, a study, a rung, a fit and a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rfcx_lab.report.commands import NEXT, Next
from rfcx_lab.report.page import DASH, interval
from rfcx_lab.verdict import Verdict
from rfcx_lab.verdict.statements import split_answer

_MARKS = re.compile(r"([\\`*_\[\]|~#])")
_LIST = re.compile(r"^[+-](?= )")  # what would begin a list within the list
_ESCAPED = r"\\\g<0>"
_LONGEST = 2500  # characters of an answer: databases take 5000 for an experiment's description
WIDEST = 680  # pixels: what a run's page leaves for a picture in a window of 1280
_CLASSES = 40  # named in a description; all stand in a model's metadata
_READING = (
    "**What this is:** studies of where a classifier of sounds begins to overfit; above stands the latest one's "
    "answer. A study's run holds one per rung of its ladder, and these one per fit, named `rung · repeat`. "
    "`loss/train` and `loss/val` are cross-entropies in nats, measured in evaluation mode at the end of each epoch. "
    "`onset_epoch` is where the validation loss turns for good, and only fits that overfit have one; `best_epoch` is "
    "where it is lowest, with `loss/val_best`; `rise` is the last one over the lowest, minus 1. `status` is the "
    "verdict on a fit, how many of a rung's fits overfit, or whether a study's answer is established."
)


def study_note(answer: str, *, figure: str | None, following: Next | None, report: str | None = None) -> str:
    """The answer, statement by statement, its figure and what to run next. `figure` and `report` are addresses."""
    parts = set_out(answer)
    if following is not None:
        parts.append(f"**{NEXT}** {following.purpose}: {_code(following.command)}")
    if figure is not None:
        parts.append(f"![The study's figure]({figure})")
    if report is not None:
        parts.append(f"[The whole report]({report})")
    return "\n\n".join(parts)


def experiment_note(note: str, *, tables: Mapping[str, str]) -> str:
    """`note`, that of the latest study, first, since the UI shows one line; then tables by name, and how to read."""
    listed = " · ".join(f"[{name}]({address})" for name, address in tables.items())
    return f"{note}\n\n**Tables:** {listed}\n\n{_READING}"


def rung_note(rung: Mapping[str, Any]) -> str:
    """What a rung's repeats come to, in a line. `rung` is one of a verdict's."""
    statuses = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in rung["statuses"].items())
    mean = rung["val_loss_best"]
    best = DASH if mean is None else f"{mean[0]:.3f}" + (f" ± {mean[1]:.3f}" if mean[1] is not None else "")
    return (
        f"{rung['repeats']} repeats: {statuses}. Onset epoch {interval(rung['onset_epoch'])}, best epoch "
        f"{interval(rung['best_epoch'])}, best validation loss {best}, {rung['trainable_parameters']:,} trainable "
        "parameters. Intervals are 95 %; ± is one standard error."
    )


def fit_note(verdict: Verdict, *, failure: str | None, figure: str) -> str:
    """Why the fit is judged as it is, over its two pairs of curves."""
    return f"{escape(failure or verdict.reason)}\n\n![Losses and accuracies]({figure})"


def model_note(answer: str, *, origin: str, kept: str, shape: Sequence[int], axes: str, classes: Sequence[str]) -> str:
    """What a model is, and what it takes and gives; `kept` is `training.keep`."""
    when = "after its last epoch" if kept == "last" else "at its lowest validation loss"
    paragraphs = "\n\n".join(set_out(answer))
    listed = ", ".join(escape(name) for name in classes[:_CLASSES])
    more = f" and {len(classes) - _CLASSES} more" if len(classes) > _CLASSES else ""
    return (
        f"{paragraphs}\n\nThis is {escape(origin)}, {when}.\n\n"
        f"**In:** raw features `[windows, {', '.join(map(str, shape))}]` ({axes}), float32, as `input_example` has "
        f"them; normalisation is the model's first layer. **Out:** probabilities of {len(classes)} classes: "
        f"{listed}{more}."
    )


def escape(text: str) -> str:
    """`text` with nothing in it that Markdown or HTML would take for its own."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(r"\\\1", plain)


def narrow(svg: str, width: int = WIDEST) -> str:
    """A picture that takes no more than `width` pixels of a page, which would else grow beyond its window."""
    root = re.search(r"<svg[^>]*>", svg)
    box = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', root[0]) if root else None
    if root is None or box is None:
        return svg
    high = width * float(box[2]) / float(box[1])
    plain = re.sub(r'\s(width|height)="[^"]*"', "", root[0])
    return svg.replace(root[0], f'<svg width="{width}" height="{high:.0f}"{plain.removeprefix("<svg")}', 1)


def set_out(answer: str) -> list[str]:
    """Paragraphs: the first statement by itself, the others as a list."""
    first, *others = split_answer(_shorten(answer))
    listed = "\n".join(f"- {_LIST.sub(_ESCAPED, escape(each))}" for each in others)
    return [f"**{escape(first)}**", *([listed] if others else [])]


def _code(text: str) -> str:
    """Inline: a block would not be broken into lines, and make a page of the UI as wide as it is."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: text.rfind(' ', 0, _LONGEST)]} …"
