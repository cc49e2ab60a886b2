"""A line that follows the steps."""

from __future__ import annotations


class ProgressLine:
    """One line that is rewritten in place: in a notebook no wall of text is stored."""

    def __init__(self, total: int, wanted: bool | str) -> None:
        self.total, self.wanted, self.handle = total, bool(wanted), None
        self.name = f"{wanted} " if isinstance(wanted, str) else ""
        self.in_notebook = self.wanted and in_notebook()

    def show(self, done: int, loss: float, seconds: float) -> None:
        if not self.wanted:
            return
        filled = round(20 * done / self.total)
        bar = "#" * filled + "." * (20 - filled)
        text = f"{self.name}[{bar}] step {done}/{self.total}, loss {loss:.1f}, {seconds:.0f} s"
        if not self.in_notebook:
            print(f"\r{text}", end="\n" if done == self.total else "", flush=True)
            return
        from IPython.display import Pretty, display

        if self.handle is None:
            self.handle = display(Pretty(text), display_id=True)
        else:
            self.handle.update(Pretty(text))


def in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return type(get_ipython()).__name__ == "ZMQInteractiveShell"
