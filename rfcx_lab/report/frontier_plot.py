"""The frontier as a plotly graph object, for optuna-dashboard to show beside the trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rfcx_lab.report.frontier import MARKS, MIDDLE, NOTHING, OVERFIT, SOUND, Panel, label_axis, name_line, panels_of
from rfcx_lab.verdict.frontier import OPEN
from rfcx_lab.verdict.frontier_sentence import name_column

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

_SYMBOLS = {"best": "star", "recommended": "diamond"}
_HEIGHT = 440  # pixels: the dashboard cuts off what goes beyond its card


def frontier_plot(document: Mapping[str, Any]) -> Figure:
    """The panels of `frontier_figure`, one at a time, to choose from a list. `document` is a `frontier.json`.

    The one with the recommended architecture comes first, in which the answer can be seen.
    """
    from plotly.graph_objects import Figure

    panels = panels_of(document)
    chosen = document["recommended"]["values"]
    shown = next((panel for panel in panels if chosen is not None and panel.place(chosen) is not None), panels[0])
    figure, owners = Figure(), []
    for panel in panels:
        for trace in (_heat(panel), *_lines(document, panel), _tried(panel), *_marks(document, panel)):
            figure.add_trace(trace.update(visible=panel is shown))
            owners.append(panel)
    for draw, axis in ((figure.update_xaxes, shown.along), (figure.update_yaxes, shown.across)):
        if axis is not None:
            values = axis["values"]
            draw(title=label_axis(axis), tickvals=[*range(len(values))], ticktext=[f"{v:g}" for v in values])
    beneath = {"orientation": "h", "yanchor": "top", "y": -0.24}  # the axis and its name
    figure.update_layout(title={"text": "The frontier"}, height=_HEIGHT, legend=beneath, margin={"b": 110, "t": 70})
    if len(panels) > 1:
        buttons = [
            {"label": name_column(p.chosen), "method": "restyle", "args": ["visible", [own is p for own in owners]]}
            for p in panels
        ]
        place = {"x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
        figure.update_layout(updatemenus=[{"buttons": buttons, "active": panels.index(shown), **place}])
    return figure


def _heat(panel: Panel) -> Any:
    from plotly.graph_objects import Heatmap

    known = panel.probability.tolist()
    return Heatmap(
        z=[[None if value != value else value for value in values] for values in known],  # NaN: no such cell
        zmin=0,
        zmax=1,
        colorscale=[[0, SOUND], [0.5, MIDDLE], [1, OVERFIT]],
        colorbar={"title": {"text": "probability of<br>overfitting"}},
        hovertemplate="%{z:.2f}<extra></extra>",
    )


def _lines(document: Mapping[str, Any], panel: Panel) -> Iterator[Scatter]:
    """The frontier, and both edges of where it may run."""
    from plotly.graph_objects import Scatter

    low, high = zip(*panel.band, strict=True)
    status = document["status"]
    for name, places, dash in (
        (name_line(status), panel.line, "dash" if status == OPEN else "solid"),
        ("where it may run", low, "dot"),
        ("", high, "dot"),
    ):
        yield Scatter(
            x=[x for x in places for _ in range(2)],
            y=[y + side for y in panel.rows for side in (-0.5, 0.5)],
            mode="lines",
            line={"color": "black", "width": 2 if dash == "dot" else 4, "dash": dash},
            name=name,
            showlegend=bool(name),
        )


def _tried(panel: Panel) -> Scatter:
    from plotly.graph_objects import Scatter

    tried = [(place, cell) for place, cell in panel.cells.items() if cell["trials"]]
    return Scatter(
        x=[x for (x, _), _ in tried],
        y=[y for (_, y), _ in tried],
        mode="markers",
        marker={"size": 18, "color": "white", "line": {"color": "black", "width": 1}},
        hovertext=[f"{cell['name']}: trial {', '.join(map(str, cell['trials']))}" for _, cell in tried],
        hoverinfo="text",
        name="tried",
    )


def _marks(document: Mapping[str, Any], panel: Panel) -> Iterator[Scatter]:
    """What has learnt nothing, crossed out, and the two architectures that the answer names."""
    from plotly.graph_objects import Scatter

    line = {"color": "black", "width": 1}
    marks = [(NOTHING, panel.not_learnt, 0.0, {"symbol": "x", "size": 12, "color": "gray"})]
    for key, _, colour, shift, _, label in MARKS:
        values = document[key]["values"]
        place = None if values is None else panel.place(values)
        if place is not None:
            marks.append((label, [place], shift, {"symbol": _SYMBOLS[key], "size": 14, "color": colour, "line": line}))
    for label, places, shift, marker in marks:
        if places:
            xs, ys = zip(*places, strict=True)
            up = 0.28 if shift else -0.28
            where = {"x": [x + shift for x in xs], "y": [y + up for y in ys]}
            yield Scatter(**where, mode="markers", marker=marker, name=label, hoverinfo="name")
