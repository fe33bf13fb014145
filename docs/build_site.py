"""The documentation as a site: every guide in docs/, and every module and public name from its docstrings.

`make docs` writes it to build/site; it needs no network, neither to be made nor to be read. Pages of the API are made
by pdoc from the docstrings, guides from Markdown.
"""

import os
import pkgutil
import re
import sys
import warnings
from collections.abc import Sequence
from html import escape
from importlib import import_module
from pathlib import Path

import markdown2
import pdoc
import pdoc.render

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("strategies", "fitness", "evolution", "cluster")
FIRST = ("README.md", "docs/architecture.md")
STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem 1.25rem 4rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
pre { border: 1px solid var(--line); border-radius: .4rem; overflow-x: auto; padding: .8rem; }
code { font-size: .9em; } img { max-width: 100%; } nav { border-bottom: 1px solid var(--line); padding-bottom: .6rem; }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Studbook</title><style>{style}</style></head>
<body><nav><a href="{up}index.html">Studbook</a> · <a href="{up}api/index.html">Python API</a></nav>
{body}</body></html>
"""


def build(target: Path, *, names: Sequence[str] | None = None, search: bool = True) -> list[Path]:
    """Write the site into a folder, and return its pages.

    Args:
        target: the folder.
        names: of the modules that get a page; None for all.
        search: whether to make an index to search by, which takes longest.
    """
    guides = [ROOT / name for name in FIRST] + sorted(
        path for path in (ROOT / "docs").rglob("*.md") if str(path.relative_to(ROOT)) not in FIRST
    )
    for guide in guides:
        _write(target, _place(guide), guide.read_text(encoding="utf-8"))
    for picture in (ROOT / "docs/images").iterdir():
        copy = target / "docs/images" / picture.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(picture.read_bytes())
    _write(target, Path("index.html"), _index(guides))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' own, met while every module is imported
        _load_public_names()
        pdoc.render.configure(docformat="google", show_source=False, search=search)
        pdoc.pdoc(*(modules() if names is None else names), output_directory=target / "api")
    return sorted(target.rglob("*.html"))


def _load_public_names() -> None:
    """Bind the names that layers load when they are asked for: pdoc reads what is there."""
    for layer in map(import_module, LAYERS):
        for name in layer.__all__:
            setattr(layer, name, getattr(layer, name))


def modules() -> list[str]:
    """Return every module of the product, a package before what is in it."""
    return [name for layer in LAYERS for name in [layer, *_inside(layer)]]


def _inside(package: str) -> list[str]:
    found = pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
    return [one.name for one in found if not one.name.endswith("__main__")]


def _place(guide: Path) -> Path:
    """Where the page of a guide lies within the site."""
    return guide.relative_to(ROOT).with_suffix(".html")


def _write(target: Path, place: Path, text: str) -> None:
    """Write Markdown as a page of the site; links to guides and modules lead to their pages."""
    up = "../" * (len(place.parts) - 1)
    html = markdown2.markdown(text, extras=["fenced-code-blocks", "tables", "header-ids", "code-friendly"])
    html = re.sub(r'<a href="([^"]*)">(.*?)</a>', lambda found: _link(place, up, *found.groups()), str(html))
    path = target / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAGE.format(title=escape(_title(text)), style=STYLE, body=html, up=up), encoding="utf-8")


def _link(place: Path, up: str, address: str, text: str) -> str:
    """A link as the site has it; what is not in the site (tests, job files) stays as text."""
    if "://" in address or address.startswith(("#", "mailto:")):
        return f'<a href="{address}">{text}</a>'
    file, _, anchor = address.partition("#")
    inside = Path(os.path.normpath(place.parent / file))
    if inside.suffix == ".py" and inside.parts[0] in LAYERS:
        module = inside.parent if inside.name == "__init__.py" else inside.with_suffix("")
        return f'<a href="{up}api/{module.as_posix()}.html">{text}</a>'
    if inside.suffix not in (".md", ".html"):
        return text
    return f'<a href="{up}{inside.with_suffix(".html").as_posix()}{"#" * bool(anchor)}{anchor}">{text}</a>'


def _title(text: str) -> str:
    return next((line.lstrip("# ") for line in text.splitlines() if line.startswith("# ")), "Studbook")


def _index(guides: list[Path]) -> str:
    """The first page: all guides by their titles, the layers of the API."""
    lines = ["# Studbook", "", "## Guides", ""]
    decisions = [guide for guide in guides if guide.parent.name == "decisions"]
    lines += [_entry(guide) for guide in guides if guide not in decisions]
    lines += ["", "## Python API", "", *(f"- [`{layer}`](api/{layer}.html)" for layer in LAYERS)]
    lines += ["", "## Decisions", ""]
    lines += [_entry(guide) for guide in decisions]
    return "\n".join(lines) + "\n"


def _entry(guide: Path) -> str:
    return f"- [{_title(guide.read_text(encoding='utf-8'))}]({_place(guide)})"


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/site"
    print(f"{len(build(place))} pages in {place}")
