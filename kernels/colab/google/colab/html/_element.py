"""An HTML element that Python shows, asks, changes and listens to."""

import html
import json
import uuid

from google.colab import output


class Element:
    """Shown as an output. Properties and methods are those of the element in the frame of the running cell.

    `src` is where a custom element is defined: `{"script": url}`, `{"module": url}` or `{"html": markup}`."""

    def __init__(self, tag, attributes=None, properties=None, src=None):
        self._tag = tag
        self._attributes = dict(attributes or {})
        self._properties = dict(properties or {})
        self._src = {"module": src} if isinstance(src, str) else dict(src or {})
        self._id = f"element-{uuid.uuid4().hex}"
        self._listeners = {}
        self._published = False

    @property
    def attributes(self):
        return dict(self._attributes)

    def get_property(self, name):
        """Its value in the page; before it is shown, what it will have."""
        if not self._published:
            return self._properties.get(name)
        return output.eval_js(f"{self._found}[{json.dumps(name)}]")

    def set_property(self, name, value):
        self._properties[name] = value
        if self._published:
            output.eval_js(f"{self._found}[{json.dumps(name)}] = {json.dumps(value)}; null", ignore_result=True)

    def call(self, method, *args):
        """What its method gives."""
        if not self._published:
            raise ValueError("The element is not shown yet; display it first.")
        return output.eval_js(f"{self._found}[{json.dumps(method)}](...{json.dumps(args)})")

    def add_event_listener(self, event_type, callback):
        """`callback(event)` is called with those fields of the event that JSON can carry, `detail` and the like."""
        name = f"{self._id}-{uuid.uuid4().hex}"
        self._listeners.setdefault(event_type, {})[callback] = name
        output.register_callback(name, callback)
        if self._published:
            output.eval_js(_listen(self._found, event_type, name), ignore_result=True)
        return callback

    def remove_event_listener(self, event_type, callback):
        name = self._listeners.get(event_type, {}).pop(callback, None)
        if name is not None:
            output.unregister_callback(name)
            if self._published:
                call = f"{self._found}.__listeners?.[{json.dumps(name)}]?.()"
                output.eval_js(f"{call}; null", ignore_result=True)

    @property
    def _found(self):
        return f"document.getElementById({json.dumps(self._id)})"

    def _repr_html_(self):
        self._published = True
        attributes = "".join(f' {name}="{html.escape(str(value))}"' for name, value in self._attributes.items())
        parts = [self._src.get("html", "")]
        for kind, type_ in (("script", "text/javascript"), ("module", "module")):
            if kind in self._src:
                parts.append(f'<script type="{type_}" src="{html.escape(self._src[kind])}"></script>')
        parts.append(f'<{self._tag} id="{self._id}"{attributes}></{self._tag}>')
        steps = [f"Object.assign({self._found}, {_in_script(self._properties)})"]
        for event_type, callbacks in self._listeners.items():
            steps += [_listen(self._found, event_type, name) for name in callbacks.values()]
        parts.append(f"<script>{'; '.join(steps)}</script>")
        return "".join(parts)


def create_resource(content, route=None):
    """An address under which the page finds this text."""
    import base64

    text = content if isinstance(content, bytes) else content.encode()
    return f"data:{'text/javascript'};base64,{base64.b64encode(text).decode()}"


def _in_script(value):
    return json.dumps(value).replace("</", "<\\/")


# What of an event can travel as JSON: its type, and these of its fields.
_LISTEN = """
((element, type, name) => {
  const fits = (value) =>
    ['string', 'number', 'boolean'].includes(typeof value) ||
    (value !== null && typeof value === 'object' && !(value instanceof Node));
  const heard = (event) => {
    if (!google.colab.kernel.accessAllowed) return;
    const all = ['type', 'detail', 'key', 'value'].map((key) => [key, event[key]]);
    const fields = all.filter(([, value]) => fits(value));
    google.colab.kernel.invokeFunction(name, [Object.fromEntries(fields)], {});
  };
  element.addEventListener(type, heard);
  (element.__listeners ??= {})[name] = () => element.removeEventListener(type, heard);
})"""


def _listen(found, event_type, name):
    return f"{_LISTEN}({found}, {_in_script(event_type)}, {_in_script(name)})"
