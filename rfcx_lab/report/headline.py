"""A verdict in words above a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rfcx_lab.verdict.statements import split_answer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE = 1.3  # distance of two lines over the height of their letters
_HINTED = 1.06  # letters on a grid of pixels are wider by up to so much
_SPARE = 1.25
_MARGIN = 0.1  # inches


class Headline:
    """The verdict in words: its first sentence stands alone, and stands out."""

    def __init__(self, text: str, *, width: float, sizes: tuple[float, float]) -> None:
        """For a figure `width` inches wide, in letters of so many points: of the first sentence, and of the others."""
        width -= 2 * _MARGIN
        first, *rest = split_answer(text)
        self._parts = [
            (wrap(first, width=width, size=sizes[0], weight="bold"), sizes[0], "bold"),
            (wrap(" ".join(rest), width=width, size=sizes[1]), sizes[1], "normal"),
        ]

    @property
    def height(self) -> float:
        """Inches, with some to spare: what labels take is taken from every row of axes alike."""
        return _SPARE * sum(len(lines) * size * _LINE for lines, size, _ in self._parts) / 72

    def draw(self, axes: Axes) -> None:
        """Draw it in place of `axes`."""
        axes.axis("off")
        down = 0.0
        for lines, size, weight in self._parts:
            text = axes.annotate(
                "\n".join(lines),
                xy=(_MARGIN, 1),
                xycoords=(axes.figure.dpi_scale_trans, axes.transAxes),
                xytext=(0, -down),
                textcoords="offset points",
                va="top",
                fontsize=size,
                fontweight=weight,
                linespacing=_LINE,
            )
            text.set_in_layout(False)  # it is as wide as the figure, not as the axes
            down += len(lines) * size * _LINE


def wrap(text: str, *, width: float, size: float, weight: str = "normal") -> list[str]:
    """Lines of at most `width` inches in letters of `size` points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font, measure = FontProperties(size=size, weight=weight), TextToPath()

    def inches(line: str) -> float:
        return float(measure.get_text_width_height_descent(line.replace("$", ""), font, ismath=False)[0]) / 72 * _HINTED

    lines: list[str] = []
    for word in text.split():
        if lines and inches(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
