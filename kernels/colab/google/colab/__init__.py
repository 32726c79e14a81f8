"""`google.colab` for kernels of this server: the names that notebooks written for Colab import, made anew.

Nothing is imported before it is used: `google.colab.files` and the like come with their first mention.
"""

import importlib

_MODULES = (
    "auth",
    "data_table",
    "drive",
    "errors",
    "files",
    "html",
    "output",
    "patches",
    "runtime",
    "snippets",
    "syntax",
    "userdata",
    "widgets",
)

__version__ = "1.0.0"


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted((*globals(), *_MODULES))


def load_ipython_extension(ipython):
    """`%load_ext google.colab`: `%shell`, `%%shell` and interactive `!` commands."""
    from google.colab import _system_commands

    _system_commands.install(ipython)


def unload_ipython_extension(ipython):
    """There is nothing to take away: what was installed stays for as long as the kernel does."""
