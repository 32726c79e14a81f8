"""The shell of this kernel."""


def get_ipython():
    from IPython import get_ipython as get

    return get()


def get_kernel():
    return get_ipython().kernel


def get_kernelapp():
    return get_ipython().kernel.parent


def in_ipython():
    return getattr(get_ipython(), "kernel", None) is not None
