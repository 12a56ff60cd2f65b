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
    """Cells of text; the first column names the rows."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""

    def text(self) -> str:
        """Returns aligned columns, names to the left and values to the right."""
        lines = [list(self.header), *map(list, self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([*([self.title] if self.title else []), *aligned]) + "\n"

    def markdown(self) -> str:
        """Returns a table of GitHub's Markdown."""
        lines = [self.header, ["---", *["---:"] * (len(self.header) - 1)], *self.rows]
        body = "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)
        return f"{self.title}\n\n{body}" if self.title else body

    def latex(self) -> str:
        """Returns a table that needs the package booktabs."""
        lines = [
            " & ".join(cell.translate(LATEX_ESCAPES) for cell in line) + r" \\"
            for line in (self.header, *self.rows)
        ]
        body = "\n".join(lines[1:])
        columns = "l" + "r" * (len(self.header) - 1)
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


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "text": Table.text,
    "md": Table.markdown,
    "tex": Table.latex,
    "csv": Table.csv,
}
"""Formats by their name, which is also the suffix of their files."""
