"""A table whose cells hold outputs."""

import html

from google.colab import errors
from google.colab.widgets._places import Places


class Grid(Places):
    """`rows` by `columns` places; the first row and column are headings if asked for."""

    def __init__(self, rows, columns, header_row=False, header_column=False, style=""):
        super().__init__()
        if rows < 1 or columns < 1:
            raise ValueError("A grid has at least one row and one column.")
        self.rows = rows
        self.columns = columns
        self._header_row = header_row
        self._header_column = header_column
        self._style = style
        self._publish()

    def output_to(self, row, col):
        """`with grid.output_to(0, 1):` what is put out inside goes there."""
        return self._output_to(self._place(row, col))

    def clear_cell(self, row=None, col=None):
        self._clear(self._place(row, col))

    def __iter__(self):
        """`for row, column in grid:` what is put out in each round goes there."""
        for row in range(self.rows):
            for column in range(self.columns):
                with self.output_to(row, column):
                    yield row, column

    def _place(self, row, column):
        if not (0 <= row < self.rows and 0 <= column < self.columns):
            size = f"{self.rows} by {self.columns}"
            raise errors.WidgetException(f"There is no place {row}, {column} in a grid of {size}.")
        return f"{row}-{column}"

    def _markup(self):
        lines = []
        for row in range(self.rows):
            cells = []
            for column in range(self.columns):
                is_header = (self._header_row and row == 0) or (self._header_column and column == 0)
                tag = "th" if is_header else "td"
                cells.append(f'<{tag} id="{self._id}-{row}-{column}"></{tag}>')
            lines.append(f"<tr>{''.join(cells)}</tr>")
        cells = f"#{self._id} td, #{self._id} th {{vertical-align: top; padding: 4px 8px}}"
        border = f"#{self._id} {{border-collapse: collapse}} {cells}"
        style = html.escape(self._style, quote=False).replace("&gt;", ">")
        return f'<style>{border} {style}</style><table id="{self._id}">{"".join(lines)}</table>'


def create_grid(elements, header_row=False, header_column=False, style=""):
    """A grid that shows these things: a list of rows."""
    from IPython.display import display

    rows = [list(row) for row in elements]
    grid = Grid(len(rows), max(map(len, rows), default=0), header_row, header_column, style)
    for row, items in enumerate(rows):
        for column, item in enumerate(items):
            with grid.output_to(row, column):
                print(item) if isinstance(item, str) else display(item)
    return grid
