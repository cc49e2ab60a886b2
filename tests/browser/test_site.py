"""The built site in a browser: every page, on a wide screen and on a phone, in light and in dark mode."""

from __future__ import annotations

import re

import pytest

from book import assemble, check

pytestmark = pytest.mark.browser

PAGES = [*assemble.toc_pages(), "search", "genindex"]
CHINESE = [f"zh/{name}" for name in PAGES]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

# What a reader would see wrong: pictures that did not load or say nothing, formulas left as code,
# widgets that did not appear.
FAULTS = r"""() => {
  const faults = [];
  for (const picture of document.images) {
    const name = picture.src.slice(0, 80);
    if (!picture.complete || !picture.naturalWidth) faults.push("picture did not load: " + name);
    if (!picture.alt.trim()) faults.push("picture without alt text: " + name);
  }
  for (const formula of document.querySelectorAll(".math")) {
    const words = formula.textContent.slice(0, 40);
    if (!formula.querySelector("mjx-container")) faults.push("formula not set: " + words);
  }
  for (const formula of document.querySelectorAll("mjx-container")) {
    const words = formula.textContent.slice(0, 40);
    if (formula.querySelector("mjx-merror")) faults.push("formula with an error: " + words);
    // MathJax shows a command that it does not know in red, and says nothing.
    for (const part of formula.querySelectorAll("mjx-mtext"))
      if (part.style.color === "red") faults.push("formula with an unknown command: " + words);
  }
  // A command, a pair of backslashes or of dollars in running text is a formula that was never set.
  const page = document.querySelector("main") || document.body;
  const texts = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode())
    if (/\\\\|\\[a-zA-Z]{2}|[$][$]/.test(text.data)
        && !text.parentElement.closest("pre, code, script, style, mjx-container, .math, .jupyter-widgets"))
      faults.push("TeX left as text: " + text.data.trim().slice(0, 60));
  for (const view of document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')) {
    if (!view.parentElement.querySelector(".jupyter-widgets")) faults.push("widget did not appear");
  }
  return faults;
}"""
SETTLED = """() => [...document.images].every((picture) => picture.complete)
  && (!document.querySelector(".math") || document.querySelector("mjx-container"))
  && [...document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')]
       .every((view) => view.parentElement.querySelector(".jupyter-widgets"))"""
SIZES = "() => [document.documentElement.scrollWidth, document.body.scrollWidth, window.innerWidth]"


def test_every_page_of_the_site_is_opened_here(site):
    built = {path.relative_to(site).with_suffix("").as_posix() for path in check.pages(site)}
    assert built == {*PAGES, *CHINESE}


@pytest.mark.parametrize("name", [*PAGES, *CHINESE])
def test_page(open_page, served, name):
    """Opened on one screen in one mode, then brought to the other: English wide first, Chinese on a phone."""
    screens = [(WIDE, "light"), (PHONE, "dark")]
    if name in CHINESE:
        screens.reverse()
    watched = open_page(viewport=screens[0][0], color_scheme=screens[0][1])
    page = watched.page
    page.goto(f"http://{served}/{name}.html", wait_until="load")
    page.wait_for_function(SETTLED, timeout=20_000)
    page.wait_for_load_state("networkidle")
    for screen, mode in screens:
        page.set_viewport_size(screen)
        page.emulate_media(color_scheme=mode)
        page.wait_for_function("mode => document.documentElement.dataset.theme === mode", arg=mode)
        page.wait_for_function("width => window.innerWidth === width", arg=screen["width"])
        assert page.evaluate(FAULTS) == []
        document_width, body_width, screen_width = page.evaluate(SIZES)
        assert max(document_width, body_width) <= screen_width, "the page scrolls sideways"
    assert watched.elsewhere(served) == []
    assert watched.failures == []
    assert watched.errors == []


def test_the_watch_sees_requests_errors_and_missing_files(open_page, served):
    """What test_page relies on: each kind of fault is noticed."""
    watched = open_page()
    watched.page.goto(f"http://{served}/index.html")
    watched.page.evaluate(
        r"""async () => {
          await fetch("http://192.0.2.1/beacon").catch(() => 0);
          await fetch("/missing.js");
          setTimeout(() => { throw new Error("thrown on purpose"); }, 0);
          const picture = new Image();
          picture.src = "data:image/png;base64,broken";
          document.body.append(picture);
          await new Promise((done) => picture.addEventListener("error", done));
          const page = document.querySelector("main");
          page.insertAdjacentHTML("beforeend", String.raw`<p id="tex"></p><p>A mean of \\hat x.</p>`);
          const formulas = document.getElementById("tex");
          formulas.textContent = String.raw`\(\unknown x\) and \(\left( x\)`;
          await MathJax.startup.promise;
          await MathJax.typesetPromise([formulas]);
        }"""
    )
    assert watched.elsewhere(served) == ["http://192.0.2.1/beacon"]
    assert any("/missing.js: 404" in failure for failure in watched.failures)
    assert any("thrown on purpose" in error for error in watched.errors)
    faults = watched.page.evaluate(FAULTS)
    assert [fault.partition(":")[0] for fault in faults] == [
        "picture did not load",
        "picture without alt text",
        "formula with an unknown command",
        "formula with an error",
        "TeX left as text",
    ]


def test_every_page_opens_from_a_folder_without_a_server(open_page, site):
    """A memory stick is enough. Of the Chinese edition, a page of each kind."""
    watched = open_page(viewport=WIDE)
    some = [name for name in CHINESE if "/" not in name.removeprefix("zh/") or "05_vae_math" in name]
    for name in [*PAGES, *some]:
        watched.page.goto((site / f"{name}.html").as_uri(), wait_until="load")
        watched.page.wait_for_function(SETTLED, timeout=20_000)
        assert watched.page.evaluate(FAULTS) == []
        # Whoever leaves a page while its icon is still on the way cancels it; a file that is not there is
        # ERR_FILE_NOT_FOUND.
        failures = [failure for failure in watched.failures if not failure.endswith("net::ERR_ABORTED")]
        assert failures == [] and watched.errors == [], name
    local = ("file:", "data:", "blob:")
    assert [address for address in watched.requests if not address.startswith(local)] == []


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        ("floor", ["glossary"]),
        ("Transformer", ["glossary"]),
        ("证据下界", ["glossary", "notebooks/05_vae_math"]),
        ("重复", ["notebooks/01_collect", "notebooks/02_clean", "notebooks/15_data_quality"]),
        ("抄袭", ["notebooks/14_evaluation", "notebooks/15_data_quality"]),
        ("数据清洗", ["notebooks/00_seven_stages", "notebooks/02_clean", "notebooks/15_data_quality"]),
        ("变分自编码器", ["notebooks/05_vae_math", "notebooks/06_vae_images", "notebooks/07_broken_listing"]),
        ("判别器", ["notebooks/08_gan_math", "notebooks/09_gan_images", "notebooks/10_super_resolution"]),
        ("后验坍缩", ["notebooks/06_vae_images"]),
    ],
)
def test_search_finds_a_term_in_both_languages(open_page, served, words, targets):
    watched = open_page(viewport=WIDE)
    watched.page.goto(f"http://{served}/search.html?q={words}")
    for target in targets:
        watched.page.locator(f'#search-results a[href*="{target}.html"]').first.wait_for(timeout=20_000)
    assert watched.elsewhere(served) == [] and watched.errors == []


@pytest.mark.parametrize("words", ["证据下界", "数据清洗", "变分自编码器", "判别器", "后验坍缩", "重复"])
def test_search_in_the_chinese_edition_finds_its_labs(open_page, served, words):
    watched = open_page(viewport=WIDE)
    watched.page.goto(f"http://{served}/zh/search.html?q={words}")
    watched.page.locator('#search-results a[href*="notebooks/"]').first.wait_for(timeout=20_000)
    assert watched.elsewhere(served) == [] and watched.errors == []


@pytest.mark.parametrize("name", ["index", "notebooks/05_vae_math", "teaching/05_vae_math", "claims"])
def test_the_switch_leads_to_the_same_page_in_the_other_language_and_back(open_page, served, name):
    page = open_page(viewport=PHONE).page
    page.goto(f"http://{served}/{name}.html")
    english = page.locator("main h1").first.inner_text()
    page.get_by_role("link", name="This page in Chinese").click()
    page.wait_for_url(f"**/zh/{name}.html")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert len(re.findall("[\u4e00-\u9fff]", page.locator("main").first.inner_text())) > 200
    page.get_by_role("link", name="本页的英文版").click()
    page.wait_for_url(f"http://{served}/{name}.html")
    assert page.locator("main h1").first.inner_text() == english


def test_search_in_chinese_finds_nothing_that_is_not_there(open_page, served):
    """Characters that stand on the pages, as a pair that stands on none."""
    watched = open_page(viewport=WIDE)
    watched.page.goto(f"http://{served}/search.html?q=猫据")
    watched.page.locator("#search-results", has_text="did not match").wait_for(timeout=20_000)
    assert watched.page.locator("#search-results li").count() == 0


def test_the_ledger_opens_with_one_table_on_one_screen(open_page, served):
    for width, height in ((1280, 1000), (1920, 1000)):
        watched = open_page(viewport={"width": width, "height": height})
        watched.page.goto(f"http://{served}/claims.html")
        table = watched.page.locator("table.ledger").bounding_box()
        assert table["y"] + table["height"] <= height
    number = watched.page.locator("table.ledger tr", has_text="C14").get_by_role("link", name="07")
    number.click()
    watched.page.wait_for_url("**/notebooks/07_broken_listing.html#claims-07-broken-listing")


def test_labs_lead_to_each_other_and_to_the_ledger(site):
    names = [path.stem for path in assemble.notebook_paths()]
    leads = {name: set(check.read_page(site / "notebooks" / f"{name}.html").links) for name in names}
    for name, found in leads.items():
        assert any(link.startswith("../claims.html#claim-c") for link in found), name
    words = r'href="(\d\d)_\w+\.html"><span class="doc">(?:notebooks? |labs? )?(\d\d)<'
    pages = "".join((site / "notebooks" / f"{name}.html").read_text(encoding="utf-8") for name in names)
    named = re.findall(words, pages, re.IGNORECASE)
    assert len(named) > len(names) and all(target == number for target, number in named)


def test_code_that_only_draws_is_folded_and_opens(open_page, served):
    watched = open_page(viewport=WIDE)
    watched.page.goto(f"http://{served}/notebooks/13_tuning.html")
    folded = watched.page.locator("details", has=watched.page.locator("div.cell_input, div.highlight")).first
    assert folded.locator("pre").first.is_hidden()
    folded.locator("summary").click()
    assert folded.locator("pre").first.is_visible()


def test_the_switch_changes_between_light_and_dark(open_page, served):
    watched = open_page(viewport=WIDE, color_scheme="light")
    watched.page.goto(f"http://{served}/index.html")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    seen = {watched.page.evaluate(ground)}
    for _ in range(2):
        watched.page.get_by_role("button", name="Color mode").first.click()
        seen.add(watched.page.evaluate(ground))
    assert len(seen) == 2


def test_the_drawing_of_the_stages_fits_the_screen(open_page, served):
    shown = {}
    for name, screen in (("wide", WIDE), ("tall", PHONE)):
        watched = open_page(viewport=screen)
        watched.page.goto(f"http://{served}/index.html")
        picture = watched.page.locator("img.stages")
        shown[name] = picture.evaluate("picture => picture.currentSrc")
        assert picture.bounding_box()["width"] <= screen["width"]
    assert shown["wide"].endswith("stages-wide.svg") and shown["tall"].endswith("stages-tall.svg")
