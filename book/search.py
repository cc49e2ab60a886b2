"""Search in both languages: English by words as Sphinx does it, Chinese by pairs of characters.

A segmenter cuts 数据清洗 once as one word and once as two, and a search finds only what was cut the same
way. Pairs of neighbours do not depend on that: 数据清洗 is found where 数据, 据清 and 清洗 all stand. Each
character is kept beside the pairs, so that a search for one finds it too.
"""

from __future__ import annotations

import re
from itertools import pairwise

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_WORDS = re.compile(rf"[{HAN}]+|[^\W{HAN}]+")
_HAN_RUN = re.compile(rf"[{HAN}]+")


def split(text: str) -> list[str]:
    """The words of a page: Latin words and numbers; of each run of Chinese the characters and the pairs."""
    words = []
    for run in _WORDS.findall(text):
        if _HAN_RUN.fullmatch(run):
            words += [*run, *map("".join, pairwise(run))]
        else:
            words.append(run)
    return words


class EnglishAndChinese(SearchEnglish):
    """Sphinx's English search, with Chinese by pairs of characters."""

    # The same in the reader's browser; a query of several characters asks for its pairs only.
    js_splitter_code = (
        "var splitQuery = (query) => (query.match("
        r"/[\u3400-\u4dbf\u4e00-\u9fff]+|[^\s\p{P}\p{S}\u3400-\u4dbf\u4e00-\u9fff]+/gu) || [])"
        r".flatMap((run) => /^[\u3400-\u4dbf\u4e00-\u9fff]{2,}$/.test(run)"
        " ? [...run].slice(1).map((character, place) => run[place] + character) : [run]);"
    )

    def split(self, input: str) -> list[str]:
        """See ``split`` of this module."""
        return split(input)


def setup(app: Sphinx) -> dict[str, bool]:
    """Take the place of Sphinx's search for pages in English."""
    app.add_search_language(EnglishAndChinese)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
