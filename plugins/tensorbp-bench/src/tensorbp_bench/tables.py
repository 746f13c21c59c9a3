"""Tables of figures: as JSON, as Markdown, and in their place on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tensorbp.errors import TensorbpError

__all__ = ["Cell", "PageError", "Table", "around", "keep", "markdown"]

Cell = str | int | float | None


class PageError(TensorbpError):
    """A page that has no place for what is to be kept on it."""


@dataclass(frozen=True)
class Table:
    """Figures in rows.

    Attributes:
        title: what was measured.
        columns: the headings.
        rows: the cells; None where there is no figure.
        note: what one must know to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the table as JSON can write it."""
        return asdict(self)

    @staticmethod
    def of(written: dict[str, Any]) -> Table:
        """Return the table that `to_dict` wrote, also after a journey through JSON."""
        return Table(
            written["title"],
            tuple(written["columns"]),
            tuple([tuple(row) for row in written["rows"]]),
            written["note"],
        )


def markdown(table: Table) -> str:
    """Return a table as a section of Markdown; columns of numbers are aligned to the right."""
    numeric = [
        all(not isinstance(row[k], str) for row in table.rows) for k in range(len(table.columns))
    ]
    lines = [
        f"### {table.title}",
        "",
        _line(table.columns),
        _line(["---:" if is_number else "---" for is_number in numeric]),
        *[_line([_text(cell) for cell in row]) for row in table.rows],
    ]
    return "\n".join([*lines, *(["", table.note] if table.note else [])])


def keep(page: Path, section: str, text: str) -> None:
    """Write a text to its place on a page, between two comments; a new page has nothing else.

    Raises:
        PageError: the page is there, but not the comments.
        OSError: the page cannot be read or written.
    """
    head, tail = around(page, section)
    page.write_text(f"{head}\n\n{text.strip()}\n\n{tail}", encoding="utf-8")


def around(page: Path, section: str) -> tuple[str, str]:
    """Return what stands before and behind the place of a section, its comments included.

    Raises:
        PageError: the page is there, but not the comments.
        OSError: the page cannot be read.
    """
    begin, end = f"<!-- begin: {section} -->", f"<!-- end: {section} -->"
    old = page.read_text(encoding="utf-8") if page.exists() else f"{begin}\n{end}\n"
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise PageError(
            f"'{page}' has no place for {section}; put the lines '{begin}' and '{end}' where it "
            "shall stand"
        )
    return old[: old.index(begin) + len(begin)], old[old.index(end) :]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return _number(cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    return cell.replace("|", "\\|")


def _number(value: float) -> str:
    """Return four digits, but a number that is not 1 is never written as 1."""
    if not math.isfinite(value):
        return str(value)
    if value != 1 and abs(value - 1) < 5e-4:
        return "1 " + ("+" if value > 1 else "−") + f" {abs(value - 1):.0e}"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    return f"{value:.4g}"
