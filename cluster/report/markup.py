"""HTML made of elements: text is always escaped, only `Html` is passed through."""

import html


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str | None) -> Html:
    """Return `<name …>children</name>`; plain strings are escaped, `class_` becomes class, `data_x` data-x.

    >>> element("td", "a < b", class_="num")
    '<td class="num">a &lt; b</td>'
    """
    parts = [
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value, quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    ]
    return Html(f"<{name}{''.join(parts)}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    """Return the children in a row, plain strings escaped."""
    return Html("".join(child if isinstance(child, Html) else html.escape(child, quote=False) for child in children))


def table(head: list[str], rows: list[list[str]], *, numeric_from: int = 1, caption: str = "") -> Html:
    """Return a table whose columns from `numeric_from` on are set as figures."""

    def cell(name: str, index: int, content: str) -> Html:
        scope = "col" if name == "th" else None
        return element(name, content, class_="num" if index >= numeric_from else None, scope=scope)

    header = element("tr", *(cell("th", index, title) for index, title in enumerate(head)))
    body = [element("tr", *(cell("td", index, item) for index, item in enumerate(row))) for row in rows]
    title = element("caption", caption) if caption else Html("")
    inner = element("table", title, element("thead", header), element("tbody", *body))
    return element("div", inner, class_="scroll")


def section(anchor: str, title: str, *children: str) -> Html:
    """Return a titled section of the page."""
    return element("section", element("h2", title), *children, id=anchor)
