"""JavaScript written as Python: `Js("document").querySelector("h1").textContent` is an expression until it is asked
for its value with `js_value()`.
"""

import json

from google.colab.output import _js


class Js:
    """An expression. Attributes, items and calls make longer ones; setting an attribute runs an assignment at once."""

    __slots__ = ("_expression",)

    def __init__(self, expression="window"):
        object.__setattr__(self, "_expression", str(expression))

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Js(f"{self._expression}[{json.dumps(name)}]")

    def __getitem__(self, key):
        return Js(f"{self._expression}[{literal(key)}]")

    def __setattr__(self, name, value):
        _js.eval_js(f"{self._expression}[{json.dumps(name)}] = {literal(value)}; null", ignore_result=True)

    def __call__(self, *args):
        return Js(f"{self._expression}({', '.join(map(literal, args))})")

    def js_value(self):
        """What it comes to, in the frame of the running cell."""
        return _js.eval_js(self._expression)

    def __repr__(self):
        return f"Js({self._expression!r})"


def literal(value):
    """As it stands in a script. Line separators are no problem: JSON is a part of JavaScript."""
    return value._expression if isinstance(value, Js) else json.dumps(value)


js_global = Js("window")
