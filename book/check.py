"""Look through a built site without a browser: nothing of other hosts, no dead link, all with words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes that make a browser fetch something, by element. Links of <a> are only followed by people.
_LOADS = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
_LINK_LOADS = {
    "stylesheet",
    "icon",
    "shortcut",
    "preload",
    "prefetch",
    "modulepreload",
    "manifest",
    "apple-touch-icon",
}
_LINK_CONNECTS = {"preconnect", "dns-prefetch"}
_CSS_LOAD = re.compile(r"@import\s+(?:url\()?\s*[\"']?([^\"')\s;]+)|url\(\s*[\"']?([^\"')]+)", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class _Page(HTMLParser):
    """What one page loads, where it links to, which pictures have no alt text and which sounds no name."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.without_alt: list[str] = []
        self.without_name: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if found.get(name))
        self._in_style = tag == "style"
        if "style" in found:
            self.loads += css_loads(found["style"])
        self.loads += found.get("data-loads", "").split()  # a demonstration's, after the click
        for name in _LOADS.get(tag, ()):
            if found.get(name):
                self.loads += _srcset(found[name]) if name == "srcset" else [found[name]]
        if tag == "link":
            relations = set(found.get("rel", "").lower().split())
            if relations & (_LINK_LOADS | _LINK_CONNECTS):
                self.loads.append(found.get("href", ""))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "img" and not found.get("alt", "").strip() and "logo__image" not in found.get("class", ""):
            self.without_alt.append(found.get("src", "")[:60])
        if tag == "audio" and not found.get("aria-label", "").strip():
            self.without_name.append(found.get("src", "")[:60])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.loads += css_loads(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def _srcset(value: str) -> list[str]:
    return [part.split()[0] for part in value.split(",") if part.strip()]


def css_loads(text: str) -> list[str]:
    """The addresses that a style sheet loads."""
    return [first or second for first, second in _CSS_LOAD.findall(_CSS_COMMENT.sub("", text))]


def is_remote(address: str) -> bool:
    """Whether an address points to another host (``data:`` and ``blob:`` carry their content)."""
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https", "ws", "wss", "ftp")


def pages(site: Path) -> list[Path]:
    """The pages of a site that readers open."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts)


@cache
def _read(path: Path, changed: int) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def read_page(path: Path) -> _Page:
    """A page, read once for as long as its file does not change."""
    return _read(path, path.stat().st_mtime_ns)


def site_faults(site: Path) -> list[str]:
    """Everything that is wrong with the built pages, one sentence each; empty if all is well."""
    found = [fault for path in pages(site) for fault in _page_faults(path, site)]
    for path in sorted(site.rglob("*.css")):
        for address in css_loads(path.read_text(encoding="utf-8", errors="replace")):
            found += _load_faults(address, path, site)
    return found


def _page_faults(path: Path, site: Path) -> Iterator[str]:
    page, name = read_page(path), path.relative_to(site).as_posix()
    for address in page.loads:
        yield from _load_faults(address, path, site)
    for source in page.without_alt:
        yield f"{name}: a picture has no alt text ({source})"
    for source in page.without_name:
        yield f"{name}: a sound has no name; show it with players.sounds ({source})"
    for address in page.links:
        parts = urlsplit(address)
        if parts.scheme or address.startswith("//"):
            continue
        target = _target(path, address, site)
        if target is None or not target.is_file():
            yield f"{name}: a link leads nowhere ({address})"
        elif (
            parts.fragment
            and target.suffix == ".html"
            and parts.fragment not in read_page(target).anchors | {"#"}
        ):
            yield f"{name}: a link leads to a missing place ({address})"


def _load_faults(address: str, path: Path, site: Path) -> Iterator[str]:
    name = path.relative_to(site).as_posix()
    if is_remote(address):
        yield f"{name}: loads {address} from another host"
    elif address and not address.startswith(("data:", "blob:", "#")):
        target = _target(path, address, site)
        if target is None or not target.exists():
            yield f"{name}: loads {address}, which is not there"


def _target(path: Path, address: str, site: Path) -> Path | None:
    """The file behind a relative address; None where it lies outside the site."""
    place = unquote(urlsplit(address).path)
    if not place:
        return path
    target = (site / place.lstrip("/") if place.startswith("/") else path.parent / place).resolve()
    if target.is_dir():
        target = target / "index.html"
    return target if target.is_relative_to(site.resolve()) else None
