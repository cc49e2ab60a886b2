"""The catalogues of the Chinese edition: what is to be translated, and whether it is.

    python -m tools.catalogue update     write new texts into aigc_lab/locale/zh/*.po; old translations stay
    python -m tools.catalogue check      say what is missing, outdated, or differs in a number or name

``aigc_lab.language`` reads the catalogues. Texts come from the notebooks (Markdown, alternative texts, what
checks, controls and players say), from the words of figures that a run kept (``tools.edition``), from the
pages of the book, the data cards, and the questions of the claims.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import yaml
from babel.messages import Catalog, pofile
from markdown_it import MarkdownIt

from aigc_lab import claims, collect, corrupt, language
from tools import edition
from tools.notebook_text import parsed

ROOT = Path(__file__).parents[1]
CATALOGUES = ROOT / "aigc_lab" / "locale" / "zh"
# What the library itself says to a learner. What widgets and players say is read from their source
# (``library_messages``), but for texts of one word and for errors from elsewhere that a widget shows.
LIBRARY = (
    "exercise {0}: not answered yet",
    "exercise {0}: not right yet",
    "exercise {0}: right",
    "it stopped with {0}: {1}",
    "{0} exercises: {1} answered, {2} right",
    "class {0}",
    "dropped",
    "Decoded image: {0}, {1} from the middle of the prior (typical: {2})",  # else the one without class fits
    "{0}: same content as item {1} ({2}).",  # why notebook 21 proposes to drop an item
    "the files are identical",
    "equal at {0} x {1} pixels, the files differ",
    "Sound: {0}",
    "{0}, silence",
    "ValueError: {0}",
    "OSError: {0}",
    "class {0} had no items to learn from; there are {1}",
    "{0} was changed by somebody else since it was read; read it again (run the cell again), and let each "
    "person use a file of their own",
    *(f"{name.replace('_', ' ')} {{0}}" for name in corrupt.IMAGE_CORRUPTIONS),
)
_STYLE = re.compile(r"[<#]|px\b|:\w|^row wrap$")  # HTML and CSS
SHOUTED = {"WRONG"}  # words in capitals that are no names


@dataclass(frozen=True)
class Message:
    """A text to translate: what it is (``markdown``, ``alt``, ``check``, ``figure``) and where it stands."""

    text: str
    kind: str
    where: str


def check_messages(source: str) -> Iterator[str]:
    """What the checks of a cell can say: messages of ``assert``, what a test returns, and texts in these."""
    tree = parsed(source)
    if tree is None or "exercises.check(" not in source:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.msg:
            yield from _texts(node.msg)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for said in node.exc.args:
                yield from _texts(said)
        elif isinstance(node, (ast.Return, ast.Assign)) and node.value:
            # Also the words that a loop or a table hands to a message: texts, not names of columns.
            for part in (node.value, *_parts(node.value)):
                yield from (text for text in _texts(part) if " " in text)
        elif isinstance(node, (ast.For, ast.comprehension)):
            for part in _parts(node.iter):
                yield from (text for text in _texts(part) if " " in text)


def library_messages(source: str, refusals: bool = True) -> Iterator[str]:
    """What a module can say to a learner: its texts of two words or more, values as placeholders.

    Left out are docstrings, HTML, styles, and what ``raise`` says in ``__init__``, or with ``refusals=False``
    anywhere: that fails in the cell, as an error of Python.
    """
    silent: set[ast.AST] = set()
    for node in ast.walk(tree := ast.parse(source)):
        if isinstance(node, ast.Expr):
            silent.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            silent.update(part for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Raise) and not refusals:
            silent.update(ast.walk(node))
        elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
            raised = [step for step in ast.walk(node) if isinstance(step, ast.Raise)]
            silent.update(part for step in raised for part in ast.walk(step))
    for node in ast.walk(tree):
        for text in _texts(node) if isinstance(node, (ast.Constant, ast.JoinedStr)) else ():
            words = re.findall("[A-Za-z]{2,}", language.PLACEHOLDER.sub(" ", text))
            if node not in silent and " " in text and len(words) > 1 and not _STYLE.search(text):
                yield text


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """The entries of a tuple, list or dictionary, and of those inside it."""
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        entries = node.elts
    elif isinstance(node, ast.Dict):
        entries = [key for key in node.keys if key] + node.values
    else:
        return
    for entry in entries:
        yield entry
        yield from _parts(entry)


def _texts(node: ast.AST) -> Iterator[str]:
    """The texts that an expression can be, values of f-strings as placeholders."""
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _texts(value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield language.general(node.value)
    elif isinstance(node, ast.JoinedStr):
        count, text = itertools.count(), ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += language.NUMBER.sub(lambda _: f"{{{next(count)}}}", str(part.value))
            else:
                text += f"{{{next(count)}}}"
        yield " ".join(text.split())


def differences(text: str, translation: str) -> list[str]:
    """What a translation has more or less than its source: numbers, formulas, code, links, tags, names."""
    found = []
    for what, kept in _KEPT.items():
        before, after = Counter(kept(text)), Counter(kept(translation))
        if what == "name":  # said once where the source says it twice, or by the glossary's word
            invented = set(after) - set(before)
            names = set(before) - SHOUTED
            before = Counter(name for name in names if not _in_chinese(name, translation))
            after = Counter(invented) + Counter(name for name in before if name in after)
        for each, count in (before - after).items():
            found.append(f"{what} {each!r} is missing" + (f" {count} times" if count > 1 else ""))
        for each in after - before:
            found.append(f"{what} {each!r} is not in the source")
    if not re.search(r"[\u3400-\u9fff]", translation) and translation != text:
        found.append("has no Chinese")
    if _loose_stars(translation) and not _loose_stars(text):
        found.append("has * that marks nothing: put the punctuation outside of the bold letters")
    if re.search(r"[\u3400-\u9fff] ?[,;?!](?!\d)|[\u3400-\u9fff]: ", translation):
        found.append("has a Latin comma, colon or mark after a Chinese character: write ，；：？！")
    return found


def _loose_stars(text: str) -> bool:
    """Whether a star of Markdown stays a star when shown, as in ``**修复：**把``."""
    shown = MarkdownIt().render(_without(_MATHS, text)) if "*" in text else ""
    return "*" in _without(r"<code.*?</code>", shown)


def _in_chinese(name: str, translation: str) -> bool:
    return any(term["zh"].split("（")[0] in translation for term in glossary() if _is_term(name, term["en"]))


def _is_term(name: str, term: str) -> bool:
    return name.rstrip("s") in (term, *_abbreviations(term))


@cache
def glossary() -> list[dict[str, Any]]:
    """The entries of book/glossary.yml."""
    return yaml.safe_load((ROOT / "book" / "glossary.yml").read_text(encoding="utf-8"))


def _without(pattern: str, text: str) -> str:
    return re.sub(pattern, " ", text, flags=re.DOTALL)


_MATHS = r"\$\$.*?\$\$|\$[^$]*\$"
_KEPT = {
    "number": lambda text: language.NUMBER.findall(
        _without(rf"{_MATHS}|`[^`]*`|\]\([^)]*\)|\{{\d+\}}", text)
    ),
    # One that stands for an ending, as in "{0} step{1}", has nothing to stand for in Chinese.
    "placeholder": lambda text: re.findall(r"(?<![A-Za-z])\{\d+\}", text),
    "formula": lambda text: [
        "".join(re.sub(r"\\text(?:rm|bf)?\{[^}]*\}", r"\\text", formula).split())
        for formula in re.findall(_MATHS, _without(r"```.*?```|`[^`]*`", text), re.DOTALL)
    ],
    "code": lambda text: [
        " ".join(span.split())
        for span in re.findall(r"(?<!`)`[^`]+`(?!`)", _without(r"\{ref\}`[^`]*`", text))
    ],
    "link": lambda text: re.findall(r"\]\(([^)]*)\)", text),
    "tag": lambda text: re.findall(r"</?[a-z]+[0-9]?(?:\s[^>]*)?/?>", _without(rf"{_MATHS}|`[^`]*`", text)),
    "name": lambda text: re.findall(
        r"\b[A-Z]\w*[A-Z](?:\w*[^\Ws])?", _without(rf"{_MATHS}|`[^`]*`|\]\([^)]*\)|<[^>]*>", text)
    ),
    "mark": lambda text: re.findall(r"^#+ |\*\*", text, re.MULTILINE),
}


def terms_in(text: str, translation: str = "") -> list[dict[str, Any]]:
    """The glossary's terms that stand in a text; not in code, nor in titles that the translation keeps."""
    plain = _without(r"`[^`]*`|\]\([^)]*\)|<[^>]*>", text)
    for title in re.findall(r"\*[^*]+\*", plain):
        if title in translation:
            plain = plain.replace(title, " ")
    return [term for term, pattern in _term_patterns() if not term.get("everyday") and pattern.search(plain)]


def says(term: dict[str, Any], translation: str) -> bool:
    """Whether a translation has the Chinese word of a term, or its name in capitals."""
    names = [name for name in (term["en"], *_abbreviations(term["en"])) if re.search("[A-Z]", name)]
    words = (*re.split("[（）]", term["zh"]), *term.get("zh_also", ()), *names)
    return any(word in translation for word in words if word)


def _abbreviations(term: str) -> list[str]:
    return re.findall(r"\(([^)]+)\)", term)


@cache
def _term_patterns() -> list[tuple[dict[str, Any], re.Pattern[str]]]:
    found = []
    for term in glossary():
        name = re.escape(re.sub(r" \([^)]*\)$", "", term["en"])).replace(r"\ ", r"[\s-]+")
        # MNIST is not animal-mnist: names are meant as they are written.
        flags = 0 if re.search("[A-Z]{2}", term["en"]) else re.IGNORECASE
        found.append((term, re.compile(rf"\b{name}(?:s|es)?\b", flags)))
    return found


def notebook_messages(path: Path) -> list[Message]:
    """What the Chinese edition of a notebook needs, each text once, in order."""
    node, found = nbformat.read(path, as_version=4), []
    for number, cell in enumerate(node.cells):
        where = f"notebooks/{path.name}:{number}"
        if cell.cell_type == "markdown":
            found += [Message(text, "markdown", where) for text in language.messages(cell.source)]
        elif cell.cell_type == "code":
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            found += [Message(language.general(alt), "alt", where)] if language.has_words(alt) else []
            found += [Message(text, "check", where) for text in check_messages(cell.source)]
        for output in cell.get("outputs", ()):
            page = output.get("data", {}).get("text/html", "")
            if "<audio" in page:
                found += [Message(text, "player", where) for text in _shown(language.html, page)]
    where = f"notebooks/{path.name}"
    for model in node.metadata.get("widgets", {}).get(edition.STATE, {}).get("state", {}).values():
        shown = _shown(language.widget_state, model["state"])
        found += [Message(text, "control", where) for text in shown]
    for words in edition.words_of_figures(path.stem).values():
        found += [Message(language.general(text), "figure", where) for text in words]
    unique = {message.text: message for message in reversed(found) if language.has_words(message.text)}
    return list(reversed(unique.values()))


def _shown(change_texts: Callable[[Any, Callable[[str], str]], Any], content: Any) -> list[str]:
    """What a page or a control shows: all texts that ``change_texts`` of ``language`` would change in it."""
    found: list[str] = []

    def noted(text: str) -> str:
        found.append(language.general(text))
        return text

    change_texts(content, noted)
    return found


def sources() -> dict[str, list[Message]]:
    """Every text of the Chinese edition, by the name of its catalogue."""
    found: dict[str, list[Message]] = {}
    words = [Message(text, "library", "aigc_lab/exercises.py") for text in LIBRARY]
    for path in (
        *sorted((ROOT / "aigc_lab" / "widgets").glob("[a-z]*.py")),
        ROOT / "aigc_lab" / "players.py",
    ):
        said = library_messages(path.read_text(encoding="utf-8"), refusals=path.name != "players.py")
        words += [Message(text, "library", path.relative_to(ROOT).as_posix()) for text in said]
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        messages = notebook_messages(path)
        found[path.stem] = [message for message in messages if message.kind == "markdown"]
        words += [message for message in messages if message.kind != "markdown"]
    for path in sorted((ROOT / "book" / "pages").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        where = f"book/pages/{path.name}"
        found.setdefault("pages", []).extend(
            Message(block, "page", where) for block in language.messages(text)
        )
    for name in collect.names():
        card = collect.card(name)
        texts = (card.title, card.source, card.licence, card.size, *card.known_faults)
        found["pages"] += [Message(" ".join(text.split()), "card", f"data card {name}") for text in texts]
    ledger = claims.ledger(sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
    for unit, question, notebook in zip(ledger.unit, ledger.question, ledger.notebook, strict=True):
        where = f"notebooks/{notebook}.ipynb"
        if isinstance(unit, str) and language.has_words(unit):
            words.append(Message(language.general(unit), "unit", where))
        if question:
            words.append(Message(language.general(question), "claim", where))
    found["words"] = words
    return {
        name: list({message.text: message for message in messages if message.text}.values())
        for name, messages in found.items()
    }


def read(name: str, folder: Path = CATALOGUES) -> Catalog:
    """A catalogue as it is kept; an empty one where there is none.

    Raises:
        ValueError: the file is no catalogue.
    """
    path = folder / f"{name}.po"
    if not path.is_file():
        return Catalog(locale="zh_Hans_CN")
    try:
        with path.open("rb") as file:
            return pofile.read_po(file, locale="zh_Hans_CN", abort_invalid=True)
    except pofile.PoFileError as error:
        raise ValueError(f"{path.name} is no catalogue: {error}. Mend it, or write it anew.") from None


def write(name: str, messages: list[Message], known: Catalog, folder: Path = CATALOGUES) -> None:
    """Write a catalogue: each text with its translation, or, marked fuzzy, that of the text it was before."""
    template = Catalog()
    for message in messages:
        template.add(message.text, locations=[(message.where, None)], auto_comments=[message.kind])
    known.update(template, no_fuzzy_matching=len(known) == 0)
    known.obsolete.clear()
    made = Catalog(locale="zh_Hans_CN", fuzzy=False)
    for message in messages:  # in the order of the source
        kept = known.get(message.text)
        flags = {"fuzzy"} if kept.fuzzy else ()
        made.add(
            message.text,
            kept.string,
            locations=[(message.where, None)],
            flags=flags,
            auto_comments=[message.kind],
        )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.po").open("wb") as file:
        pofile.write_po(file, made, width=0, omit_header=True)


def problems(name: str, messages: list[Message], known: Catalog) -> list[str]:
    """What is wrong with a catalogue: texts without a translation, outdated, or different in fact."""
    found = []
    for message in messages:
        kept = known.get(message.text)
        place = f"{name}.po, {message.where}: {' '.join(message.text.split())[:60]!r}"
        if kept is None or not kept.string:
            found.append(f"{place} has no translation")
        elif kept.fuzzy:
            found.append(f"{place} was changed: look at its translation and take out the mark 'fuzzy'")
        else:
            found += [f"{place}: {difference}" for difference in differences(message.text, kept.string)]
    wanted = {message.text for message in messages}
    found += [
        f"{name}.po: {str(kept.id)[:60]!r} stands in no source; run 'python -m tools.catalogue update'"
        for kept in known
        if kept.id and kept.id not in wanted
    ]
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tools.catalogue", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("update", "check"))
    options = parser.parse_args(arguments)
    found, total = [], 0
    for name, messages in sources().items():
        try:
            if options.what == "update":
                write(name, messages, read(name))
            found += problems(name, messages, read(name))
        except ValueError as error:
            found.append(str(error))
        total += len(messages)
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{total} texts, {len(found)} problems")
    return 1 if found and options.what == "check" else 0


if __name__ == "__main__":
    sys.exit(main())
