"""Bare pages with one demonstration each, for trying them without building the book.

``python -m book.demo_page`` serves them on loopback. JavaScript and style sheets come straight from this
folder; a model is exported when a page first asks for it.
"""

from __future__ import annotations

import http.server
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

BOOK = Path(__file__).resolve().parent
sys.path.insert(0, str(BOOK.parent))

from book import demos, vendor  # noqa: E402
from book.page_models import table  # noqa: E402

CACHE = BOOK / "_build" / "cache"
EXPORTING = threading.Lock()  # one export at a time: the server answers in threads
PAGE = """<!doctype html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/_static/lab.css">
<style>
html {{ --pst-color-background: #fff; --pst-color-text-base: #222832; --pst-color-border: #d1d5da;
  --pst-color-surface: #f3f4f5; --pst-color-primary: #176de8; --pst-color-text-muted: #48566b; }}
html[data-theme="dark"] {{ --pst-color-background: #14181e; --pst-color-text-base: #ced6dd;
  --pst-color-border: #48566b; --pst-color-surface: #29313d; --pst-color-primary: #528fe4;
  --pst-color-text-muted: #9ca4af; color-scheme: dark; }}
body {{ background: var(--pst-color-background); color: var(--pst-color-text-base);
  font: 17px/1.65 sans-serif; margin: 0 auto; max-width: 50rem; padding: 1rem; }}
</style>
<script>const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => {{ document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; }};
theme(); dark.addEventListener("change", theme);</script>
<script src="/_static/lab.js"></script>
</head><body><main class="bd-article">
{body}
</main></body></html>
"""


class Pages(http.server.SimpleHTTPRequestHandler):
    """Pages of demonstrations, and what they load."""

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path).strip("/")
        if name.startswith("_static/"):
            super().do_GET()
            return
        self._page(name.removesuffix(".html"))

    def _page(self, name: str) -> None:
        entries = {demo["name"]: demo for demo in demos.demos()}
        if name and name not in entries:
            self.send_error(404)
            return
        body = "\n".join(f'<p><a href="/{each}.html">{each}</a></p>' for each in entries)
        if name:
            body = f"<h1>{name}</h1>\n{demos.block(entries[name], '/_static/')}"
        content = PAGE.format(name=name or "Demonstrations", body=body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def translate_path(self, path: str) -> str:
        """The file behind an address below ``_static``; a path that does not exist where there is none."""
        _, _, place = unquote(urlsplit(path).path).partition("/_static/")
        folder, _, name = place.partition("/")
        if folder == "models" and name in table.table():
            with EXPORTING:
                return str(table.made(name, CACHE))
        roots = {"web": BOOK / "web", "vendor": CACHE / "vendor"}
        root, inside = (roots[folder], name) if folder in roots else (BOOK / "assets", place)
        found = (root / inside).resolve()
        return str(found if found.is_relative_to(root) and found.is_file() else BOOK / "missing")

    def log_message(self, *message: object) -> None:
        """Nothing: the browser shows what matters."""


def serve(port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server on loopback; the caller runs and closes it."""
    vendor.install(vendor.fetch(CACHE), CACHE / "vendor")
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Pages)


if __name__ == "__main__":
    with serve(int(sys.argv[1]) if sys.argv[1:] else 8010) as server:
        print(f"Demonstrations: http://127.0.0.1:{server.server_port}/ (Ctrl+C ends)")
        server.serve_forever()
