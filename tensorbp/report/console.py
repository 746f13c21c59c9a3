"""Writing tables: for a terminal, or as plain text for everything else.

Names come from files and plugins. They are shown as they are, never read as markup, and without
control characters, which could move a terminal's cursor or change its colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["clean", "key_values", "paragraphs", "plain_text", "table", "words"]

_WIDEST_LINE = 10_000


def clean(text: str) -> str:
    """Return a text without control characters; line breaks stay.

    >>> clean(f"a{chr(27)}[31mb")
    'a�[31mb'
    """
    return "".join(
        each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def words(text: str, style: str = "") -> Text:
    """Return a text to be shown as it is."""
    return Text(clean(text), style)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]], numbers: Iterable[str]) -> Table:
    """Return a table without lines.

    Args:
        columns: the headings.
        rows: the cells.
        numbers: the headings of the columns that hold numbers, which stand at the right.
    """
    at_right = set(numbers)
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in columns:
        if heading in at_right:
            made.add_column(words(heading), justify="right", no_wrap=True)
        else:
            made.add_column(words(heading), overflow="fold")
    for row in rows:
        made.add_row(*[words(cell) for cell in row])
    return made


def key_values(entries: Iterable[tuple[str, str]]) -> Table:
    """Return names in front of what they stand for."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in entries:
        made.add_row(words(name), words(value))
    return made


def paragraphs(*parts: RenderableType) -> Group:
    """Return parts with an empty line between them."""
    head, *tail = parts
    return Group(head, *[each for part in tail for each in ("", part)])


def plain_text(report: RenderableType) -> str:
    """Return a report as text without colours, each row on one line, however long."""
    console = Console(
        file=StringIO(),
        width=_WIDEST_LINE,
        color_system=None,
        force_terminal=False,
        legacy_windows=False,
        highlight=False,
    )
    with console.capture() as capture:
        console.print(report)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
