"""The site of the documentation, as `make docs` makes it: every module, every public name, no link into nothing."""

import importlib
import os
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.build_site import LAYERS, ROOT, build, modules


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    build(target, names=[*LAYERS, *modules()[::30]], search=False)
    return target


@pytest.mark.parametrize("layer", LAYERS)
def test_every_public_name_is_there_with_what_it_is(site, layer):
    page = (site / f"api/{layer}.html").read_text(encoding="utf-8")
    for name in importlib.import_module(layer).__all__:
        assert f'id="{name}"' in page
        value = getattr(importlib.import_module(layer), name)
        if callable(value) and value.__doc__ and not isinstance(value, dict):
            words = value.__doc__.split("`")[0].split("\n")[0].split()[:3]
            assert " ".join(words) in unescape(re.sub(r"<[^>]+>", "", page)), name


def test_every_module_is_of_the_site(site):
    """Of `make docs` all; here each thirtieth gets its page, for a page takes a twentieth of a second."""
    names = modules()
    assert len(names) > 300
    files = {path.relative_to(ROOT) for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}
    files = {path.parent if path.name == "__init__.py" else path.with_suffix("") for path in files}
    assert {name.replace(".", "/") for name in names} == {path.as_posix() for path in files if path.name != "__main__"}
    for name in names[::30]:
        assert (site / "api" / f"{name.replace('.', '/')}.html").is_file(), name


def test_every_guide_is_there_and_on_the_first_page(site):
    index = (site / "index.html").read_text(encoding="utf-8")
    guides = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for guide in guides:
        place = guide.relative_to(ROOT).with_suffix(".html")
        assert (site / place).is_file()
        assert f'href="{place.as_posix()}"' in index


def test_no_guide_links_into_nothing(site):
    for page in [site / "index.html", site / "README.html", *(site / "docs").rglob("*.html")]:
        for address in re.findall(r'(?:href|src)="([^"]*)"', page.read_text(encoding="utf-8")):
            file = unquote(address.partition("#")[0])
            if file and "://" not in file and not file.startswith(("data:", "mailto:")):
                place = Path(os.path.normpath(page.parent / file)).relative_to(site)
                module = ".".join(place.with_suffix("").parts[1:])
                known = place.parts[0] == "api" and module in {*modules(), "index"}
                assert known or (site / place).exists(), f"{page.relative_to(site)}: {address}"
