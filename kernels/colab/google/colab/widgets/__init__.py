"""Places for outputs, side by side: tabs and tables."""

from google.colab.widgets._grid import Grid, create_grid
from google.colab.widgets._tabbar import TabBar

__all__ = ["Grid", "TabBar", "create_grid"]
