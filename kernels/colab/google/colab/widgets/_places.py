"""What tabs and tables share: an element of the frame for each place, and outputs that go into one."""

import contextlib
import uuid

from google.colab import errors, output


class Places:
    """Elements `{id}-{place}` of this object's own markup, which is shown once."""

    def __init__(self):
        self._id = f"places-{uuid.uuid4().hex}"
        self._inside = False
        self._published = False

    def _publish(self):
        from IPython.display import HTML, display

        if not self._published:
            self._published = True
            display(HTML(self._markup()))

    @contextlib.contextmanager
    def _output_to(self, place):
        if self._inside:
            raise errors.WidgetException("Outputs go into one place at a time; leave the inner `with` out.")
        self._publish()
        self._inside = True
        try:
            with output.redirect_to_element(f"#{self._id}-{place}"), output.use_tags(self._tag(place)):
                yield
        finally:
            self._inside = False

    def _clear(self, place):
        output.clear(output_tags=self._tag(place))

    def _tag(self, place):
        return f"{self._id}-{place}"

    def _repr_html_(self):
        self._published = True
        return self._markup()

    def _markup(self):
        raise NotImplementedError
