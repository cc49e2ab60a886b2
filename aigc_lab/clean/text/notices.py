"""Boilerplate: notices that say something of the page and nothing of the text. Introduced in notebook 02."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aigc_lab.clean.findings import checked_number, findings_table
from aigc_lab.clean.text.forms import as_texts, comparable
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_LINES = 3  # from either end of a text are looked at for repeats
_EDGE = 5000  # characters from either end are looked at
_FEWEST_TEXTS = 5
_FEWEST_WORDS = 4  # shorter lines, such as "else:" or the name of a speaker, repeat for good reasons
_DENSE = re.compile("[぀-ヿ㐀-䶿一-鿿가-힯]")
_WORD = re.compile(r"[^\W\d_]{2,}")

# What notices have in common, by what they are about. Case makes no difference.
_NOTICES = {
    "copyright": (
        r"all rights reserved|reproduction (?:in whole or in part )?without (?:\w+ )?permission"
        r"|(?:©|\(c\)|copyright) ?(?:\(c\)|©)? ?(?:19|20)\d\d"
        r"|版权所有|版權所有|未经(?:许可|授权|允许)|未經(?:許可|授權|允許)|转载请(?:注明|联系)|轉載請(?:註明|聯繫)"
        r"|违者必究|違者必究|侵权必究"
    ),
    "licence": (
        r"licen[cs]ed (?:under|to) (?:the |psf\b)|permission is hereby granted"
        r"|you may not use this file except|redistribution and use in source and binary"
        r"|provided [\"']?as is[\"']?,? without"
    ),
    "cookies": r"\bcookies?\b.{0,60}\b(?:accept|consent|experience|agree|settings|policy|privacy)"
    r"|(?:uses?|accept(?: all)?) cookies\b|(?:使用|接受|启用|同意).{0,6} ?cookies?\b",
    "subscription": (
        r"\bsubscribe (?:to|now|for)\b.{0,40}\b(?:newsletter|channel|stor|updates|free)|\bunsubscribe\b"
        r"|sign up (?:for free|now|to (?:read|continue|receive))|\bnewsletter\b.{0,40}\bsign up\b"
        r"|(?:关注|關注).{0,12}(?:公众号|公眾號|微信|微博)|扫(?:描|码).{0,8}(?:二维码|关注)|订阅(?:本|我们)"
        r"|点赞.{0,4}(?:收藏|转发|关注)|登录后(?:查看|阅读|发表)"
    ),
    "navigation": (
        r"click here (?:to|for)\b|read (?:more|the full article) ?(?:»|>|…|\.\.\.|$)"
        r"|share (?:this|on)\b ?:?.{0,30}\b(?:facebook|twitter|email)"
        r"|back to (?:top|home)|terms (?:of (?:service|use)|and conditions) ?[|·•]"
        r"|privacy policy ?[|·•]|[|·•] ?privacy policy|enable javascript|skip to (?:main )?content"
        r"|(?:点击|點擊|点此).{0,4}(?:阅读|查看|下载|閱讀)(?:原文|全文|更多)?|阅读(?:原文|全文)$"
        r"|分享(?:到|至) ?[：:]|返回(?:首页|顶部)|上一篇.{0,30}下一篇"
    ),
    "advertisement": r"^advertisement\b|story continues below|sponsored content|广告位|^广告$|^推广$",
    "signature": r"^sent from my \w+(?: \w+)?[.!]?$|^get outlook for|发自我的",
    "imprint": r"责任编辑[：:]|責任編輯[：:]|免责声明|免責聲明|[京沪粤浙苏川鲁]icp[备证]|公网安备",
}
_NOTICE = {about: re.compile(pattern, re.IGNORECASE | re.MULTILINE) for about, pattern in _NOTICES.items()}


def boilerplate(dataset: Dataset | Sequence[str], least_share: float = 0.01) -> pd.DataFrame:
    """Texts that hold a notice: copyright, licence, cookies, subscription, navigation, advertisement.

    Two ways to find one. Known wordings, English and Chinese, in the first or last 5,000 characters. And
    lines of at least four words (eight Chinese characters) that stand among the first or last three lines
    of many different texts: what every page of a site repeats, whatever it says. Copies of one text count
    once. A finding says where to look; a licence, for example, must be read before it is cut.

    Args:
        dataset: texts.
        least_share: a line is repeated by many if this share of the different texts, and five at least,
            have it.

    Returns:
        Findings; the score is 0.9 for known wordings, for repeated lines 0.5 and more with their share.
    """
    least_share = checked_number("least_share", least_share, 0, 1)
    texts = as_texts(dataset, "boilerplate")
    places = {text: None for text in texts}
    lines_of = {text: _edge_lines(text) for text in places}
    counts = Counter(line for lines in lines_of.values() for line in lines)
    least = max(_FEWEST_TEXTS, least_share * len(places))
    repeated = {line: count for line, count in counts.items() if count >= least}
    items, scores, reasons = [], [], []
    for item, text in enumerate(texts):
        known = _known_notice(text)
        again = max((line for line in lines_of[text] if line in repeated), key=repeated.get, default=None)
        if known:
            items.append(item)
            scores.append(0.9)
            reasons.append(f"{known[0]} notice: {known[1]!r}")
        elif again is not None:
            items.append(item)
            scores.append(0.5 + 0.4 * repeated[again] / len(places))
            reasons.append(f"{repeated[again]} different texts have this line: {again[:60]!r}")
    return findings_table("boilerplate", items, scores, reasons)


def _known_notice(text: str) -> tuple[str, str] | None:
    edges = text if len(text) <= 2 * _EDGE else f"{text[:_EDGE]}\n{text[-_EDGE:]}"
    for about, pattern in _NOTICE.items():
        found = pattern.search(edges)
        if found:
            start = edges.rfind("\n", 0, found.start()) + 1
            return about, edges[max(start, found.start() - 20) : found.end() + 20].split("\n")[0]
    return None


def _edge_lines(text: str) -> frozenset[str]:
    """Lines near the ends that are long enough to be a notice; none if the text is a single line."""
    if "\n" not in text:
        return frozenset()
    ends = (text[:_EDGE].splitlines(), text[-_EDGE:].splitlines())
    lines = [line for line in ends[0] if line.strip()][:_LINES]
    lines += [line for line in ends[1] if line.strip()][-_LINES:]
    return frozenset(comparable(line) for line in lines if _long_enough(line))


def _long_enough(line: str) -> bool:
    if line.startswith("#!"):  # which program runs a script
        return False
    return len(_DENSE.findall(line)) >= 2 * _FEWEST_WORDS or len(_WORD.findall(line)) >= _FEWEST_WORDS
