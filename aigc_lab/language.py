"""The language of an edition: texts are English in the source, and gettext catalogues translate them.

``locale/zh/NB.po`` has the Markdown of notebook NB block by block, ``locale/zh/words.po`` the short texts
that a run shows: figure labels, alternative texts, messages of checks, names of controls. Numbers in those
are written ``{0}``, ``{1}`` …, so that one translation serves every run. ``AIGC_LAB_LANGUAGE=zh`` chooses the
Chinese edition; what has no translation stays English.
"""

from __future__ import annotations

import copy
import itertools
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial, wraps
from html import escape, unescape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import nbformat
    from matplotlib.figure import Figure

LANGUAGES = {"en": "English", "zh": "中文"}
VARIABLE = "AIGC_LAB_LANGUAGE"
KEEP_FIGURES = "AIGC_LAB_KEEP_FIGURES"  # names the folder that gets the Chinese drawings of a run's figures
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
PLACEHOLDER = re.compile(r"\{\d+\}")
_WORD = re.compile(r"[A-Za-z]{2}")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
# Between texts that have translations of their own; an arrow stands between names, whatever else would fit.
_ARROWS = {" → ": " → ", " -> ": " → "}
_JOINTS = {": ": "：", "; ": "；", ", ": "，"}


def checked(language: str) -> str:
    """The same language.

    Raises:
        ValueError: there is no edition in it.
    """
    if language not in LANGUAGES:
        raise ValueError(f"There is no edition in {language!r}; choose one of {', '.join(LANGUAGES)}.")
    return language


def current() -> str:
    """The language that ``AIGC_LAB_LANGUAGE`` names, else English.

    Raises:
        ValueError: there is no edition in it.
    """
    return checked(os.environ.get(VARIABLE) or "en")


@cache
def catalogue(name: str, language: str = "zh") -> dict[str, str]:
    """The translations of one catalogue, such as ``05_vae_math`` or ``words``; empty where there is none.

    Raises:
        ValueError: the file is no catalogue, or a translation has a placeholder that its text has not.
    """
    from babel.messages import pofile

    path = files("aigc_lab").joinpath("locale", checked(language), f"{name}.po")
    if language == "en" or not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            found = pofile.read_po(file, abort_invalid=True)
    except (pofile.PoFileError, ValueError) as error:
        raise ValueError(
            f"The catalogue {path.name} cannot be read: {error}. Mend it or write it anew."
        ) from None
    translations = {message.id: message.string for message in found if message.id and message.string}
    for text, words in translations.items():
        strange = set(PLACEHOLDER.findall(words)) - set(PLACEHOLDER.findall(text))
        if strange:
            raise ValueError(
                f"{path.name}: the translation of {text!r} has {min(strange)}, the text has not."
            )
    return translations


def translated(text: str, language: str | None = None) -> str:
    """A short text in the language of the edition; itself where there is no translation."""
    language = current() if language is None else language
    if language == "en" or not has_words(text):
        return text
    lines = text.strip().split("\n")
    each = _each_known(lines, language)
    if len(each) > 1:
        return "\n".join(each)
    found = _found(" ".join(text.split()), language)
    if found is None:
        return text
    if len(lines) > 1 and "\n" not in found:
        found = _broken(found, 1 + max(sum(map(_width, line)) for line in lines))
    return " " * (len(text) - len(text.lstrip(" "))) + found  # a space before a label keeps it off its bar


def general(text: str) -> str:
    """A short text as its catalogue has it: on one line, its numbers as placeholders."""
    count = itertools.count()
    return NUMBER.sub(lambda _: f"{{{next(count)}}}", " ".join(text.split()))


def _found(text: str, language: str) -> str | None:
    known = _known(text, language)
    if known is not None:
        return known
    for pattern, translation in _patterns(language):
        match = pattern.fullmatch(text)
        if match:
            return _filled(translation, [_found(part, language) or part for part in match.groups()])
    return _joined(text, _JOINTS, _found, language)


def _known(text: str, language: str) -> str | None:
    """The translation of a text that the catalogue has, but for its numbers; or of names with arrows."""
    words = catalogue("words", language)
    if text in words:
        return words[text]
    if general(text) in words:
        return _filled(words[general(text)], NUMBER.findall(text))
    return _joined(text, _ARROWS, _known, language)


def _joined(text: str, joints: dict[str, str], find: Callable, language: str) -> str | None:
    for joint, chinese in joints.items():
        parts = text.split(joint)
        if len(parts) > 1:
            each = [find(part, language) if has_words(part) else part for part in parts]
            if None not in each:
                return chinese.join(each)
    return None


def _each_known(lines: list[str], language: str) -> list[str]:
    """Known texts under each other, each perhaps broken into several of these lines; empty if one is not."""
    for end in range(len(lines), 0, -1):
        first = _known(" ".join(" ".join(lines[:end]).split()), language)
        rest = _each_known(lines[end:], language) if first else []
        if first and (rest or not lines[end:]):
            return [first, *rest]
    return []


def _filled(translation: str, values: Sequence[str]) -> str:
    return PLACEHOLDER.sub(lambda place: values[int(place[0][1:-1])], translation)


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Translations with placeholders, as patterns; those with the most text of their own first."""
    words = catalogue("words", language)
    own = {text: PLACEHOLDER.sub("", text) for text in words if PLACEHOLDER.search(text)}
    # "{0} in {1}" would fit nearly everything: a pattern needs some letters of its own.
    kept = [text for text, rest in own.items() if len(re.findall("[A-Za-z]", rest)) >= 4]
    return [
        (re.compile("(.+?)".join(map(re.escape, PLACEHOLDER.split(text))), re.DOTALL), words[text])
        for text in sorted(kept, key=lambda text: -len(own[text]))
    ]


def has_words(text: str) -> bool:
    """Whether a short text has something to translate: a word, not only names in capitals and formulas."""
    return bool(re.search(r"[a-z]{2}", re.sub(r"\$[^$]*\$|\S+://\S+", " ", text)))


def html(page: str, change: Callable[[str], str] = translated) -> str:
    """HTML with its texts, and the names of its parts for screen readers, changed by a function."""

    def changed(found: re.Match[str], quote: bool) -> str:
        words = found[2].strip()
        made = change(unescape(words))
        made = words if made == unescape(words) else escape(made, quote)
        return found[1] + found[2].replace(words, made) + found[3]

    page = re.sub(r'(\b(?:alt|aria-label|title)=")([^"]+)(")', lambda found: changed(found, True), page)
    return re.sub(r"(>)([^<>]*[A-Za-z]{2}[^<>]*)(<)", lambda found: changed(found, False), page)


def figure(drawn: Figure, chosen: str, families: list[str]) -> Callable[[], None]:
    """Write the texts of a figure in the language of an edition; what is returned puts them back.

    ``families`` are fonts that have the characters, the first choice first.
    """
    from matplotlib.text import Text

    before = []
    for text in drawn.findobj(Text):
        words = translated(text.get_text(), chosen)
        if words != text.get_text():
            before.append((text, text.get_text(), text.get_fontfamily()))
            text.set(text=words, fontfamily=families)
    axes = [axis for each in drawn.axes for axis in (each.xaxis, each.yaxis)]
    formatters = [ticks.formatter for axis in axes for ticks in (axis.major, axis.minor)]
    # Tick labels are written anew at each drawing: what their formatter says is translated.
    for axis in axes:
        axis.set_tick_params(which="both", labelfontfamily=families)
    for formatter in formatters:
        formatter.__dict__.pop("format_ticks", None)
        formatter.format_ticks = partial(_translated_ticks, formatter.format_ticks, chosen)

    def back() -> None:
        for text, words, family in before:
            text.set(text=words, fontfamily=family)
        for formatter in formatters:
            formatter.__dict__.pop("format_ticks", None)

    return back


def _translated_ticks(format_ticks: Callable[..., list], chosen: str, values: Any) -> list[str]:
    # A label may also be the number that was given as one.
    return [translated(str(label), chosen) for label in format_ticks(values)]


def widget_state(state: dict[str, Any], change: Callable[[str], str] = translated) -> dict[str, Any]:
    """The state of a control with what it shows (its name, hint, choices, HTML) changed by a function."""
    made = dict(state)
    for name in ("description", "tooltip", "placeholder"):
        if isinstance(made.get(name), str):
            made[name] = change(made[name])
    for name in ("_options_labels", "tooltips"):
        if made.get(name):
            made[name] = type(made[name])(map(change, made[name]))
    if isinstance(made.get("value"), str) and "<" in made["value"]:
        made["value"] = html(made["value"], change)
    return made


def translate_widgets() -> None:
    """Every control that is made from now on is shown in the language of the edition; its values stay."""
    import ipywidgets

    original = ipywidgets.Widget.get_state
    if getattr(original, "translates", False):
        return

    @wraps(original)
    def get_state(self: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
        return widget_state(original(self, *arguments, **named))

    get_state.translates = True
    ipywidgets.Widget.get_state = get_state


def _width(letter: str) -> float:
    return 1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.55


def _broken(text: str, width: float) -> str:
    """A text in lines of at most about that width, in widths of a Chinese character."""
    lines, used = [""], 0.0
    for piece in re.findall(r"[!-~]+|.", text):
        wide = sum(map(_width, piece))
        if used + wide > max(width, 4) and lines[-1] and piece not in "，。；：！？、）」”":
            lines, used = [*lines, ""], 0.0
        lines[-1], used = lines[-1] + piece, used + wide
    return "\n".join(line.strip() for line in lines)


def blocks(source: str) -> list[list[str]]:
    """Markdown as its blocks, each with what stands between it and the next; joined they are the source.

    Blocks end at empty lines (``>`` alone in a quotation), but a fence and a ``$$`` formula stay whole.
    """
    lines, fence = [], ""  # whether a line stands between blocks, and the line
    for line in source.split("\n"):
        words = line.strip(" >")
        lines.append((not fence and not words, line))
        mark = re.match(r"[> ]*(`{3,}|~{3,}|:{3,}|\$\$)", line)
        if fence:
            if words.startswith(fence) or (fence == "$$" and line.rstrip().endswith("$$")):
                fence = ""
        elif mark and not (mark[1] == "$$" and words.count("$$") > 1):
            fence = mark[1]
    found: list[list[str]] = []
    for empty, run in itertools.groupby(lines, lambda each: each[0]):
        text = "\n".join(line for _, line in run)
        if found:
            found[-1][1] += "\n"
        if not empty:
            found.append([text, ""])
        elif found:
            found[-1][1] += text
        else:
            found.append(["", text])
    return found


def is_message(block: str) -> bool:
    """Whether a block of Markdown has words to translate: not a formula, code, a mark, or Chinese alone."""
    if all(line.startswith("    ") for line in block.split("\n")):
        return False
    text = re.sub(r"^[> ]*(`{3,}|~{3,}).*|^\[[^\]]+\]: \S+$", " ", block, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"%[A-Z_]+%", " ", text)
    text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|<[^>]*>|\]\([^)]*\)|\{[^}]*\}", " ", text, flags=re.DOTALL)
    letters, chinese = len(re.findall(r"[A-Za-z]", text)), len(_CHINESE.findall(text))
    return bool(_WORD.search(text)) and chinese <= letters / 2


def is_summary(block: str) -> bool:
    """Whether a block is a Chinese summary in the English edition, which the Chinese one need not repeat."""
    return block.lstrip("*> ").startswith("中文")


def markdown(source: str, translations: Mapping[str, str]) -> str:
    """Markdown with each block translated, without the Chinese summaries of the English edition.

    A block without a translation stays as it is.
    """
    made = [
        translations.get(block, block) + between for block, between in blocks(source) if not is_summary(block)
    ]
    return "".join(made).strip("\n")


def messages(source: str) -> Iterator[str]:
    """The blocks of Markdown that want a translation, in order."""
    return (block for block, _ in blocks(source) if is_message(block) and not is_summary(block))


def notebook(node: nbformat.NotebookNode, stem: str, language: str = "zh") -> nbformat.NotebookNode:
    """A copy of a notebook in another language: its code, outputs and numbers are the same.

    ``stem`` is its name, and that of its catalogue.

    Raises:
        ValueError: there is no edition in this language, or its catalogue is broken.
    """
    node, translations = copy.deepcopy(node), catalogue(stem, checked(language))
    if language == "en":
        return node
    for cell in node.cells:
        if cell.cell_type == "markdown":
            cell.source = markdown(cell.source, translations)
        image = cell.metadata.get("mystnb", {}).get("image", {})
        if "alt" in image:
            image["alt"] = translated(image["alt"], language)
    node.cells = [cell for cell in node.cells if cell.cell_type != "markdown" or cell.source.strip()]
    return node
