"""Two editions become one site: what both load lies once, and each page leads to its twin."""

from __future__ import annotations

import pytest

from book import check, languages

PAGE = (
    '<html><head><script src="{up}_static/lab.js?v=1"></script>'
    '<script src="{up}_static/words.js"></script></head>'
    '<body><summary><span class="toctree-toggle"></span></summary>'
    '<div class="article-header-buttons"></div><h1>{title}</h1>'
    '<div data-loads="{up}_static/models/a.onnx {up}_static/words.js"></div></body></html>'
)


@pytest.fixture
def site(tmp_path):
    for edition, title in (("english", "A cat"), ("chinese", "猫")):
        (tmp_path / edition / "notebooks").mkdir(parents=True)
        (tmp_path / edition / "_static" / "models").mkdir(parents=True)
        (tmp_path / edition / "_static" / "lab.js").write_text("same")
        (tmp_path / edition / "_static" / "models" / "a.onnx").write_text("same")
        (tmp_path / edition / "_static" / "words.js").write_text(title)
        (tmp_path / edition / "index.html").write_text(PAGE.format(up="", title=title))
        (tmp_path / edition / "notebooks" / "05.html").write_text(PAGE.format(up="../", title=title))
        (tmp_path / edition / "changes.xml").write_text("<feed/>")
    (tmp_path / "english" / "only.html").write_text(PAGE.format(up="", title="Only here"))
    languages.join(tmp_path / "english", tmp_path / "chinese")
    return tmp_path / "english"


def test_what_both_editions_load_lies_once(site):
    kept = {
        path.relative_to(site / "zh" / "_static").as_posix() for path in (site / "zh").rglob("_static/**/*")
    }
    assert kept == {"words.js"}, "only what differs stays"
    page = (site / "zh" / "notebooks" / "05.html").read_text()
    assert 'src="../../_static/lab.js?v=1"' in page and 'src="../_static/words.js"' in page
    assert 'data-loads="../../_static/models/a.onnx ../_static/words.js"' in page
    assert check.site_faults(site) == []


def test_each_page_leads_to_the_same_page_in_the_other_language(site):
    page = (site / "notebooks" / "05.html").read_text()
    assert page.count('href="../zh/notebooks/05.html"') == 2, "in the head and above the text"
    assert 'title="AIGC Lab" href="../changes.xml"' in page
    assert '<summary aria-label="Show or hide the pages">' in page
    page = (site / "zh" / "notebooks" / "05.html").read_text()
    assert '<summary aria-label="展开或收起">' in page
    assert page.count('href="../../notebooks/05.html"') == 2 and 'hreflang="en"' in page
    assert "lab-language" not in (site / "only.html").read_text(), "a page without a twin has no switch"
