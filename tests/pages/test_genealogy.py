"""The genealogy page in a real Chromium: from disk, large, and inside MLflow's own user interface."""

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cluster.births_file import read_births
from cluster.genealogy.lines import Lines, ancestors, descendants
from cluster.genealogy.page import render_genealogy, write_genealogy
from cluster.genealogy.table import lines_of_births
from cluster.tracking import replay
from cluster.tracking_store import JOB_TAG, store_uri
from cluster.ui import command, environment, stop, wait_until_up
from cluster.view import JobView
from evolution.pedigree import NO_PARENT, Births, generation_of, index_of, island_of
from strategies.strategy_json import strategy_from_dict
from strategies.wording import setting_texts
from tests.cluster.mlflow_server import free_port
from tests.pages.bred import bred
from tests.pages.small_job import finished_job

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

OpenPage = Callable[..., "Page"]
DRAWN = "() => window.genealogy && document.getElementById('tree').dataset.mode"
COLOURS = """() => {
  const tree = document.getElementById("tree"), box = tree.getContext("2d").getImageData(0, 0, tree.width, tree.height);
  return new Set(new Uint32Array(box.data.buffer)).size;
}"""
PICTURE = "() => document.getElementById('tree').toDataURL()"


@pytest.fixture(scope="module")
def view(bars_root: Path, tmp_path_factory: pytest.TempPathFactory) -> JobView:
    """A finished job with elites, and its page."""
    found = finished_job(bars_root, tmp_path_factory.mktemp("runs"))
    assert found.elites
    write_genealogy(found)
    return found


@pytest.fixture(scope="module")
def births(view: JobView) -> Births:
    return read_births(view.run_dir, view.epochs)


def shown(page: "Page", path: Path) -> "Page":
    """The page of a file, drawn."""
    page.goto(path.resolve().as_uri())
    page.wait_for_function(DRAWN)
    return page


@pytest.fixture
def tree(page: "Page", view: JobView) -> "Iterator[Page]":
    """The job's page, which has asked for nothing and complained of nothing at the end, either."""
    path = view.run_dir / "genealogy.html"
    yield shown(page, path)
    assert page.faults == []  # type: ignore[attr-defined]
    assert page.requested == [path.resolve().as_uri()]  # type: ignore[attr-defined]


def name_of(birth_id: int) -> str:
    one = np.array([birth_id])
    return f"{island_of(one)[0]}.{generation_of(one)[0]}.{index_of(one)[0]}"


def elders(births: Births, birth_id: int) -> set[int]:
    """All ancestors of a birth, by asking each for its parents."""
    parents = dict(
        zip(births.birth_id.tolist(), zip(births.parent_a.tolist(), births.parent_b.tolist(), strict=True), strict=True)
    )
    found: set[int] = set()
    waiting = [birth_id]
    while waiting:
        new = {one for one in parents[waiting.pop()] if one != NO_PARENT} - found
        found |= new
        waiting += new
    return found


def click_on(page: "Page | Frame", row: int) -> None:
    x, y = page.evaluate("row => genealogy.point(row)", row)
    page.locator("#tree").click(position={"x": x, "y": y})


def row_of(births: Births, birth_id: int) -> int:
    return int(np.searchsorted(births.birth_id, birth_id))


def highlighted(page: "Page | Frame") -> set[str]:
    return set(page.evaluate("() => genealogy.names(genealogy.chosen().ancestors)"))


def test_the_tree_is_drawn_and_lists_who_was_judged(tree: "Page", view: JobView) -> None:
    assert tree.evaluate(COLOURS) > 20
    listed = tree.locator("#panel .judged code").all_inner_texts()
    assert sorted(listed) == sorted(one["id"] for one in view.candidates)
    assert "Each dot is one birth" in tree.inner_text("#level")
    assert f"All {view.n_births:,} births" in tree.locator("#omitted").text_content()


def test_a_click_on_an_elite_shows_its_rules_and_exactly_its_ancestors(
    tree: "Page", view: JobView, births: Births
) -> None:
    elite = view.elites[0]
    before = tree.evaluate(PICTURE)
    click_on(tree, row_of(births, elite["birth_id"]))
    assert highlighted(tree) == {name_of(one) for one in elders(births, elite["birth_id"])} != set()
    panel = tree.inner_text("#panel")
    for text in setting_texts(strategy_from_dict(elite["strategy"], "test")):
        assert text in panel
    assert elite["id"] in panel
    assert f"Elite {name_of(elite['birth_id'])}" in panel
    assert tree.locator("#panel svg polyline").count() == 6  # three stretches, with and without the strategy
    fitness = births.objectives[row_of(births, elite["birth_id"]), 0]
    assert f"{abs(fitness):.3f}" in tree.locator("#panel dl").inner_text()
    tree.wait_for_timeout(100)
    assert tree.evaluate(PICTURE) != before


def test_a_birth_tells_its_difference_to_each_parent(tree: "Page", births: Births) -> None:
    row = int(np.flatnonzero(births.parent_b != NO_PARENT)[-1])
    tree.evaluate("row => genealogy.choose(row)", row)
    links = tree.locator("#panel .birth").all_inner_texts()
    assert {name_of(births.parent_a[row]), name_of(births.parent_b[row])} <= set(links)
    assert tree.locator("#panel .difference li").count() > 0
    tree.locator("#panel .birth").first.click()
    assert tree.get_attribute("#tree", "data-chosen") == name_of(births.parent_a[row])


def test_descendants_can_be_shown(tree: "Page", births: Births) -> None:
    founder = int(births.family[row_of(births, births.birth_id[-1])])
    tree.evaluate("row => genealogy.choose(row)", row_of(births, founder))
    assert tree.evaluate("() => genealogy.chosen().descendants.size") == 0
    tree.check("#descendants")
    found = set(tree.evaluate("() => genealogy.names(genealogy.chosen().descendants)"))
    expected = {name_of(one) for one in births.birth_id.tolist() if founder in elders(births, one)}
    assert found == expected != set()


def test_each_colour_draws_another_picture(tree: "Page") -> None:
    pictures = []
    for colour in ("fitness", "species", "family", "operator"):
        tree.locator(f"[name=colour][value={colour}]").check()
        tree.wait_for_timeout(80)
        pictures.append(tree.evaluate(PICTURE))
        assert tree.locator("#legend span").count() > 1
    assert len(set(pictures)) == 4
    tree.uncheck("#migrations")
    tree.wait_for_timeout(80)
    assert tree.evaluate(PICTURE) != pictures[-1]


def test_search_finds_births_and_strategies(tree: "Page", view: JobView, births: Births) -> None:
    one = view.candidates[-1]
    best = int(np.nanargmax(np.where(births.reason == 0, births.objectives[:, 0], np.nan)))
    for query, birth in (
        (str(one["birth_id"]), one["birth_id"]),
        (name_of(one["birth_id"]), one["birth_id"]),
        (one["id"][:9].upper(), one["birth_id"]),
        ("best", births.birth_id[best]),
    ):
        tree.fill("#query", query)
        tree.press("#query", "Enter")
        assert tree.get_attribute("#tree", "data-chosen") == name_of(birth)
    for nonsense in ("999.999.999", "zebra", "<img>", "9" * 40):
        tree.fill("#query", nonsense)
        tree.click("#go")
        assert f"Nothing on this page is called “{nonsense}”" in tree.inner_text("#found")


def test_keys_walk_the_tree(tree: "Page", view: JobView, births: Births) -> None:
    tree.focus("#tree")
    tree.keyboard.press("e")
    chosen = {tree.get_attribute("#tree", "data-chosen")}
    assert chosen <= {name_of(one["birth_id"]) for one in view.elites}
    elite = next(one for one in view.elites if {name_of(one["birth_id"])} == chosen)
    tree.keyboard.press("ArrowLeft")
    parent = births.parent_a[row_of(births, elite["birth_id"])]
    assert tree.get_attribute("#tree", "data-chosen") == name_of(parent)
    tree.keyboard.press("ArrowRight")
    child = tree.get_attribute("#tree", "data-chosen")
    rows = np.flatnonzero((births.parent_a == parent) | (births.parent_b == parent))
    fitness = np.where(births.reason[rows] == 0, births.objectives[rows, 0], -np.inf)
    assert child == name_of(births.birth_id[rows[np.argmax(fitness)]])
    tree.keyboard.press("Escape")
    assert tree.get_attribute("#tree", "data-chosen") == ""
    before = tree.evaluate("() => genealogy.tree().kx")
    tree.keyboard.press("+")
    assert tree.evaluate("() => genealogy.tree().kx") > before
    tree.keyboard.press("0")
    assert tree.evaluate("() => genealogy.tree().kx") == before


def test_wheel_drag_and_hover(tree: "Page", births: Births) -> None:
    box = tree.locator("#tree").bounding_box()
    tree.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(12):
        tree.mouse.wheel(0, -240)
    tree.wait_for_function("() => document.getElementById('tree').dataset.mode === 'births'")
    before = tree.evaluate("() => genealogy.tree()")
    tree.mouse.down()
    tree.mouse.move(box["x"] + box["width"] / 2 - 90, box["y"] + box["height"] / 2, steps=4)
    tree.mouse.up()
    after = tree.evaluate("() => genealogy.tree()")
    assert after["x"] > before["x"]
    assert tree.get_attribute("#tree", "data-chosen") == ""  # to drag is not to choose
    inside = "row => { const [x, y] = genealogy.point(row); return x > 80 && x < 700 && y > 40 && y < 400; }"
    row = next(row for row in range(len(births)) if tree.evaluate(inside, row))
    x, y = tree.evaluate("row => genealogy.point(row)", row)
    tree.mouse.move(box["x"] + x, box["y"] + y)
    assert name_of(births.birth_id[row]) in tree.inner_text("#tip")


def test_dark_narrow_and_print(open_page: OpenPage, view: JobView) -> None:
    light, dark = (
        shown(open_page(color_scheme=scheme, viewport={"width": 420, "height": 760}), view.run_dir / "genealogy.html")
        for scheme in ("light", "dark")
    )
    for page in (light, dark):
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(COLOURS) > 20
    assert light.evaluate(PICTURE) != dark.evaluate(PICTURE)
    dark.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    pixel = "() => [...document.getElementById('tree').getContext('2d').getImageData(1, 1, 1, 1).data]"
    assert min(dark.evaluate(pixel)) > 240  # paper is light
    assert len(dark.pdf()) > 10_000
    dark.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert max(dark.evaluate(pixel)[:3]) < 60


def test_pages_of_nothing_and_of_founders(page: "Page", view: JobView, tmp_path: Path) -> None:
    empty, founders = tmp_path / "empty.html", tmp_path / "founders.html"
    empty.write_text(render_genealogy(replace(view, n_births=0, epochs=())), encoding="utf-8")
    page.goto(empty.as_uri())
    assert "Nothing was born yet" in page.inner_text("main")
    lonely = bred(islands=2, generations=1, brood=6)
    founders.write_text(render_genealogy(replace(view, n_births=12, candidates=()), lonely), encoding="utf-8")
    shown(page, founders)
    assert "one generation by now" in page.inner_text("#found")
    assert page.evaluate(COLOURS) > 5
    assert page.faults == []  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def many() -> tuple[Births, Lines]:
    births = bred(islands=8, generations=100, brood=63)
    assert len(births) > 50_000
    return births, lines_of_births(births)


def test_fifty_thousand_births_are_marks_that_open(
    page: "Page", view: JobView, many: tuple[Births, Lines], tmp_path: Path
) -> None:
    births, lines = many
    last = len(births) - 1
    record = {**view.elites[0], "birth_id": int(births.birth_id[last])}
    path = tmp_path / "many.html"
    path.write_text(
        render_genealogy(replace(view, n_births=len(births), candidates=(record,)), births), encoding="utf-8"
    )
    assert path.stat().st_size < 8 * 2**20
    shown(page, path)
    assert page.get_attribute("#tree", "data-mode") == "marks"
    assert "Aggregated" in page.inner_text("#level")
    assert page.evaluate(COLOURS) > 50
    click_on(page, last)
    expected = {name_of(int(births.birth_id[row])) for row in ancestors(lines, np.array([last], dtype=np.int32))}
    assert highlighted(page) == expected
    assert "filled part" not in page.inner_text("#level")
    founders = [row for row in ancestors(lines, np.array([last], dtype=np.int32)) if births.parent_a[row] == NO_PARENT]
    founder = max(founders, key=lambda row: len(descendants(lines, np.array([row], dtype=np.int32))))
    page.evaluate(f"() => genealogy.choose({founder})")  # a click would choose the best of its mark
    page.check("#descendants")
    assert page.evaluate("() => { genealogy.draw(); return genealogy.chosen().descendants.size; }") > 2000
    assert page.inner_text("#level").endswith("The filled part of a mark is descendants.")
    marks = page.evaluate(
        "() => { let n = 0; for (let x = 70; x < 700; x += 3) n += !!genealogy.hit(x, 200)?.mark; return n; }"
    )
    assert marks > 50
    ticks = page.evaluate(
        "() => Array.from({length: 12}, () => { genealogy.zoomAt(1.4, 400, 200); genealogy.draw();"
        " return +document.getElementById('tree').dataset.frameMs; })"
    )
    assert page.get_attribute("#tree", "data-mode") == "births"
    assert np.median(ticks) < 1000.0  # milliseconds a frame: 2 to 20 on two busy cores
    assert page.faults == []  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def mlflow(view: JobView) -> Iterator[str]:
    """The address of MLflow's own server on the store of the job."""
    root = view.run_dir.parent
    replay(view.run_dir, uri=None, root=root, experiment="studbook")
    port = free_port()
    with (root / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            command(root, port), env=environment(store_uri(None, root)), stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_up(server, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(server)


def artifacts_of(address: str, job_id: str) -> str:
    """The address of the artifacts of a job's run in MLflow's user interface."""

    def asked(path: str, **query: Any) -> Any:
        request = urllib.request.Request(
            f"{address}/api/2.0/mlflow/{path}", headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, json.dumps(query).encode() if query else None, timeout=60) as answer:
            return json.load(answer)

    experiment = asked("experiments/get-by-name?experiment_name=studbook")["experiment"]["experiment_id"]
    query = f"tags.`{JOB_TAG}` = '{job_id}'"
    run = asked("runs/search", experiment_ids=[experiment], filter=query)["runs"][0]["info"]["run_id"]
    return f"{address}/#/experiments/{experiment}/runs/{run}/artifacts"


def test_it_works_inside_mlflow(page: "Page", mlflow: str, view: JobView, births: Births) -> None:
    page.set_default_timeout(120_000)
    page.goto(artifacts_of(mlflow, view.id))
    page.get_by_text("genealogy.html", exact=True).first.click()
    holder = page.wait_for_selector("iframe")
    assert holder.get_attribute("sandbox") == "allow-scripts"
    frame = holder.content_frame()
    frame.wait_for_function(DRAWN)
    assert frame.evaluate(COLOURS) > 20
    elite = view.elites[-1]
    click_on(frame, row_of(births, elite["birth_id"]))
    assert highlighted(frame) == {name_of(one) for one in elders(births, elite["birth_id"])}
    assert elite["id"] in frame.inner_text("#panel")
    frame.fill("#query", "best")
    frame.press("#query", "Enter")
    assert frame.get_attribute("#tree", "data-chosen") != name_of(elite["birth_id"])
    frame.press("#tree", "Escape")
    assert frame.get_attribute("#tree", "data-chosen") == ""
    assert not [text for text in page.faults if "genealogy" in text or "blob:" in text]  # type: ignore[attr-defined]
