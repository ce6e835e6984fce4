"""Pages that are one file each: everything they need stands in them, and they ask no one for anything.

Text from data is escaped (Jinja's autoescape), and a content security policy keeps the page from the network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from rfcx_lab.report import exhibit
from rfcx_lab.report.audit_words import name_signal, sum_up
from rfcx_lab.verdict.statements import split_answer

if TYPE_CHECKING:
    from jinja2 import Environment

DASH = "–"
EMBEDDED = "the embedded soundscape"  # what data that have no folder of their own are called


def render(template: str, **context: Any) -> str:
    """The page `template` of the folder `pages`, filled with `context`."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("rfcx_lab.report", "pages")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for function in (percent, interval, signed_percent, thousands, capfirst, name_signal, sum_up):
        environment.filters[function.__name__] = function
    environment.filters["statements"] = split_answer
    environment.globals["exhibits"] = exhibit
    environment.globals["source"] = lambda name: Markup(loader.get_source(environment, name)[0])
    return environment


def percent(share: float | None, digits: int = 0) -> str:
    """`0.42` -> `42 %`."""
    return DASH if share is None else f"{100 * share:.{digits}f} %"


def signed_percent(ratio: Sequence[float | None] | None) -> str:
    """A ratio with its interval as a change: `(0.95, 0.83, 1.08)` -> `−5.0 % (−17.0 to +8.0)`."""
    if ratio is None or ratio[0] is None:
        return DASH
    point, low, high = (None if value is None else f"{100 * (value - 1):+.1f}".replace("-", "−") for value in ratio)
    return f"{point} % ({'…' if low is None else low} to {'…' if high is None else high})"


def interval(value: Sequence[float | None] | None, form: str = "g") -> str:
    """`(7, 5, None)` -> `7 (5 to …)`; a point alone where neither end is known."""
    if value is None or value[0] is None:
        return DASH
    point, low, high = (None if v is None or not math.isfinite(v) else format(v, form) for v in value)
    return str(point) if low is None and high is None else f"{point} ({low or '…'} to {high or '…'})"


def thousands(number: float) -> str:
    """`106136` -> `106,136`."""
    return f"{number:,.0f}"


def capfirst(text: str) -> str:
    """`at rung LSTM 8` -> `At rung LSTM 8`; Jinja's own `capitalize` would make the rest small."""
    return text[:1].upper() + text[1:]
