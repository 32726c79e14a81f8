"""The runtime of this notebook."""


def unassign():
    """Ends the kernel: the next run gets a new one."""
    from IPython import get_ipython

    get_ipython().kernel.do_shutdown(False)
    raise SystemExit
