"""Tabs that hold outputs."""

import contextlib
import html
import json

from google.colab import errors
from google.colab.output import _publish
from google.colab.widgets._places import Places

_LOCATIONS = {"top": "column", "bottom": "column-reverse", "start": "row", "end": "row-reverse"}

_SCRIPT = """
((id, first) => {
  const bar = document.getElementById(id), tabs = [...bar.querySelectorAll('[role=tab]')];
  const select = (number, focus) => {
    tabs.forEach((tab, at) => {
      tab.setAttribute('aria-selected', String(at === number));
      tab.tabIndex = at === number ? 0 : -1;
      document.getElementById(`${id}-${at}`).hidden = at !== number;
    });
    if (focus) tabs[number].focus();
  };
  tabs.forEach((tab, at) => {
    tab.addEventListener('click', () => select(at, true));
    tab.addEventListener('keydown', (event) => {
      const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
      if (step === undefined) return;
      event.preventDefault();
      select((at + step + tabs.length) % tabs.length, true);
    });
  });
  (window.__tabs ??= {})[id] = select;
  select(first, false);
})"""

_STYLE = """
#ID {display: flex; flex-direction: DIRECTION; gap: 8px}
#ID > [role=tablist] {display: flex; flex-direction: LIST; gap: 2px; border-bottom: 1px solid COLOR}
#ID [role=tab] {font: inherit; color: inherit; background: none; border: 0; padding: 6px 12px; cursor: pointer}
#ID [role=tab] {border-bottom: 2px solid transparent}
#ID [role=tab][aria-selected=true] {border-bottom-color: currentColor; font-weight: 600}
"""


class TabBar(Places):
    """One tab for each name. The first is shown, or the one of `initial_selection`."""

    def __init__(self, tab_names, location="top", initial_selection=0, contrast=None, border_color=None):
        super().__init__()
        self.tab_names = list(tab_names)
        if not self.tab_names:
            raise ValueError("A tab bar has at least one tab.")
        if location not in _LOCATIONS:
            raise ValueError(f"location is one of {', '.join(_LOCATIONS)}.")
        self._location = location
        self._first = initial_selection
        self._color = border_color or "var(--jp-border-color1, #bdbdbd)"
        self._publish()

    @contextlib.contextmanager
    def output_to(self, tab, select=True):
        """`with tabs.output_to("name"):` or by number; the tab comes to the front unless `select` is false."""
        number = self._number(tab)
        self._publish()
        if select:
            self._select(number)
        with self._output_to(number):
            yield

    def clear_tab(self, tab=None):
        self._clear(self._number(self._first if tab is None else tab))

    def __iter__(self):
        """`for name in tabs:` what is put out in each round goes into that tab."""
        for number, name in enumerate(self.tab_names):
            with self.output_to(number, select=False):
                yield name

    def _number(self, tab):
        if isinstance(tab, int) and 0 <= tab < len(self.tab_names):
            return tab
        if tab in self.tab_names:
            return self.tab_names.index(tab)
        raise errors.WidgetException(f"There is no tab {tab!r}; there are {', '.join(map(str, self.tab_names))}.")

    def _select(self, number):
        _publish.javascript(f"window.__tabs?.[{json.dumps(self._id)}]?.({number}, false);")

    def _markup(self):
        listed = "row" if self._location in ("top", "bottom") else "column"
        color = html.escape(str(self._color))
        style = _STYLE.replace("ID", self._id).replace("DIRECTION", _LOCATIONS[self._location])
        style = style.replace("LIST", listed).replace("COLOR", color)
        tabs = "".join(
            f'<button type=button role=tab aria-controls="{self._id}-{number}">{html.escape(str(name))}</button>'
            for number, name in enumerate(self.tab_names)
        )
        panels = "".join(
            f'<div role=tabpanel id="{self._id}-{number}" hidden></div>' for number in range(len(self.tab_names))
        )
        script = f'{_SCRIPT}("{self._id}", {self._number(self._first)})'
        return (
            f"<style>{style}</style><div id={self._id}><div role=tablist>{tabs}</div><div>{panels}</div></div>"
            f"<script>{script}</script>"
        )
