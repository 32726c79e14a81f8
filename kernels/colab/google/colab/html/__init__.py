"""Elements of HTML as objects of Python."""

from google.colab.html._element import Element, create_resource

__all__ = ["Element", "create_resource"]
