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


def frontier_plot(document: Mapping[str, Any]) -> Figure:
    """A panel as in `frontier_figure`, one below the other. `document` is a `frontier.json`."""
    from plotly.graph_objects import Heatmap, Scatter
    from plotly.subplots import make_subplots

    panels, named = panels_of(document), set[str]()
    titles = [name_column(panel.chosen) for panel in panels]
    figure = make_subplots(rows=len(panels), cols=1, subplot_titles=titles if len(panels) > 1 else None)
    for row, panel in enumerate(panels, start=1):
        first = row == 1
        known = panel.probability.tolist()
        figure.add_trace(
            Heatmap(
                z=[[None if value != value else value for value in values] for values in known],  # NaN: no such cell
                zmin=0,
                zmax=1,
                colorscale=[[0, SOUND], [0.5, MIDDLE], [1, OVERFIT]],
                showscale=first,
                colorbar={"title": {"text": "probability of<br>overfitting"}},
                hovertemplate="%{z:.2f}<extra></extra>",
            ),
            row=row,
            col=1,
        )
        low, high = zip(*panel.band, strict=True)
        for name, places, dash in (
            (name_line(document["status"]), panel.line, "dash" if document["status"] == OPEN else "solid"),
            ("where it may run", low, "dot"),
            ("", high, "dot"),
        ):
            figure.add_trace(
                Scatter(
                    x=[x for x in places for _ in range(2)],
                    y=[y + side for y in panel.rows for side in (-0.5, 0.5)],
                    mode="lines",
                    line={"color": "black", "width": 2 if dash == "dot" else 4, "dash": dash},
                    name=name,
                    showlegend=first and bool(name),
                ),
                row=row,
                col=1,
            )
        tried = [(place, cell) for place, cell in panel.cells.items() if cell["trials"]]
        figure.add_trace(
            Scatter(
                x=[x for (x, _), _ in tried],
                y=[y for (_, y), _ in tried],
                mode="markers",
                marker={"size": 18, "color": "white", "line": {"color": "black", "width": 1}},
                hovertext=[f"{cell['name']}: trial {', '.join(map(str, cell['trials']))}" for _, cell in tried],
                hoverinfo="text",
                name="tried",
                showlegend=first,
            ),
            row=row,
            col=1,
        )
        for trace in _marks(document, panel):
            figure.add_trace(trace.update(showlegend=trace.name not in named), row=row, col=1)
            named.add(trace.name)
        figure.update_xaxes(title=label_axis(panel.along), tickvals=[*range(len(panel.along["values"]))],
                            ticktext=[f"{v:g}" for v in panel.along["values"]], row=row, col=1)  # fmt: skip
        if panel.across is not None:
            values = panel.across["values"]
            figure.update_yaxes(title=label_axis(panel.across), tickvals=[*range(len(values))],
                                ticktext=[f"{v:g}" for v in values], row=row, col=1)  # fmt: skip
    beneath = {"orientation": "h", "yanchor": "top", "y": -0.24 / len(panels)}  # the lowest axis and its name
    figure.update_layout(
        title={"text": "The frontier"}, height=420 * len(panels), legend=beneath, margin={"b": 110, "t": 70}
    )
    return figure


def _marks(document: Mapping[str, Any], panel: Panel) -> Iterator[Scatter]:
    """What has learnt nothing, crossed out, and the two architectures that the answer names."""
    from plotly.graph_objects import Scatter

    places = [(NOTHING, panel.not_learnt, 0.0, {"symbol": "x", "size": 12, "color": "gray"})]
    for key, _, colour, shift, _, label in MARKS:
        values = document[key]["values"]
        place = None if values is None else panel.place(values)
        if place is not None:
            line = {"color": "black", "width": 1}
            places.append((label, [place], shift, {"symbol": _SYMBOLS[key], "size": 14, "color": colour, "line": line}))
    for label, some, shift, marker in places:
        if some:
            xs, ys = zip(*some, strict=True)
            ys = tuple(y + (0.28 if shift else -0.28) for y in ys)
            where = {"x": [x + shift for x in xs], "y": ys}
            yield Scatter(**where, mode="markers", marker=marker, name=label, hoverinfo="name")
