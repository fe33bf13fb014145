"""Where figures stand on the page: one in a place, or several to choose from, with the data that they share."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cluster.report.markup import Html, element

HEIGHT: Final = 340


class Page:
    """Figures of one page, in the order of their places.

    Attributes:
        figures: plotly dicts. Text that begins with @ is a colour of the style sheet, with $ a list in `shared`.
        shared: lists that several figures draw, by name.
    """

    def __init__(self) -> None:
        self.figures: list[Mapping[str, Any]] = []
        self.shared: dict[str, Sequence[Any]] = {}

    def place(self, figure: Mapping[str, Any], label: str) -> Html:
        """Return the place of a figure; the page's script draws it there."""
        return _place(self._number(figure), figure, label)

    def choice(self, figures: Sequence[tuple[str, Mapping[str, Any]]], label: str, *, what: str) -> Html:
        """Return one place for several figures by name, one or more, with a list to choose from: the first is shown.

        Args:
            figures: names and figures.
            label: of the place.
            what: is chosen, such as "Shard".
        """
        numbers = [self._number(figure) for _, figure in figures]
        place = _place(numbers[0], figures[0][1], label)
        if len(figures) < 2:
            return place
        options = [
            element("option", name, value=str(number)) for number, (name, _) in zip(numbers, figures, strict=True)
        ]
        chosen = element("span", figures[0][0], class_="chosen")  # what paper shows of the list
        chooser = element(
            "label", f"{what} ", element("select", *options, data_choice="figure"), chosen, class_="chooser"
        )
        return element("div", chooser, place, class_="choice")

    def share(self, name: str, values: Sequence[Any]) -> str:
        """Return the reference to a list that is on the page once, under `name`, however many figures draw it."""
        self.shared[name] = values
        return f"${name}"

    def _number(self, figure: Mapping[str, Any]) -> int:
        self.figures.append(figure)
        return len(self.figures) - 1


def _place(number: int, figure: Mapping[str, Any], label: str) -> Html:
    height = f"height:{figure['layout'].get('height', HEIGHT)}px"
    return element("div", class_="figure", data_figure=str(number), role="img", aria_label=label, style=height)
