from __future__ import annotations

import numpy as np
import pytest

from rfcx_lab.report.frontier import draw_frontier, frontier_figure
from rfcx_lab.report.frontier_plot import frontier_plot
from rfcx_lab.verdict.frontier_sentence import write_frontier_sentence

WIDTHS, LAYERS = [4, 16, 64], [0, 2]
BEYOND = {(16, 2), (64, 2), (64, 0)}  # overfit


def axis(name: str, values: list, **options) -> dict:
    return {"name": name, "values": values, "log": name.endswith("width"), "parent": None, "when": [], **options}


def cell(width: int, layers: int, **more) -> dict:
    beyond = (width, layers) in BEYOND
    return {
        "name": f"{width} {layers}",
        "values": {"dense_layers": layers, "lstm_width": width, **more},
        "trials": [0] if width == 16 else [],
        "overfit_probability": 0.97 if beyond else 0.02,
        "in_doubt": False,
        "observed": {"repeats": 3} if width == 16 else None,
    }


def crossing(layers: int, position: float | None, *, low: int | None, high: int | None, **options) -> dict:
    value = None if position is None else 4.0 * 4**position
    column = {"dense_layers": layers, **options.pop("column", {})}
    return {"column": column, "status": "found", "position": position, "value": value, "none_up_to": low,
            "all_from": high, "monotone": True, **options}  # fmt: skip


def made(**changes) -> dict:
    best = {"architecture": "LSTM 16", "values": {"dense_layers": 0, "lstm_width": 16}}
    document = {
        "status": "found",
        "epochs": 30,
        "confidence": 0.95,
        "space": {
            "axes": [axis("dense_layers", LAYERS), axis("lstm_width", WIDTHS)],
            "along": "lstm_width",
            "architectures": 6,
        },
        "crossings": [crossing(0, 1.5, low=16, high=64), crossing(2, 0.25, low=None, high=64)],
        "architectures": [cell(width, layers) for layers in LAYERS for width in WIDTHS],
        "best": best,
        "recommended": {**best, "epochs": 12},
        "trials": [{"state": "complete"}, {"state": "complete"}],
        **changes,
    }
    return {"answer": write_frontier_sentence(document), **document}


def line_of(panel, label: str):
    [line] = [line for line in panel.lines if line.get_label() == label]
    return line


def test_the_frontier_stands_where_the_document_says_and_its_band_around_it():
    panel = frontier_figure(made()).axes[0]
    points = list(zip(*line_of(panel, "frontier").get_data(), strict=True))
    assert points == [(1.5, -0.5), (1.5, 0.5), (0.25, 0.5), (0.25, 1.5)]
    bands = [patch for patch in panel.patches if patch.get_hatch()]
    assert [(band.get_x(), band.get_x() + band.get_width()) for band in bands] == [(1, 2), (-0.5, 2)]
    [mesh] = panel.collections
    assert [[p > 0.5 for p in row] for row in mesh.get_array()] == [[False, False, True], [False, True, True]]


def test_axes_have_names_units_and_values_and_every_mark_is_explained():
    figure = frontier_figure(made())
    panel = figure.axes[0]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("LSTM width (units)", "dense layers (number)")
    assert [text.get_text() for text in panel.get_xticklabels()] == ["4", "16", "64"]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["0", "2"]
    assert "probability of overfitting" in figure.axes[-1].get_ylabel()
    [legend] = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        "where it may run", "frontier", "tried, with its repeats", "lowest validation loss", "recommended",
    }  # fmt: skip
    assert [text.get_text() for text in panel.texts] == ["3", "3"]


def test_a_frontier_that_is_not_established_is_dashed():
    panel = frontier_figure(made(status="open")).axes[0]
    assert line_of(panel, "frontier, not established").get_linestyle() == "--"
    assert line_of(frontier_figure(made()).axes[0], "frontier").get_linestyle() == "-"
    for status in ("all_overfit", "none_overfits"):  # a line at the edge is no frontier of this space
        nowhere = frontier_figure(made(status=status)).axes[0]
        assert line_of(nowhere, "any frontier lies beyond").get_linestyle() == "-"


def test_a_column_that_the_frontier_does_not_cross_shows_it_at_the_edge():
    none = crossing(0, None, low=64, high=None, status="none_overfits")
    every = crossing(2, None, low=None, high=4, status="all_overfit")
    panel = frontier_figure(made(crossings=[none, every])).axes[0]
    assert list(line_of(panel, "frontier").get_xdata()) == [2.5, 2.5, -0.5, -0.5]


def test_a_panel_per_value_of_a_third_axis_with_what_lacks_it_in_each():
    rate = axis("dense_dropout", [0.0, 0.4], parent="dense_layers", when=[2])
    cells = [cell(w, 0) for w in WIDTHS] + [cell(w, 2, dense_dropout=r) for r in (0.0, 0.4) for w in WIDTHS]
    crossings = [
        crossing(0, 1.5, low=16, high=64),
        crossing(2, 0.5, low=4, high=16, column={"dense_dropout": 0.0}),
        crossing(2, 1.0, low=4, high=64, column={"dense_dropout": 0.4}),
    ]
    space = {"axes": [axis("dense_layers", LAYERS), axis("lstm_width", WIDTHS), rate], "along": "lstm_width"}
    document = made(crossings=crossings, architectures=cells, space={**space, "architectures": 9})
    figure = frontier_figure(document)
    assert [panel.get_title() for panel in figure.axes[:2]] == ["dense dropout 0", "dense dropout 0.4"]
    found = [list(line_of(panel, "frontier").get_xdata()) for panel in figure.axes[:2]]
    assert found == [[1.5, 1.5, 0.5, 0.5], [1.5, 1.5, 1.0, 1.0]]
    plot = frontier_plot(document)
    lines = [trace for trace in plot.data if trace.name == "frontier"]
    assert [(list(line.x), line.visible) for line in lines] == [(found[0], True), (found[1], False)]
    buttons = plot.layout.updatemenus[0].buttons  # one panel at a time: a card of the dashboard holds no more
    assert [button.label for button in buttons] == ["dense dropout 0", "dense dropout 0.4"]
    for button, line in zip(buttons, lines, strict=True):
        visible = [trace for trace, shown in zip(plot.data, button.args[1], strict=True) if shown]
        assert line in visible and len([trace for trace in visible if trace.type == "heatmap"]) == 1


def untaught(*places: tuple[int, int]) -> list[dict]:
    """The cells, of which those of a width and a number of layers have learnt nothing."""
    cells = made()["architectures"]
    return [
        {**each, "learnt": (each["values"]["lstm_width"], each["values"]["dense_layers"]) not in places}
        for each in cells
    ]


def test_what_has_learnt_nothing_is_hatched_and_has_no_colour_of_a_side():
    every = crossing(2, None, low=None, high=16, status="all_overfit")
    cells = untaught((4, 2), (64, 0))
    panel = frontier_figure(made(architectures=cells, crossings=[crossing(0, 0.5, low=4, high=16), every])).axes[0]
    hatched = [patch for patch in panel.patches if patch.get_label() == "has learnt nothing"]
    assert [(patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in hatched] == [(2, 0), (0, 1)]
    assert all(patch.get_hatch() == "xx" for patch in hatched)
    [mesh] = panel.collections
    assert mesh.get_array().mask.tolist() == [[False, False, True], [True, False, False]]
    assert list(line_of(panel, "frontier").get_xdata())[2:] == [0.5, 0.5]  # beside what has learnt
    assert not [patch for patch in frontier_figure(made()).axes[0].patches if patch.get_hatch() == "xx"]


def test_a_row_where_nothing_learns_has_no_frontier():
    none = crossing(2, None, low=None, high=None, status="not_learnt")
    cells = untaught((4, 2), (16, 2), (64, 2))
    document = made(architectures=cells, crossings=[crossing(0, 1.5, low=16, high=64), none])
    assert np.isnan(line_of(frontier_figure(document).axes[0], "frontier").get_xdata()[2:]).all()
    assert "with 2 dense layers nowhere, as none of these models has learnt anything" in document["answer"]
    assert "3 architectures have learnt nothing that could be overfit, and lie on neither side." in document["answer"]


def test_the_picture_can_be_read_at_half_its_width():
    figure = frontier_figure(made())
    figure.canvas.draw()
    half = 3.4 / figure.get_figwidth()  # inches of a column of a page
    texts = [*figure.axes[0].get_xticklabels(), *figure.axes[0].texts, *figure.legends[0].get_texts()]
    assert min(text.get_fontsize() for text in texts) * half >= 4
    assert len(figure.get_suptitle().splitlines()) == 1
    assert "not established" in frontier_figure(made(status="open")).get_suptitle()


def test_the_dashboard_s_graph_shows_the_same():
    document = made()
    drawn = {trace.name: trace for trace in frontier_plot(document).data}
    assert list(drawn["frontier"].x) == list(line_of(frontier_figure(document).axes[0], "frontier").get_xdata())
    assert list(drawn["frontier"].y) == [-0.5, 0.5, 0.5, 1.5]
    assert not frontier_plot(document).layout.updatemenus
    unknown = {trace.name: trace for trace in frontier_plot({**document, "status": "open"}).data}
    assert unknown["frontier, not established"].line.dash == "dash"
    assert list(drawn["tried"].hovertext) == ["16 0: trial 0", "16 2: trial 0"]
    for mark, shift in (("lowest validation loss", -0.3), ("recommended", 0.3)):
        assert (list(drawn[mark].x), list(drawn[mark].y)) == ([1 + shift], [0.28])
    assert "has learnt nothing" not in drawn
    document["architectures"][5]["learnt"] = False
    nothing = {trace.name: trace for trace in frontier_plot(document).data}["has learnt nothing"]
    assert (list(nothing.x), list(nothing.y)) == ([2.0], [0.72])
    [heat] = [trace for trace in drawn.values() if trace.type == "heatmap"]
    assert [[p > 0.5 for p in row] for row in heat.z] == [[False, False, True], [False, True, True]]


def test_it_is_written_as_picture_and_as_drawing(tmp_path):
    draw_frontier(made(), paths=[tmp_path / "f.png", tmp_path / "f.svg"])
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "f.svg").read_text()


def test_one_axis_alone_is_drawn_too():
    space = {"axes": [axis("lstm_width", WIDTHS)], "along": "lstm_width", "architectures": 3}
    cells = [{**each, "values": {"lstm_width": each["values"]["lstm_width"]}} for each in made()["architectures"][:3]]
    best = {"architecture": "LSTM 16", "values": {"lstm_width": 16}}
    only = {**crossing(0, 1.5, low=16, high=64), "column": {}}
    document = made(space=space, architectures=cells, crossings=[only], best=best, recommended={**best, "epochs": 3})
    assert list(line_of(frontier_figure(document).axes[0], "frontier").get_xdata()) == [1.5, 1.5]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("found", ["begin to overfit with no dense layers at an LSTM width of about 32 (between 16 and 64)", "95 %"]),
        ("open", ["is not established", "1 of 6 architectures is still in doubt", "sweep.n_trials="]),
        ("all_overfit", ["no frontier in this space", "all 6 architectures overfit", "Smaller models"]),
        ("none_overfits", ["no frontier in this space", "none of the 6 architectures overfits", "Larger models"]),
    ],
)
def test_the_sentence_says_frontier_or_none_or_not_established(status, words):
    cells = [{**each, "in_doubt": i == 1 and status == "open"} for i, each in enumerate(made()["architectures"])]
    answer = made(status=status, architectures=cells)["answer"]
    assert all(word in answer for word in words), answer
    assert answer.endswith("Recommended: LSTM 16, 12 epochs, the best of them.")


def depths(*crossings: dict, widths: list[int]) -> str:
    """The answer of a space in which the frontier is sought along the number of dense layers."""
    cells = [cell(width, layers) for width in widths for layers in (0, 1, 2, 3)]
    space = {"axes": [axis("lstm_width", widths), axis("dense_layers", [0, 1, 2, 3])], "along": "dense_layers"}
    columns = [{**each, "column": {"lstm_width": width}} for each, width in zip(crossings, widths, strict=True)]
    space["architectures"] = len(cells)
    return made(space=space, architectures=cells, crossings=columns)["answer"]


def test_along_depth_the_sentence_counts_layers():
    found = {**crossing(0, 1.4, low=1, high=2), "value": 1.4}
    answer = depths(
        {**crossing(0, None, low=3, high=None), "status": "none_overfits"},
        found,
        {**crossing(0, None, low=None, high=0), "status": "all_overfit"},
        {**crossing(0, None, low=None, high=0), "status": "all_overfit"},
        widths=[4, 8, 16, 32],
    )
    assert "begin to overfit with LSTM width 4 only beyond the largest, 3 dense layers; " in answer
    assert "; with LSTM width 8 from 2 dense layers on (between 1 and 2); " in answer
    assert "; with LSTM width 16 to 32 already at the smallest, no dense layers. " in answer


def test_of_many_places_the_sentence_names_some_from_first_to_last():
    layers = list(range(12))
    space = {"axes": [axis("dense_layers", layers), axis("lstm_width", WIDTHS)], "along": "lstm_width"}
    cells = [cell(width, n) for n in layers for width in WIDTHS]
    crossings = [crossing(n, 1.9 - 0.1 * n, low=4, high=64) for n in layers]
    answer = made(space={**space, "architectures": 36}, architectures=cells, crossings=crossings)["answer"]
    assert answer.count("LSTM width of about") == 5
    assert "with no dense layers at" in answer and "with 11 dense layers at" in answer
    assert "and so on for 7 places more" in answer


def test_the_sentence_says_how_sure_the_end_of_a_row_is_and_what_matters_most():
    every = crossing(2, None, low=None, high=16, status="all_overfit")
    none = crossing(0, None, low=None, high=None, status="none_overfits")
    importance = {"dense_layers": [0.2, 0.1, 0.3], "lstm_width": [0.7, 0.6, 0.8]}
    answer = made(crossings=[none, every], importance=importance)["answer"]
    assert "with no dense layers only beyond the largest, LSTM width 64 (not sure); " in answer
    assert "with 2 dense layers already at the smallest, LSTM width 4 (sure from 16 on). " in answer
    assert "depends most on LSTM width: alone it explains 70 % of the variance over the space (60 to 80 %)" in answer
    unknown = made(importance={"dense_layers": [0.2, 0.0, 0.6], "lstm_width": [0.7, 0.4, 0.8]})["answer"]
    assert (
        "Which axis matters most is not established; of the variance each explains alone: LSTM width 70 % (40"
        in unknown
    )
    assert "depends most" not in unknown
    falling = crossing(0, None, low=None, high=None, status="open", monotone=False)
    assert "at no one place, as smaller models overfit and larger ones do not" in made(crossings=[falling])["answer"]
