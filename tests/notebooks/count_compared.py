"""A pytest plugin that counts the cells whose outputs nbval really compares, and prints the number."""

from __future__ import annotations

from nbval.plugin import IPyNbCell

compared = 0
_compare = IPyNbCell.compare_outputs


def _counting(cell, *arguments, **options):
    global compared
    compared += 1
    return _compare(cell, *arguments, **options)


def pytest_configure(config):
    IPyNbCell.compare_outputs = _counting


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"cells compared by nbval: {compared}")
