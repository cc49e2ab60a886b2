"""A line that follows the work, and is rewritten in place."""

from __future__ import annotations


class RewrittenLine:
    """One line that is rewritten in place: in a notebook no wall of text is stored.

    Args:
        wanted: without it nothing is shown.
        width: in a terminal, texts are filled up to so many characters, to cover a longer one before.
    """

    def __init__(self, wanted: bool, width: int = 0) -> None:
        self.wanted, self.width, self.handle = wanted, width, None
        self.in_notebook = wanted and in_notebook()

    def show(self, text: str) -> None:
        if not self.wanted:
            return
        if not self.in_notebook:
            print(f"\r{text:<{self.width}}", end="", flush=True)
            return
        from IPython.display import Pretty, display

        if self.handle is None:
            self.handle = display(Pretty(text), display_id=True)
        else:
            self.handle.update(Pretty(text))

    def end(self) -> None:
        """What a terminal prints next begins on a new line."""
        if self.wanted and not self.in_notebook:
            print(flush=True)


class ProgressLine:
    """Steps and loss of one training."""

    def __init__(self, total: int, wanted: bool | str) -> None:
        self.total, self.line = total, RewrittenLine(bool(wanted))
        self.name = f"{wanted} " if isinstance(wanted, str) else ""

    def show(self, done: int, loss: float, seconds: float) -> None:
        text = (
            f"{self.name}[{bar(done, self.total)}] step {done}/{self.total}, loss {loss:.1f}, {seconds:.0f} s"
        )
        self.line.show(text)
        if done == self.total:
            self.line.end()


def bar(done: int, total: int) -> str:
    """Twenty characters, filled as far as the work is done."""
    filled = round(20 * done / total)
    return "#" * filled + "." * (20 - filled)


def in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return type(get_ipython()).__name__ == "ZMQInteractiveShell"
