"""Lint rules on the shape of a notebook: title, box, parameters, prose, exercises, claims, reading.

A rule takes a ``tools.notebook_text.Notebook`` and yields ``(cell number or None, what to do)``.
Each guards against something that broke for readers; the docstring says what.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from aigc_lab import STAGES
from aigc_lab.claims import DOES_NOT_HOLD, HOLDS, HOLDS_ONLY_IF, MIME_TYPE, UNDECIDED, claims
from tools import notebook_text as text
from tools.notebook_text import Notebook

Problems = Iterator[tuple[int | None, str]]

PROFILES = ("smoke", "classroom", "full")
SHORTEST_PROSE = 12  # characters: a short sentence, in Chinese too
LICENCE = re.compile(r"licen[cs]e|\b(?:MIT|BSD|CC|CC0|Apache)\b|public domain", re.IGNORECASE)
LONGEST_PROSE, LONGEST_CODE, LONGEST_WAIT = 170, 40, 15  # words, lines, cells
TAUGHT = "taught"  # the tag of a cell that may be longer, because it is the thing taught
PREDICT = re.compile(r"\bpredict\b.*<details>", re.IGNORECASE | re.DOTALL)
VERDICT_WORDS = {
    HOLDS_ONLY_IF: re.compile(r"\b(?:holds?|true) only\b|有条件成立|有条件地成立"),
    DOES_NOT_HOLD: re.compile(r"\b(?:does|do|did) not hold\b|\bfails\b|\brefuted\b|不成立"),
    UNDECIDED: re.compile(r"\bundecided\b|未定"),
    HOLDS: re.compile(r"(?<!not )\bholds?\b(?! only)|(?<![不件立])(?<!件地)成立"),
}
BOX_LABELS = ("You will be able to say", "Claims tested", "Run time", "Data", "Stages")


def title(notebook: Notebook) -> Problems:
    """One title: the site takes its page title from it, and a second one splits the page."""
    first = notebook.node.cells[0] if notebook.node.cells else None
    if first is None or first.cell_type != "markdown" or not re.match(r"# \S", first.source):
        yield 0, "must be Markdown that begins with '# ' and the title"
    for number, level, words in _headings(notebook):
        if level == 1 and number != 0:
            yield number, f"'# {words}' is a second title; use '## '"


def headings(notebook: Notebook) -> Problems:
    """A skipped heading level is a warning of the site's builder, and warnings are errors there."""
    previous = 1
    for number, level, words in _headings(notebook):
        if level > previous + 1:
            yield number, f"the heading '{words}' skips a level; use {'#' * (previous + 1)}"
        previous = level


def box(notebook: Notebook) -> Problems:
    """What one learns, what is tested, how long it takes and on which data, before anything runs."""
    boxes = notebook.tagged("box")
    if len(boxes) != 1 or boxes[0][0] > 2 or boxes[0][1].cell_type != "markdown":
        yield None, "needs exactly one Markdown cell tagged 'box' within the first three cells"
        return
    number, cell = boxes[0]
    lines = [line for line in cell.source.splitlines() if line.strip()]
    if not lines or not all(line.startswith(">") for line in lines):
        yield number, "the box must be a blockquote: begin each of its lines with '>'"
    parts = _box_parts(cell.source)
    for label in BOX_LABELS:
        if not parts.get(label):
            yield number, f"the box does not say '**{label}**' and what it is"
    unknown = sorted(set(re.findall(r"\bC\d\d\b", parts.get("Claims tested", ""))) - set(claims()))
    if unknown:
        yield number, f"the box names claims that the article does not make: {', '.join(unknown)}"
    run_time = parts.get("Run time", "")
    for profile in PROFILES:
        words = re.search(rf"\b{profile}\b(.*?)(?=\b(?:{'|'.join(PROFILES)})\b|$)", run_time, re.DOTALL)
        if not words or not re.search(r"\d", words[1]):
            yield number, f"the box gives no measured run time of the profile {profile}"
    if "two cores" not in run_time:
        yield number, "the box does not say that run times are those of two cores"
    if not LICENCE.search(parts.get("Data", "")):
        yield number, "the box names no licence of the data"
    if not any(re.search(rf"\b{stage}\b", parts.get("Stages", "")) for stage in STAGES):
        yield number, f"the box names none of the stages {', '.join(STAGES)}"


def parameters(notebook: Notebook) -> Problems:
    """Without exactly this cell papermill injects at the top, and the defaults win over what was asked."""
    cells = [(number, cell) for number, cell in notebook.tagged("parameters") if cell.cell_type == "code"]
    if len(cells) != 1:
        yield None, f"needs exactly one code cell tagged 'parameters'; it has {len(cells)}"
        return
    number, cell = cells[0]
    values, strange = text.literal_assignments(cell.source)
    for line in strange:
        yield number, f"the parameters cell may only set names to plain values, not {line!r}"
    if values.get("profile") != "classroom":
        yield number, 'the parameters cell must set profile = "classroom"'
    if type(values.get("seed")) is not int:
        yield number, "the parameters cell must set seed = 0"
    if not set(values) - {"profile", "seed"}:
        yield number, "the parameters cell has nothing that a teacher would change, besides profile and seed"
    if number != notebook.code[0][0] and any(other < number for other, _ in notebook.code):
        yield number, "the parameters cell must be the first code cell"


def profiles(notebook: Notebook) -> Problems:
    """A profile that the settings do not know is refused by ``train.settings``, before anything runs."""
    calls = [call for _, cell in notebook.code for call in _calls_of(cell.source, "settings")]
    if not any(
        [ast.unparse(each) for each in call.args] == ["profile"]
        and {each.arg for each in call.keywords} in (set(PROFILES), {None})  # None: **something
        for call in calls
    ):
        yield None, f"must call train.settings(profile, {'=…, '.join(PROFILES)}=…)"


def prose(notebook: Notebook) -> Problems:
    """Code without a sentence before it is a listing, not a lesson."""
    cells = notebook.node.cells
    for number, _ in notebook.code:
        before = cells[number - 1] if number else None
        words = text.sentences(before.source) if before and before.cell_type == "markdown" else ""
        if len(words) < SHORTEST_PROSE:
            yield number, "has no prose before it: put a Markdown cell with a sentence directly above"


def length(notebook: Notebook) -> Problems:
    """Nobody reads a screen of prose in class, and nobody follows a cell longer than the screen."""
    for number, cell in notebook.markdown():
        words = text.word_count(cell.source)
        if words > LONGEST_PROSE:
            yield number, f"has {words} words; {LONGEST_PROSE} are read: shorten it, or put a cell between"
    for number, cell in notebook.code:
        lines = len(cell.source.splitlines())
        if lines > LONGEST_CODE and TAUGHT not in cell.metadata.get("tags", ()):
            yield (
                number,
                f"has {lines} lines of code; split it ({LONGEST_CODE} at most, or tag it '{TAUGHT}')",
            )


def activity(notebook: Notebook) -> Problems:
    """A reader who does nothing for half an hour has stopped learning."""
    last = 0
    for number, cell in enumerate(notebook.node.cells):
        if not _something_to_do(cell):
            continue
        if number - last > LONGEST_WAIT:
            yield number, f"comes {number - last} cells after the last thing to do; ask something in between"
        last = number
    code = [number for number, _ in notebook.code]
    if code and code[-1] - last > LONGEST_WAIT:
        yield code[-1], f"ends {code[-1] - last} cells after the last thing to do; ask something in between"
    if not any(PREDICT.search(cell.source) for _, cell in notebook.markdown()):
        yield None, "asks for no prediction: 'Predict before you run', with the answer in <details>"


def exercises(notebook: Notebook) -> Problems:
    """Two to four exercises, each checked at once and in words; the cut version must still be Python."""
    found = 0
    for position, (number, cell) in enumerate(notebook.code):
        try:
            blocks = text.solution_blocks(cell.source)
        except ValueError as error:
            yield number, f"{error}"
            continue
        if not blocks:
            continue
        found += 1
        if text.parsed(text.without_solutions(cell.source)) is None:
            yield number, "is no longer Python when its solution is cut out; move the markers"
        following = notebook.code[position + 1] if position + 1 < len(notebook.code) else None
        if following is None or "check" not in following[1].metadata.get("tags", ()):
            yield number, "is an exercise, so the next code cell must be its check, tagged 'check'"
    if not 2 <= found <= 4:
        yield None, f"has {found} exercises (cells with '# BEGIN SOLUTION'); write two to four"
    for number, cell in notebook.tagged("check"):
        if "exercises.check" not in text.calls(cell.source):
            yield number, "a check must call exercises.check(number, answer, test)"
        if not _says_what_is_wrong(cell.source):
            yield number, 'a check must say in words what is wrong: assert …, "words" or raise …("words")'
    counting = [number for number, cell in notebook.code if "exercises.summary" in text.calls(cell.source)]
    if len(counting) != 1 or any(number > counting[0] for number, _ in notebook.tagged("check")):
        yield None, "needs one cell that calls exercises.summary(), after the last check"
    elif "nbval-check-output" not in notebook.node.cells[counting[0]].metadata.get("tags", ()):
        yield counting[0], "shows how many answers are right, so tag it 'nbval-check-output'"


def claims_cell(notebook: Notebook) -> Problems:
    """The ledger of the book is built from these outputs, so they must be there and agree with the box."""
    cells = [(number, cell) for number, cell in notebook.tagged("claims") if cell.cell_type == "code"]
    if len(cells) != 1:
        yield None, f"needs exactly one code cell tagged 'claims'; it has {len(cells)}"
        return
    number, cell = cells[0]
    if not any(call.split(".")[-1] == "record" for call in text.calls(cell.source)):
        yield number, "the claims cell does not call claims.record(…)"
    for call in _calls_of(cell.source, "record"):
        given = next((word.value for word in call.keywords if word.arg == "verdict"), None)
        if not (isinstance(given, ast.Call) and ast.unparse(given.func).endswith("verdict")):
            yield number, "the verdict of a claim must be what claims.verdict(…) gives, written there"
    stored = [
        output.data[MIME_TYPE].get("id")
        for _, other in notebook.code
        for output in other.outputs
        if MIME_TYPE in output.get("data", {})
    ]
    twice = sorted({claim for claim in stored if stored.count(claim) > 1})
    if twice:
        yield (
            number,
            f"shows {', '.join(twice)} twice; record it once, and assign what record(…) returns",
        )
    boxed = {
        claim
        for _, candidate in notebook.tagged("box")
        for claim in re.findall(r"\bC\d\d\b", _box_parts(candidate.source).get("Claims tested", ""))
    }
    if set(stored) != boxed or not stored:
        yield (
            number,
            (
                f"the stored findings are about {', '.join(sorted(set(stored))) or 'no claim'}, "
                f"the box announces {', '.join(sorted(boxed)) or 'none'}"
            ),
        )


def verdict_words(notebook: Notebook) -> Problems:
    """Prose that names a verdict stays when the numbers turn; it must not contradict the stored one."""
    stored = {
        output.data[MIME_TYPE]["id"]: output.data[MIME_TYPE].get("verdict")
        for _, cell in notebook.code
        for output in cell.outputs
        if MIME_TYPE in output.get("data", {})
    }
    for number, cell in notebook.markdown():
        for sentence in re.split(r"(?<=[.!?。！？；;])\s*|\n", cell.source):
            named = [claim for claim in re.findall(r"\bC\d\d(?!\d)", sentence) if stored.get(claim)]
            said = [verdict for verdict, words in VERDICT_WORDS.items() if words.search(sentence)]
            for claim in named:
                if said and stored[claim] not in said:
                    yield number, f"says that {claim} {said[0]}; what is stored is: {stored[claim]}"


def further(notebook: Notebook) -> Problems:
    """Where to read on, and what to try on one's own data."""
    places = [
        number
        for number, level, words in _headings(notebook)
        if level > 1 and words.startswith("Going further")
    ]
    if not places:
        yield None, "has no section 'Going further' at its end"
        return
    last = places[-1]
    if any(number > last for number, _ in notebook.code):
        yield last, "'Going further' must come last, after all code"
    after = "\n".join(cell.source for number, cell in notebook.markdown() if number >= last)
    if len(re.findall(r"^\s*(?:[-*]|\d+\.) \S", after.split("Going further", 1)[1], flags=re.MULTILINE)) < 2:
        yield last, "'Going further' must list at least two things to read or try"


def _headings(notebook: Notebook) -> Iterator[tuple[int, int, str]]:
    """Cell number, level and words of each heading, code fences left out."""
    for number, cell in notebook.markdown():
        source = re.sub(r"^```.*?^```", "", cell.source, flags=re.DOTALL | re.MULTILINE)
        for found in re.finditer(r"^(#{1,6}) +(.+?)\s*$", source, flags=re.MULTILINE):
            yield number, len(found[1]), found[2]


def _box_parts(source: str) -> dict[str, str]:
    """What the box says after each of its bold labels."""
    source = re.sub(r"^> ?", "", source, flags=re.MULTILINE)
    pieces = re.split(rf"\*\*({'|'.join(BOX_LABELS)})[:.]?\*\*", source)
    return {label: words.strip(" :\n") for label, words in zip(pieces[1::2], pieces[2::2], strict=True)}


def _something_to_do(cell: Any) -> bool:
    """An exercise, a question whose answer is folded, or something to move."""
    if cell.cell_type == "markdown":
        return "<details>" in cell.source
    return bool(text.BEGIN_SOLUTION.search(cell.source)) or (
        "nbval-ignore-output" in cell.metadata.get("tags", ()) and text.has_widget(cell)
    )


def _calls_of(source: str, function: str) -> list[ast.Call]:
    """The calls of a function, by the last part of its name."""
    tree = text.parsed(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree else []
    return [call for call in calls if ast.unparse(call.func).split(".")[-1] == function]


def _says_what_is_wrong(source: str) -> bool:
    """Whether a check has an assert with a message, or raises something with words."""
    tree = text.parsed(source)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Assert) and node.msg is not None:
            return True
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            return True
    return False


RULES = {
    "title": title,
    "headings": headings,
    "box": box,
    "parameters": parameters,
    "profiles": profiles,
    "prose": prose,
    "length": length,
    "activity": activity,
    "exercises": exercises,
    "claims": claims_cell,
    "verdict-words": verdict_words,
    "further": further,
}
