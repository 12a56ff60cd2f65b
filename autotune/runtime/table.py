"""A table for people and for papers: plain text, Markdown, LaTeX, CSV or HTML."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

LATEX_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "\n": " ",
    }
)  # fmt: skip
"""Characters that LaTeX reads as commands, or that its older fonts lack."""
MINUS = re.compile(r"(?<![^\s\[(])-(?=\d)")
"""A hyphen that is the sign of a number."""


CLASS_OF_NUMBERS = ' class="n"'
"""Attribute of cells that hold numbers."""


@dataclass(frozen=True)
class Table:
    """Cells of text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    texts: int = 1
    """Number of columns, from the left, that hold texts; the others hold numbers and are aligned to the right."""
    texts_right: int = 0
    """Number of columns, from the right, that hold texts, too."""

    def translated(self, header: Callable[[str], str], title: Callable[[str], str]) -> "Table":
        """Returns the table with other words in its header and title."""
        return replace(self, header=list(map(header, self.header)), title=title(self.title))

    def untitled(self) -> "Table":
        """Returns the table without its title."""
        return replace(self, title="")

    def text(self) -> str:
        """Returns aligned columns."""
        lines = ("  ".join(cells).rstrip() for cells in self._aligned([self.header, *self.rows]))
        return "\n".join([*([self.title] if self.title else []), *lines]) + "\n"

    def markdown(self) -> str:
        """Returns a table of GitHub's Markdown, aligned for a terminal."""
        plain = [
            [cell.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;") for cell in line]
            for line in (self.header, *self.rows)
        ]
        head, *lines = self._aligned(plain, least=3)
        rule = [
            "-" * len(cell) if self._is_text(column) else "-" * (len(cell) - 1) + ":"
            for column, cell in enumerate(head)
        ]
        body = "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *lines))
        return f"{self.title}\n\n{body}" if self.title else body

    def latex(self) -> str:
        """Returns a table that needs the package booktabs."""
        lines = [" & ".join(map(_latex_cell, line)) + r" \\" for line in (self.header, *self.rows)]
        body = "\n".join(lines[1:])
        columns = "".join("l" if self._is_text(column) else "r" for column in range(len(self.header)))
        title = f"% {self.title}\n" if self.title else ""
        return (
            f"{title}\\begin{{tabular}}{{{columns}}}\n\\toprule\n{lines[0]}\n\\midrule\n{body}\n"
            "\\bottomrule\n\\end{tabular}\n"
        )

    def csv(self) -> str:
        """Returns comma-separated values; the title is left out."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.header, *self.rows])
        return text.getvalue()

    def html(self) -> str:
        """Returns a table element; texts are escaped."""
        lines = [
            "<tr>"
            + "".join(
                f"<{tag}{'' if self._is_text(column) else CLASS_OF_NUMBERS}>{escape(cell)}</{tag}>"
                for column, cell in enumerate(cells)
            )
            + "</tr>\n"
            for tag, cells in [("th", self.header), *(("td", row) for row in self.rows)]
        ]
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        return f"<table>{caption}{''.join(lines)}</table>"

    def _is_text(self, column: int) -> bool:
        return column < self.texts or column >= len(self.header) - self.texts_right

    def _aligned(self, lines: Sequence[Sequence[str]], least: int = 0) -> list[list[str]]:
        """Returns the cells, all of a column as wide as the widest and at least so many characters."""
        widths = [max(least, *map(len, column)) for column in zip(*lines, strict=True)]
        return [
            [
                cell.ljust(width) if self._is_text(column) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            for line in lines
        ]


def _latex_cell(cell: str) -> str:
    text = MINUS.sub("−", cell).translate(LATEX_ESCAPES)
    # Behind the end of a row, LaTeX would read these as an argument of it.
    return f"{{{text[0]}}}{text[1:]}" if text[:1] in ("[", "*") and text else text


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "text": Table.text,
    "md": Table.markdown,
    "tex": Table.latex,
    "csv": Table.csv,
}
"""Formats by their name, which is also the suffix of their files."""


def shown_interval(bounds: Sequence[float] | None, sign: str = "") -> str:
    """Returns an interval as it is written behind a score; nothing if it is not known."""
    return "" if bounds is None else f" [{bounds[0]:{sign}.4f}, {bounds[1]:{sign}.4f}]"


def render(tables: Sequence[Table], form: str, sentences: Sequence[str] = ()) -> str:
    """Returns several tables in one of `FORMATS`, one below the other.

    Args:
        tables: those without rows are left out.
        form: key of `FORMATS`.
        sentences: lines before the tables; in CSV they are left out, and in LaTeX they are comments.
    """
    comment = {"tex": "% ", "md": "- "}.get(form, "")
    above = "".join(f"{comment}{sentence}\n" for sentence in sentences if form != "csv")
    bodies = [FORMATS[form](table) for table in tables if table.rows]
    return "\n".join([above, *bodies] if above else bodies)
