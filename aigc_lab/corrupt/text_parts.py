"""The invented pieces that text defects put in: notices, personal data, foreign sentences, junk.

Nothing here belongs to a person or a site: names are made up, domains are those that RFC 2606 reserves
for examples, and telephone numbers and IP addresses come from ranges set aside for fiction and
documentation where such ranges exist. Introduced in notebook 02.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

import numpy as np

TEXT_JUNK_KINDS = ("empty", "one character", "marks", "one character repeated", "one word repeated", "binary")

NOTICES: Mapping[str, Sequence[str]] = {
    "en": (
        "Copyright {year} Example Media. All rights reserved.",
        "© {year} The Example Post. Reproduction without permission is prohibited.",
        "We use cookies to give you the best experience. Accept all cookies or manage your settings.",
        "This site uses cookies. By continuing you agree to our privacy policy.",
        "Subscribe to our newsletter and never miss a story!",
        "Sign up for free to read the full article.",
        "Click here to read more. {number} comments",
        "Share this: Facebook Twitter Email Print",
        "Please enable JavaScript to view this page.",
        "Sent from my phone",
        "Terms of service | Privacy policy | Contact us",
        "Advertisement. Story continues below.",
        "Licensed under the Example License, Version 2.0; you may not use this file except in compliance.",
        "You are receiving this message because you signed up; to unsubscribe follow the link.",
    ),
    "zh": (
        "版权所有 © {year} 示例传媒，未经许可不得转载。",
        "转载请注明出处，违者必究。",
        "本网站使用 Cookie 以改善您的体验，继续浏览即表示同意。",
        "扫描二维码，关注我们的微信公众号。",
        "点击阅读原文",
        "点赞、收藏、转发，更多精彩内容请订阅本频道！",
        "责任编辑：示例{number}",
        "免责声明：本文仅代表作者个人观点，与本站无关。",
        "登录后查看全部{number}条评论",
        "分享到：微信 微博 QQ空间",
        "上一篇 下一篇 返回首页",
        "京ICP备{year}00{number}号",
    ),
}

PERSONAL_LEADS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "en": {
        "e-mail": ("You can write to me at {}.", "Contact: {}", "({})"),
        "telephone": ("Call me at {}.", "My number is {}.", "Phone: {}"),
        "bank card": ("My card number is {}.", "Please charge {}."),
        "IP address": ("The server is {}.", "Logged in from {}."),
    },
    "zh": {
        "e-mail": ("我的邮箱是{}。", "请发邮件到{}", "（联系：{}）"),
        "telephone": ("我的电话是{}。", "请拨打{}。", "手机：{}"),
        "identity number": ("身份证号：{}。", "我的身份证号码是{}"),
        "bank card": ("银行卡号{}。", "请转账到{}。"),
        "IP address": ("服务器地址是{}。", "登录地址：{}"),
    },
}
_NAMES = ("wei.zhang", "anna.lee", "j_smith", "li.na", "maria-g", "t.mueller", "kate88", "chen.xu2", "o.h")
_DOMAINS = ("example.com", "example.org", "mail.example.net", "students.example.edu")
_REGIONS = ("110101", "310104", "440106", "510107", "330106", "420111")
_AREAS = (201, 202, 206, 212, 303, 312, 404, 415, 512, 617, 702, 808)


def personal_value(kind: str, language: str, rng: np.random.Generator) -> str:
    """An invented value of one kind of personal data, in the way that the language writes it."""
    if kind == "e-mail":
        return f"{_pick(_NAMES, rng)}{_pick(('', str(int(rng.integers(1, 99)))), rng)}@{_pick(_DOMAINS, rng)}"
    if kind == "telephone":
        return _telephone(language, rng)
    if kind == "identity number":
        return _identity_number(rng)
    if kind == "bank card":
        return _bank_card(rng)
    start = _pick(("192.0.2", "198.51.100", "203.0.113", f"10.{int(rng.integers(256))}.0"), rng)
    return f"{start}.{int(rng.integers(1, 255))}"


def _telephone(language: str, rng: np.random.Generator) -> str:
    if language == "zh":
        prefix = _pick(("131", "135", "138", "150", "158", "177", "186", "199"), rng)
        digits = prefix + _digits(8, rng)
        form = _pick(("{0}{1}{2}", "{0} {1} {2}", "{0}-{1}-{2}", "+86 {0} {1} {2}"), rng)
        return form.format(digits[:3], digits[3:7], digits[7:])
    # In North America the exchange 555 with 0100 to 0199 is for fiction.
    area, line = _pick(_AREAS, rng), f"01{_digits(2, rng)}"
    form = _pick(("({0}) 555-{1}", "{0}-555-{1}", "+1 {0} 555 {1}", "{0}.555.{1}"), rng)
    return form.format(area, line)


def _identity_number(rng: np.random.Generator) -> str:
    """18 characters; the last one is the check character of GB 11643 (ISO 7064, MOD 11-2)."""
    birthday = date(1960, 1, 1) + timedelta(days=int(rng.integers(0, 16000)))
    number = f"{_pick(_REGIONS, rng)}{birthday:%Y%m%d}{_digits(3, rng)}"
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(number))
    return number + "10X98765432"[total % 11]


def _bank_card(rng: np.random.Generator) -> str:
    """16 digits; the last one is the check digit of ISO/IEC 7812 (Luhn)."""
    number = _pick(("4", "51", "62"), rng)
    number += _digits(15 - len(number), rng)
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(number))
    total = sum(value - 9 * (value > 9) for value in doubled)
    number += str(-total % 10)
    gap = _pick(("", " ", "-"), rng)
    return gap.join(number[place : place + 4] for place in range(0, 16, 4))


# Subjects, verbs and objects that go together in any combination; a sentence is one of each.
_FOREIGN: Mapping[str, tuple[Sequence[str], Sequence[str], Sequence[str], str, str]] = {
    "German": (
        ("Meine Nachbarin", "Der alte Lehrer", "Unser Hund", "Die junge Ärztin", "Mein kleiner Bruder"),
        ("sucht heute", "vergisst immer wieder", "findet am Abend", "zeigt uns gerne", "mag überhaupt nicht"),
        ("den Schlüssel der Wohnung", "das Buch über die Sterne", "die schönsten Blumen", "einen neuen Weg"),
        " ",
        ".",
    ),
    "French": (
        ("Ma voisine", "Le vieux professeur", "Notre chien", "La jeune fille", "Mon petit frère"),
        ("cherche aujourd'hui", "oublie toujours", "trouve le soir", "regarde souvent", "n'aime pas"),
        ("la clé de la maison", "le livre sur les étoiles", "les plus belles fleurs", "un nouveau chemin"),
        " ",
        ".",
    ),
    "Spanish": (
        ("Mi vecina", "El viejo profesor", "Nuestro perro", "La joven doctora", "Mi hermano pequeño"),
        ("busca hoy", "siempre olvida", "encuentra por la noche", "mira a menudo", "todavía no quiere"),
        ("la llave de la casa", "el libro sobre las estrellas", "las flores más bonitas", "un camino nuevo"),
        " ",
        ".",
    ),
    "Russian": (
        ("Моя соседка", "Старый учитель", "Наша собака", "Молодая женщина", "Мой младший брат"),
        ("сегодня ищет", "всегда забывает", "вечером находит", "часто видит", "совсем не любит"),
        ("ключ от дома", "книгу о звёздах", "самые красивые цветы", "новую дорогу"),
        " ",
        ".",
    ),
    "Arabic": (
        ("جارتي", "المعلم القديم", "صديقي", "الطبيب", "أخي الصغير"),
        ("يبحث اليوم عن", "ينسى دائما", "يجد في المساء", "يرى كثيرا", "لا يحب"),
        ("مفتاح البيت", "كتاب النجوم", "أجمل الزهور", "الطريق الجديد"),
        " ",
        ".",
    ),
    "Japanese": (
        ("隣の人は", "古い先生は", "うちの犬は", "若いお医者さんは", "私の弟は"),
        ("今日", "いつも", "夜になると", "ときどき", "たぶん"),
        ("家のかぎを探しています", "星の本を忘れます", "きれいな花を見つけます", "新しい道を歩きます"),
        "",
        "。",
    ),
}


def draw_foreign_text(rng: np.random.Generator) -> tuple[str, str]:
    """One or two sentences in a language that is neither English nor Chinese, and the language's name."""
    language = _pick(tuple(_FOREIGN), rng)
    *parts, gap, end = _FOREIGN[language]
    sentences = [gap.join(_pick(part, rng) for part in parts) + end for _ in range(int(rng.integers(1, 3)))]
    return gap.join(sentences), language


def draw_junk_text(rng: np.random.Generator) -> tuple[str, str]:
    """One text that says nothing, and its kind: one of ``TEXT_JUNK_KINDS``."""
    kind = _pick(TEXT_JUNK_KINDS, rng)
    return _JUNK[kind](rng), kind


def _binary(rng: np.random.Generator) -> str:
    """Bytes of no text, read as Latin-1."""
    return bytes(rng.integers(0, 256, int(rng.integers(8, 60)), dtype=np.uint8)).decode("latin-1")


_JUNK: dict[str, Callable[[np.random.Generator], str]] = {
    "empty": lambda rng: _pick(("", " ", "\n", "\t \n", "\u3000"), rng),
    "one character": lambda rng: _pick("aXi7?好的。😀", rng),
    "marks": lambda rng: "".join(_pick("!?.,;-*#@&…。，！？~", rng) for _ in range(int(rng.integers(2, 20)))),
    "one character repeated": lambda rng: _pick("axh0啊哈好=", rng) * int(rng.integers(4, 40)),
    "one word repeated": lambda rng: _pick(("test ", "lol ", "ok, ", "哈哈，", "测试"), rng)
    * int(rng.integers(4, 12)),
    "binary": _binary,
}


def _digits(count: int, rng: np.random.Generator) -> str:
    return "".join(str(digit) for digit in rng.integers(0, 10, count))


def _pick(options: Sequence, rng: np.random.Generator):
    return options[int(rng.integers(len(options)))]
