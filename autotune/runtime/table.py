"""A table for people and for papers: plain text, Markdown, LaTeX or CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LATEX_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$",
    }
)  # fmt: skip
"""Characters that LaTeX reads as commands."""


@dataclass(frozen=True)
class Table:
    """Cells of text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    texts: int = 1
    """Number of columns, from the left, that hold texts; the others hold numbers and are aligned to the right."""

    def text(self) -> str:
        """Returns aligned columns."""
        lines = ("  ".join(cells).rstrip() for cells in self._aligned([self.header, *self.rows]))
        return "\n".join([*([self.title] if self.title else []), *lines]) + "\n"

    def markdown(self) -> str:
        """Returns a table of GitHub's Markdown, aligned for a terminal."""
        plain = [
            [cell.replace("|", "\\|").replace("\n", " ") for cell in line]
            for line in (self.header, *self.rows)
        ]
        head, *lines = self._aligned(plain, least=3)
        rule = [
            "-" * len(cell) if column < self.texts else "-" * (len(cell) - 1) + ":"
            for column, cell in enumerate(head)
        ]
        body = "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *lines))
        return f"{self.title}\n\n{body}" if self.title else body

    def latex(self) -> str:
        """Returns a table that needs the package booktabs."""
        lines = [
            " & ".join(cell.translate(LATEX_ESCAPES) for cell in line) + r" \\"
            for line in (self.header, *self.rows)
        ]
        body = "\n".join(lines[1:])
        columns = "l" * self.texts + "r" * (len(self.header) - self.texts)
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

    def _aligned(self, lines: Sequence[Sequence[str]], least: int = 0) -> list[list[str]]:
        """Returns the cells, all of a column as wide as the widest and at least so many characters."""
        widths = [max(least, *map(len, column)) for column in zip(*lines, strict=True)]
        return [
            [
                cell.ljust(width) if column < self.texts else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            for line in lines
        ]


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "text": Table.text,
    "md": Table.markdown,
    "tex": Table.latex,
    "csv": Table.csv,
}
"""Formats by their name, which is also the suffix of their files."""
