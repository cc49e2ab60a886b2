"""clean.inspect: what it finds, what its page holds, and that it never touches the input."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc_lab import clean, collect, corrupt, label
from aigc_lab.clean import report
from aigc_lab.clean.__main__ import main
from aigc_lab.clean.page import excerpt, image_uri, visible
from aigc_lab.collect import Dataset, own_card

VOID = {"meta", "img", "br", "wbr"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


def inspect(what, target: Path, **options) -> clean.Inspection:
    return clean.inspect(what, target, label_check=label.issues, progress=False, **options)


def page_of(inspection) -> Page:
    return Page(inspection.html.read_text("utf-8"))


def animals(count: int = 300, seed: int = 0) -> Dataset:
    whole = collect.load("animals")
    whole = clean.drop(whole, clean.exact_duplicates(whole)).kept
    return whole[np.sort(np.random.default_rng(seed).permutation(len(whole))[:count])]


@pytest.fixture(scope="module")
def dirty() -> tuple[Dataset, corrupt.CorruptionLog]:
    rates = {"exact_duplicate": 0.05, "near_duplicate": 0.05, "junk": 0.05, "blur": 0.04, "label_flip": 0.05}
    return corrupt.apply(animals(900), rates, seed=0)


@pytest.fixture(scope="module")
def seen(dirty, tmp_path_factory):
    return inspect(dirty[0], tmp_path_factory.mktemp("seen") / "report.html")


def write(image: np.ndarray, path: Path, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


def state(folder: Path) -> dict:
    """Everything of a folder that an inspection might change: names, bytes, times, rights."""
    return {
        path.relative_to(folder): (
            path.stat().st_mtime_ns,
            path.stat().st_mode,
            path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def folder(tmp_path) -> Path:
    """Photographs of two classes with one fault of every kind."""
    root = tmp_path / "my <b>pets & co"
    photos = collect.photos()
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        write(photos[name], root / "good" / f"{name}.png")
    for name in ("brick", "grass", "gravel", "coins"):
        write(photos[name], root / "<i>odd" / f"{name}.png")
    write(photos["coffee"], root / "good" / "same.png")
    write(photos["chelsea"], root / "good" / "recoded.jpg", quality=60)
    write(photos["rocket"], root / "<i>odd" / "rocket again.png")
    write(photos["camera"].astype(np.uint16) * 257, root / "good" / "sixteen bits.png")
    write(np.full((90, 200, 3), 20, np.uint8), root / "good" / "blank and wide.png")
    alpha = np.dstack([photos["astronaut"][:100, :100], np.full((100, 100), 90, np.uint8)])
    write(alpha, root / "good" / "alpha.png")
    Image.fromarray(photos["flower"]).convert("CMYK").save(root / "good" / "cmyk.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(photos["china"]).save(root / "good" / "turned.jpg", exif=turned)
    whole = (root / "good" / "turned.jpg").read_bytes()
    (root / "good" / "truncated.jpg").write_bytes(whole[: len(whole) // 3])
    (root / "good" / "zero.png").write_bytes(b"")
    (root / "good" / "no picture.png").write_bytes(b"hello")
    frames = [Image.fromarray(photos[name]).resize((40, 40)) for name in ("coffee", "chelsea")]
    frames[0].save(root / "good" / "animated.gif", save_all=True, append_images=frames[1:])
    (root / "LICENSE.txt").write_text("CC0", encoding="utf-8")
    return root


def test_what_was_put_in_is_proposed_or_worth_a_look(dirty, seen):
    _, log = dirty
    proposed = set(seen.cleaned().dropped["item"])
    copies = set(log.items("exact_duplicate")) | set(log.items("near_duplicate"))
    assert len(copies - proposed) <= 0.06 * len(copies)
    looked = proposed | {item for name in seen.issues for item in seen.issues[name]["item"]}
    assert set(log.items("blur")) <= looked
    assert len(set(log.items("junk")) - looked) <= 0.1 * len(log.items("junk"))
    assert seen.proposed == ("exact_duplicates", "near_duplicates", "low_information")
    # The proposal is careful: of the images without any fault hardly one is in it.
    clean_ones = set(np.flatnonzero(~log.mask()))
    assert len(clean_ones & proposed) <= 0.005 * len(clean_ones)


def test_the_proposal_leaves_the_dataset_as_it_was(dirty, seen):
    data = dirty[0]
    before = data.data.copy()
    cleaned = seen.cleaned("outliers")
    assert len(seen.cleaned().kept) > len(cleaned.kept)
    assert (data.data == before).all() and seen.dataset is data
    with pytest.raises(ValueError, match="no check named 'taste' ran"):
        seen.cleaned("taste")


def test_the_table_names_every_finding(seen):
    table = seen.table
    assert len(table) == sum(len(found) for found in seen.issues.values())
    labels = table[table["detector"] == "label_issues"]
    assert len(labels) and set(labels["suggested"]) <= set(seen.dataset.class_names)
    assert (table["duplicate_of"] >= 0).sum() == sum(
        seen.counts[name] for name in ("exact_duplicates", "near_duplicates")
    )
    assert set(table["detector"][table["proposed"]]) == set(seen.proposed)
    assert seen.counts["blurred"] == len(seen.issues["blurred"])


def test_the_page_is_whole_by_itself(seen):
    text = seen.html.read_text("utf-8")
    page = Page(text)
    assert not re.search(r"https?://|//[a-z]+\.", re.sub(r'(href|src)="data:[^"]*"', "", text))
    assert not page.all("script") and not page.all("link") and not page.all("iframe")
    for image in page.all("img"):
        assert image["src"].startswith("data:image/") and len(image["alt"]) > 5
    assert all(link["href"].startswith("data:text/csv;base64,") for link in page.all("a"))
    policy = next(meta for meta in page.all("meta") if "http-equiv" in meta)
    assert policy["content"].startswith("default-src 'none'")
    assert "prefers-color-scheme: dark" in text
    assert page.all("html")[0]["lang"] == "en"
    for words in ("Proposed to drop", "建议删除", "Class balance", "类别平衡", "Licence", "许可证", "MIT"):
        assert words in page.text
    assert len(page.all("img")) > 60 and len(text) < 1_000_000


def test_the_page_tells_the_counts(dirty, seen):
    page = page_of(seen).text
    assert f"{len(dirty[0]):,} images looked at" in page
    assert f"{len(seen.cleaned().dropped)} proposed to drop" in page
    assert f"{seen.counts['label_issues']} labels are doubtful" in page
    assert str(seen).startswith(f"{len(dirty[0])} images looked at")


def test_the_same_seed_writes_the_same_bytes(dirty, tmp_path, capsys):
    part = dirty[0].head(200)
    one = inspect(part, tmp_path / "one.html").html.read_bytes()
    assert "nothing was deleted" in capsys.readouterr().out
    assert inspect(part, tmp_path / "two.html").html.read_bytes() == one


def test_features_may_be_a_function_of_the_dataset(dirty, tmp_path):
    part = dirty[0].head(200)
    calls = []

    def pixels(dataset):
        calls.append(len(dataset))
        return dataset.data.reshape(len(dataset), -1)[:, ::7]

    seen = inspect(part, tmp_path / "a.html", features=pixels)
    assert calls == [200]
    assert not any("plain measurements" in note for note in seen.notes)
    same = inspect(part, tmp_path / "b.html", features=pixels(part))
    assert same.table.equals(seen.table)


def test_a_folder_of_faults(folder, tmp_path):
    before = state(folder)
    seen = inspect(folder, tmp_path / "out" / "report.html")
    assert state(folder) == before, "the input was touched"

    reasons = dict(seen.folder_report.skipped)
    assert set(reasons) == {
        "LICENSE.txt", "good/animated.gif", "good/no picture.png", "good/truncated.jpg", "good/zero.png"
    }  # fmt: skip
    changed = dict(seen.folder_report.converted)
    for file, word in (("sixteen bits.png", "16-bit"), ("cmyk.jpg", "CMYK"), ("alpha.png", "transparent")):
        assert word in changed[f"good/{file}"]
    assert "EXIF" in changed["good/turned.jpg"]

    dropped = {seen.name(item) for item in seen.cleaned().dropped["item"]}
    assert dropped == {
        "good/same.png", "good/recoded.jpg", "good/rocket.png", "good/blank and wide.png"
    }  # fmt: skip
    exact = seen.issues["exact_duplicates"].set_index("item")["reason"]
    assert "the files are identical" in exact[seen.folder_report.kept.index("good/same.png")]
    assert "labelled good here and <i>odd there" in " ".join(seen.table["reason"])

    page = page_of(seen)
    for file, reason in (*reasons.items(), *changed.items()):
        assert file in page.text and reason in page.text
    assert "These files of the folder may state it: LICENSE.txt" in page.text
    assert "not stated: check it before you publish" in page.text


def test_names_are_text_and_never_markup(folder, tmp_path):
    photo = collect.photos()["coffee"]
    write(photo, folder / "good" / "<img src=x onerror=alert(1)>.png")
    write(photo, folder / "good" / '"><script>alert(1)<!--.png')
    write(photo, folder / "good" / "turned \u202egnp.exe.png")
    seen = inspect(folder, tmp_path / "report.html")
    page = page_of(seen)
    assert not page.all("script") and not page.all("i")
    assert all(set(image) <= {"src", "alt", "width", "height", "class"} for image in page.all("img"))
    assert "\u202e" not in page.text and "⟨U+202E⟩" in page.text
    assert "<i>odd" in page.text and "my <b>pets & co" in page.text


def test_thumbnails_of_a_folder_come_from_its_files(folder, tmp_path):
    seen = inspect(folder, tmp_path / "report.html")
    item = seen.folder_report.kept.index("good/coffee.png")
    uri, coarse = image_uri(seen.dataset.data[item], folder / seen.name(item))
    assert uri.startswith("data:image/jpeg") and not coarse
    uri, coarse = image_uri(seen.dataset.data[item], folder / "gone.png")
    assert uri.startswith("data:image/png") and coarse


def test_a_folder_without_classes(folder, tmp_path):
    seen = inspect(folder / "good", tmp_path / "report.html")
    assert seen.dataset.labels is None and len(seen.issues["label_issues"]) == 0
    assert any("no labels to check" in note for note in seen.notes)
    assert "Class balance" not in page_of(seen).text


def test_small_images_of_one_size_are_compared_as_they_are(tmp_path):
    part = animals(20)
    for number, image in enumerate(part.data):
        write(image, tmp_path / "in" / f"{number:02}.png")
    seen = inspect(tmp_path / "in", tmp_path / "report.html")
    assert (seen.dataset.data == part.data).all()
    other = inspect(tmp_path / "in", tmp_path / "report.html", size=(16, 20))
    assert other.dataset.data.shape == (20, 16, 20)


def test_the_shell_line(tmp_path):
    part = animals(20)
    for image, number_of_class, number in zip(part.data, part.labels, range(20), strict=True):
        write(image, tmp_path / "in" / part.class_names[number_of_class] / f"={number:02}.png")
    line = [sys.executable, "-m", "aigc_lab.clean", "in", "--issues", "issues.csv"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "Error" not in done.stderr, done.stderr
    assert done.stdout.startswith("20 images looked at")
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "issues.csv").read_text("utf-8").startswith("item,name,detector,score")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "there is no folder nowhere"),
        (["empty"], "holds no files"),
        (["in", "--output", "in/report.html"], "inside the folder in; write it elsewhere"),
        (["in", "--output", "report.txt"], "must be the name of an .html file"),
        (["in", "--output", "dir.html"], "is a folder; name a file in it"),
        (["in", "--output", "in/0.png/report.html"], "cannot write the report into"),
        (["in", "--issues", "in/0.png"], "lies inside in; name a file elsewhere"),
        (["in", "--issues", "dir.html"], "is a folder"),
        (["in", "--size", "4"], "at least 8 x 8 pixels"),
        (["in", "--modality", "text"], "none of the 1 files"),
    ],
)
def test_the_shell_line_says_in_one_sentence_what_is_wrong(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "dir.html").mkdir()
    write(animals(1).data[0], tmp_path / "in" / "0.png")
    before = state(tmp_path)
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and "Traceback" not in told
    assert state(tmp_path) == before, "a refused inspection left something behind"


def test_a_failed_write_keeps_the_old_report(tmp_path, monkeypatch):
    target = tmp_path / "report.html"
    target.write_text("old", encoding="utf-8")

    def broken(inspection):
        raise MemoryError

    monkeypatch.setattr("aigc_lab.clean.report.page", broken)
    with pytest.raises(MemoryError):
        inspect(animals(20), target)
    assert target.read_text("utf-8") == "old" and len(list(tmp_path.iterdir())) == 1


def test_one_item_all_identical_and_none(tmp_path):
    one = inspect(animals(1), tmp_path / "one.html")
    assert sum(one.counts.values()) == 0 and "Only one class has items" in page_of(one).text
    same = Dataset(np.repeat(animals(1).data, 50, axis=0), np.arange(50) % 2, ("a", "b"))
    seen = inspect(same, tmp_path / "same.html")
    assert len(seen.cleaned().kept) == 1 and seen.counts["exact_duplicates"] == 49
    assert "and 44 more" in page_of(seen).text
    with pytest.raises(ValueError, match="nothing to inspect"):
        inspect(same[:0], tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()


def test_bad_settings(tmp_path):
    audio = Dataset(np.zeros((3, 50), np.float32), card=own_card("sound", "audio"))
    with pytest.raises(ValueError, match="inspect looks at images and text"):
        inspect(audio, tmp_path / "a.html")
    with pytest.raises(ValueError, match="features must be numbers"):
        inspect(animals(30), tmp_path / "a.html", features=np.zeros((3, 2)))
    assert not (tmp_path / "a.html").exists()


def test_large_images_in_colour_are_shrunk_to_be_compared(tmp_path):
    photos = collect.load("photos")
    doubled = Dataset(np.concatenate([photos.data, photos.data // 2 + 60, photos.data]), card=photos.card)
    seen = inspect(doubled, tmp_path / "a.html")
    assert seen.counts["exact_duplicates"] == len(photos)
    near = seen.issues["near_duplicates"]
    assert (near["duplicate_of"] == near["item"] - len(photos)).all() and len(near) >= 12
    assert not set(near["item"]) & set(seen.issues["exact_duplicates"]["item"])


def test_very_many_images_are_compared_in_blocks(dirty, tmp_path, monkeypatch):
    part = dirty[0].head(200)
    doubled = Dataset(np.concatenate([part.data, part.data // 2 + 60]), card=part.card)
    whole = inspect(doubled, tmp_path / "a.html").issues["near_duplicates"]
    monkeypatch.setattr(report, "_ALIGNED_LIMIT", 200)
    seen = inspect(doubled, tmp_path / "a.html")
    near = seen.issues["near_duplicates"]
    assert len(whole) >= 190 and len(near) < 20  # every copy lies 200 images away from its original
    assert (near["item"] // 200 == near["duplicate_of"] // 200).all()
    assert any("200 images at a time" in note for note in seen.notes)


def test_a_check_that_finds_too_much_is_not_to_be_trusted(tmp_path):
    noise = Dataset(np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8))
    seen = inspect(noise, tmp_path / "a.html")
    assert seen.counts["noisy"] == 40 and len(seen.cleaned().dropped) == 0
    assert any("“Noisy” finds 100%" in note for note in seen.notes)


def test_small_classes_are_left_out_of_the_check_of_labels(dirty, tmp_path):
    part = dirty[0].only("cat", "dog").head(120)
    names = (*part.class_names, "rare")
    labels = part.labels.copy()
    labels[:3] = 2
    seen = inspect(Dataset(part.data, labels, names), tmp_path / "a.html")
    assert any("fewer than 5 items were not checked: rare" in note for note in seen.notes)
    assert not set(seen.issues["label_issues"]["item"]) & {0, 1, 2}
    lonely = replace(part, labels=np.zeros(len(part), int), class_names=("cat",))
    seen = inspect(lonely, tmp_path / "b.html")
    assert any("two classes of at least 5 items" in note for note in seen.notes)


def test_a_folder_of_texts(tmp_path):
    root = tmp_path / "in"
    dialogues = collect.load("dialogues")
    texts = dialogues.only("english").data[::16] + dialogues.only("chinese").data[::8]
    odd = {
        "mail": "Please write to jane.doe@example.com, we are happy to help with all of your questions.",
        "garbled": "The cafÃ© on the corner serves crÃ¨me brÃ»lÃ©e, donâ€™t miss it.",
        "nul": "\0\0\0\0",
        "markup": "<script>alert(1)</script> What is the meaning of life, and why is it so hard to say?",
        "zz copy": texts[-1],
    }
    for number, text in enumerate(texts):
        path = root / ("english" if text.isascii() else "other") / f"{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, text in odd.items():
        (root / "other" / f"{name}.txt").write_text(text, encoding="utf-8")
    (root / "other" / "latin.txt").write_bytes("caf\xe9".encode("latin-1"))
    before = state(root)
    seen = inspect(root, tmp_path / "report.html")
    assert state(root) == before

    def found(name):
        return {seen.name(item) for item in seen.issues[name]["item"]}

    assert seen.dataset.modality == "text"
    assert "other/mail.txt" in found("personal_data") and "other/garbled.txt" in found("garbled")
    assert found("uninformative") == {"other/nul.txt"} and "other/nul.txt" not in found("other_language")
    assert "other/zz copy.txt" in found("exact_duplicates")
    page = page_of(seen)
    assert "jane.doe" not in page.text and "[E-MAIL]" in page.text
    assert not page.all("script") and "not UTF-8 (byte 3)" in page.text
    assert "⟨U+0000⟩" in page.text


def test_secrets_are_kept_wherever_a_reason_quotes_the_text(tmp_path):
    texts = [f"Entry {n} of the list about {word}." for n, word in enumerate(["cats", "dogs", "fish"] * 20)]
    line = "Subscribe to our newsletter and accept all cookies, or write to someone.private@example.org today"
    texts += [f"{text}\n{line}" for text in texts[:12]]
    seen = inspect(Dataset(texts, card=own_card("x", "text")), tmp_path / "a.html")
    assert seen.counts["boilerplate"] >= 12 and seen.counts["personal_data"] == 12
    assert not seen.table["reason"].str.contains("someone").any()
    assert "someone" not in page_of(seen).text


def test_text_in_a_page_is_made_visible():
    assert excerpt("a\x00b\u202ec\nd\te") == "a⟨U+0000⟩b⟨U+202E⟩c ⏎ d e"
    assert excerpt("") == "(empty)"
    assert excerpt("x" * 300) == "x" * 220 + "…"
    assert visible("\ud800") == "⟨U+D800⟩"
    assert visible("👩‍🔬 مرحبا 猫") == "👩‍🔬 مرحبا 猫"


# Colour, and other things of strangers -------------------------------------------------------------------


def shapes(count: int, colour: tuple[int, int, int], seed: int) -> np.ndarray:
    """Rectangles of one colour on white, ``(count, 28, 28, 3)``; equal seeds give equal shapes."""
    rng, images = np.random.default_rng(seed), np.full((count, 28, 28, 3), 255, dtype=np.uint8)
    for image in images:
        top, left = rng.integers(2, 12, 2)
        height, width = rng.integers(6, 14, 2)
        image[top : top + height, left : left + width] = colour
    return images


def test_red_and_green_shapes_of_one_luminance_are_no_copies(tmp_path):
    red, green = shapes(20, (200, 40, 40), 1), shapes(20, (40, 118, 60), 1)
    for name, images in (("red", red), ("green", green)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for place, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / "data" / name / f"{place:02}.png")
    Image.fromarray(red[3]).save(tmp_path / "data" / "red" / "copy.png")
    moved = np.roll(red[5], 1, axis=1)
    Image.fromarray(moved).save(tmp_path / "data" / "red" / "moved.png")
    seen = clean.inspect(tmp_path / "data", tmp_path / "report.html", progress=False)
    assert seen.dataset.data.shape == (42, 28, 28, 3)
    names = {kind: {seen.name(item) for item in seen.issues[kind]["item"]} for kind in seen.issues}
    assert names["exact_duplicates"] == {"red/copy.png"}
    pairs = seen.issues["near_duplicates"]
    labels = seen.dataset.labels
    assert (labels[pairs["item"]] == labels[pairs["duplicate_of"]]).all(), "a red shape is no copy of a green"
    assert {"red/05.png", "red/moved.png"} & names["near_duplicates"]
    assert not names["low_information"]


def test_a_shape_that_shows_in_its_colour_only_is_not_blank():
    images = np.full((3, 28, 28, 3), (90, 90, 90), dtype=np.uint8)
    images[:2, 5:20, 5:20] = (150, 30, 90)  # the mean over the channels is 90 everywhere
    assert set(clean.low_information(Dataset(images))["item"]) == {2}


def test_a_check_that_is_not_trusted_excludes_nothing(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 28, 28), dtype=np.uint8)  # all of it is noise to the check of noise
    images[:4] = 255 * np.kron(rng.integers(0, 2, (4, 7, 7)), np.ones((4, 4), dtype=int))  # and this is junk
    seen = clean.inspect(Dataset(images), tmp_path / "report.html", progress=False)
    assert len(seen.issues["noisy"]) > 20 and any("do not trust it" in note for note in seen.notes)
    assert {0, 1, 2, 3} <= set(seen.issues["outliers"]["item"]), "compared with all, noisy or not"


def test_long_thin_images_are_described_as_they_are_and_stop_nothing(tmp_path):
    rng = np.random.default_rng(0)
    images = np.repeat(rng.integers(0, 256, (10, 10, 100), dtype=np.uint8), 5, axis=2)  # (10, 10, 500)
    images[9] = images[2]
    seen = clean.inspect(Dataset(images), tmp_path / "report.html", progress=False)
    assert set(seen.issues["exact_duplicates"]["item"]) == {9}
    assert "1 x 32" not in (tmp_path / "report.html").read_text()


def test_no_cell_of_the_tables_is_a_formula(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("=HYPERLINK(1).png", "+1.png", "@x.png", "plain.png"):
        Image.fromarray(np.full((28, 28), 7, dtype=np.uint8)).save(tmp_path / "data" / name)
    issues = tmp_path / "issues.csv"
    assert main([str(tmp_path / "data"), "--output", str(tmp_path / "r.html"), "--issues", str(issues)]) == 0
    cells = [cell for row in csv.reader(io.StringIO(issues.read_text())) for cell in row]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@")) or re.match("-[^0-9]", cell)]


def test_the_report_says_which_telephone_numbers_were_sought(tmp_path):
    texts = Dataset(["call 098765 43210", "nothing here"], card=own_card("notes", "text"))
    seen = clean.inspect(texts, tmp_path / "report.html", progress=False)
    assert any("numbering plans of CN, US, GB only" in note for note in seen.notes)
    assert seen.counts["personal_data"] == 0
    seen = clean.inspect(texts, tmp_path / "report.html", progress=False, regions=("IN",))
    assert seen.counts["personal_data"] == 1
