"""Sounds in a browser: in JupyterLab after a cell ran, and on the site; Chromium says how long, and plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from lab_server import lab_server, open_and_run
from nbformat.v4 import new_code_cell, new_notebook, new_output

from aigc_lab import players
from book import assemble, check, languages, sounds

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LISTEN = """import numpy as np
from aigc_lab import players

tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000)
players.sounds({"one <second>": tone, "three": np.tile(tone, 3), "at 44.1": (tone[:5_000], 44_100)}, 8_000)
"""
SECONDS = {"one <second>": 1.0, "three": 3.0, "at 44.1": 0.113}
# Played from the start, silently for those who sit beside it, until it moves.
PLAY = """async (player) => {
  player.muted = true;
  await player.play();
  await new Promise((done) => player.addEventListener("timeupdate", () => player.currentTime > 0 && done()));
  return player.duration;
}"""
NAMES = "() => [...document.querySelectorAll('audio')].map((player) => player.getAttribute('aria-label'))"
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def heard(page) -> dict[str, float]:
    """Every player's caption, and how long its sound is once it plays."""
    found = {}
    for figure in page.locator("figure.lab-sound").all():
        caption = figure.locator("figcaption").inner_text().rpartition(" · ")[0]
        found[caption] = figure.locator("audio").evaluate(PLAY)
        assert figure.locator("img").evaluate("picture => picture.complete && picture.naturalWidth > 0")
        assert figure.locator("img").get_attribute("alt").startswith(f"Spectrogram of {caption}: ")
    return found


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    """A notebook with a cell that shows players, and what it stores."""
    scope: dict = {}
    *lines, last = LISTEN.strip().splitlines()
    exec("\n".join(lines), scope)
    data = eval(last, scope)._repr_mimebundle_()
    shown = new_output("execute_result", data=data, execution_count=1)
    return new_notebook(cells=[new_code_cell(LISTEN, outputs=[shown], execution_count=1)])


def test_a_cell_in_jupyterlab_shows_players_that_play(notebook, open_page: Callable, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    bare = nbformat.from_dict(notebook)
    bare.cells[0].outputs, bare.cells[0].execution_count = [], None
    bare.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)"}  # else it asks
    nbformat.write(bare, work / "listen.ipynb")
    with lab_server(tmp_path, work) as address:
        watched = open_page(viewport=WIDE)
        open_and_run(watched.page, address, "listen.ipynb", 1, 300_000)
        watched.page.locator("figure.lab-sound").nth(2).wait_for(timeout=20_000)
        assert heard(watched.page) == pytest.approx(SECONDS, abs=0.1)
        # Beside each other where there is room.
        tops = {round(each.bounding_box()["y"]) for each in watched.page.locator("figure.lab-sound").all()}
        assert len(tops) < 3
        assert watched.elsewhere(address.split("/")[2]) == []


@pytest.fixture
def pages(notebook, root: Path, tmp_path: Path) -> Iterator[Path]:
    """The notebook's output on a page of its own, with the style sheet and the files of the site."""
    (tmp_path / "_static").mkdir()
    (tmp_path / "notebooks").mkdir()
    prepared = assemble.prepare_notebook(notebook, "18_x.ipynb")
    sounds.place(prepared, "18_x.ipynb", tmp_path / "_static")
    style = (root / "book" / "assets" / "lab.css").read_text(encoding="utf-8")
    body = prepared.cells[0].outputs[0].data["text/html"]
    page = (
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>x</title><style>{style}</style><main class='bd-article'>"
        f"<div class='cell_output'><div class='output text_html'>{body}</div></div></main>"
    )
    (tmp_path / "notebooks" / "18_x.html").write_text(page, encoding="utf-8")
    yield tmp_path


@pytest.mark.parametrize("screen", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_page_plays_its_sounds_from_files_also_without_a_server(pages, open_page: Callable, screen) -> None:
    assert check.site_faults(pages) == []
    watched = open_page(viewport=screen)
    watched.page.goto((pages / "notebooks" / "18_x.html").as_uri())
    assert not [address for address in watched.requests if "/sounds/" in address]  # before one is played
    assert heard(watched.page) == pytest.approx(SECONDS, abs=0.1)
    names = watched.page.evaluate(NAMES)
    assert len(names) == 3 and all(name.startswith("Sound: ") for name in names)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    assert len([address for address in watched.requests if "/_static/sounds/" in address]) == 3
    assert not watched.errors


def with_sounds(site: Path) -> list[str]:
    """The pages of the site that hold players."""
    stored = '<figure class="lab-sound"'
    pages = [path for path in check.pages(site) if languages.FOLDER not in path.relative_to(site).parts]
    return [path.stem for path in pages if stored in path.read_text(encoding="utf-8")]


def test_every_sound_of_the_site_plays(site: Path, served: str, open_page: Callable) -> None:
    names = with_sounds(site)
    told = (path for path in assemble.notebook_paths() if "lab-sound" in path.read_text(encoding="utf-8"))
    assert names == [path.stem for path in told]
    for name in names:
        watched = open_page(viewport=PHONE)  # at both widths test_site looks at every page
        watched.page.goto(f"http://{served}/notebooks/{name}.html", wait_until="load")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for player in watched.page.locator("figure.lab-sound audio").all():
            assert 0 < player.evaluate(PLAY) < 600, player.get_attribute("aria-label")
        assert watched.elsewhere(served) == [] and watched.errors == []


def test_every_form_that_players_store_is_played(open_page: Callable) -> None:
    import numpy as np

    page = open_page().page
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(6_000) / 8_000)
    for rate in (2_000, 8_000, 11_025, 22_050, 48_000, 96_000):
        for form in players.FORMS:
            shown = players.sounds({"x": tone}, rate, picture=None, form=form)._repr_mimebundle_()
            page.set_content(shown["text/html"])
            seconds = page.locator("audio").evaluate(PLAY)
            assert seconds == pytest.approx(6_000 / rate, abs=0.1), (rate, form)
