"""Widgets of packages other than ipywidgets: here they need no manager of their own, and none is loaded."""

_installed_url = None


def enable_custom_widget_manager(version=None):
    """Nothing is loaded: the page's own manager shows them. Libraries ask whether this was called."""
    global _installed_url
    _installed_url = "built-in"


def disable_custom_widget_manager():
    global _installed_url
    _installed_url = None
