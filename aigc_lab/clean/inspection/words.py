"""What each check is called in the report, what it looks for, and what to do with what it finds."""

from __future__ import annotations

from typing import NamedTuple

DROP, LOOK, LABEL = "drop", "look", "label"


class Check(NamedTuple):
    """One check: its headings in English and Chinese, its part of the report, and two sentences."""

    title: str
    chinese: str
    part: str
    what: str
    advice: str


CHECKS: dict[str, Check] = {
    "exact_duplicates": Check(
        "Exact copies", "完全重复", DROP,
        "The content equals that of an earlier item, value for value.",
        "The first of each group stays. Copies that fall on both sides of a split make a test too easy.",
    ),
    "near_duplicates": Check(
        "Near copies", "近似重复", DROP,
        "A small shift, turn or change of contrast (for texts: a few other words) makes it an earlier item.",
        "The earlier one stays, which need not be the better file; and frames of one film may be wanted.",
    ),
    "hash_duplicates": Check(
        "Copies by perceptual hash", "感知哈希重复", DROP,
        "Its perceptual hash differs in few bits from that of an earlier picture: re-encoded or resized "
        "copies, but not shifted or turned ones.",
        "The earlier one stays.",
    ),
    "low_information": Check(
        "Next to nothing to see", "信息量过低", DROP,
        "Blank, nearly blank, or of very small entropy.",
        "Nothing can be learnt from these.",
    ),
    "uninformative": Check(
        "Next to nothing to read", "无信息文本", DROP,
        "Empty, a single character, only punctuation or repeats, or not text at all.",
        "Nothing can be learnt from these.",
    ),
    "outliers": Check(
        "Unlike all others", "异常样本", LOOK,
        "Far from its neighbours in the space of the features.",
        "Unusual is not the same as wrong: junk is here, and so are your rarest good items.",
    ),
    "blurred": Check(
        "Blurred", "模糊", LOOK, "Even its sharpest edge is soft.",
        "The limit was set on silhouettes; judge by eye whether it fits your pictures.",
    ),
    "noisy": Check(
        "Noisy", "噪声", LOOK, "Rough even where it is calmest.",
        "Fine texture (grass, fur, print) looks the same to this check.",
    ),
    "badly_lit": Check(
        "Too dark or washed out", "曝光异常", LOOK, "Its bright end is dark, or its dark end is bright.",
        "Night scenes and fog are found as well. Stretching the contrast may save the others.",
    ),
    "occluded": Check(
        "Partly covered", "遮挡", LOOK, "A plain grey rectangle lies in it.",
        "Stickers, censor bars and missing tiles look like this; so do plain walls and windows.",
    ),
    "garbled": Check(
        "Garbled characters", "乱码", LOOK, "Bytes were decoded with the wrong encoding.",
        "clean.text.mend repairs most of these; drop what stays unreadable.",
    ),
    "unnormalised": Check(
        "Not in one normal form", "未规范化", LOOK,
        "The same characters, stored in another way (full-width letters, ligatures, composed accents).",
        "clean.text.mend brings them into one form, so that equal words are equal.",
    ),
    "other_language": Check(
        "Another language", "其他语言", LOOK, "Written in another language than expected.",
        "Short texts and names are often taken for the wrong language: look before you drop.",
    ),
    "boilerplate": Check(
        "Boilerplate", "样板文字", LOOK, "Lines that many items share, or known notices.",
        "A generator learns by heart what it sees often. Cut the lines rather than the items.",
    ),
    "personal_data": Check(
        "Personal data", "个人信息", LOOK,
        "Something like an e-mail address, a telephone, card or identity number (masked here).",
        "clean.text.mask puts a placeholder in its place. Do it before you train: models repeat such data.",
    ),
    "label_errors": Check(
        "Doubtful labels", "标签存疑", LABEL,
        "A classifier that never saw the item is confident of another class (confident learning).",
        "Correct the label by hand where you agree; a suggestion is no verdict.",
    ),
}  # fmt: skip

PARTS: dict[str, tuple[str, str, str]] = {
    DROP: (
        "Proposed to drop",
        "建议删除",
        "What these checks find is rarely worth keeping. Nothing was deleted.",
    ),
    LOOK: (
        "Worth a look",
        "值得查看",
        "These checks rank; you decide. They are not part of the proposal above.",
    ),
    LABEL: ("Doubtful labels", "标签存疑", "The item may be fine and its label wrong."),
}


def check_of(name: str) -> Check:
    """The check's words; one that is not known here gets its name for a heading, and is for looking at."""
    plain = name.replace("_", " ").capitalize()
    return CHECKS.get(name, Check(plain, "", LOOK, "Found by this check.", "Look before you drop."))
