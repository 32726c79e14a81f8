"""Starts ipykernel in place of `-m ipykernel_launcher` (kernels.md section 8).

The kernelspec's own interpreter runs this file by its path: nothing of ours is imported, and it does no harm to older
versions of ipykernel and IPython. It ends with its parent, bounds what is printed and keeps nothing of it.
"""

import asyncio
import ctypes
import faulthandler
import importlib.util
import inspect
import mmap
import os
import signal
import sys
import threading
import time
from contextlib import nullcontext, suppress
from importlib import import_module
from typing import Any

_FLUSH_AFTER = 1_000_000
_MAX_UNREAD = 32_000_000
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """A gateway that was killed takes its kernels along (D1: it follows the thread that started us, its main one)."""
    parent = int(os.environ.get("JPY_PARENT_PID") or 0)
    if sys.platform == "linux" and parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("The gateway ended before its kernel began.")


def reset_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until ipykernel runs code: no traceback of a half-imported kernel


class EarlyInterrupt:
    """An interrupt that comes between a request and the first line of its code is kept until then. What runs in between
    is IPython's and ipykernel's, where it was lost (hooks before a cell swallow it and go on) or lost the reply. The
    second one is not kept: a hook of the user's may hang."""

    def __init__(self) -> None:
        self._came = False

    def expect(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # a subshell: signals are not for it
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._came = False
            signal.signal(signal.SIGINT, self._keep)

    def _keep(self, number: int, frame: Any) -> None:
        if self._came:
            signal.default_int_handler(number, frame)
        self._came = True

    def code_begins(self) -> bool:
        """From now on signals meet the code. Whether one came before."""
        if threading.current_thread() is not threading.main_thread():
            return False
        if signal.getsignal(signal.SIGINT) == self._keep:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        came, self._came = self._came, False
        return came


def lose_no_interrupt(kernel: Any, shell: Any) -> None:
    early = EarlyInterrupt()
    execute_request, run_code = kernel.execute_request, shell.run_code
    # An error of the code's own is shown, told and ends the cell in every way as it should.
    interrupted = compile("raise KeyboardInterrupt", "<interrupted before it began>", "exec")

    async def expecting(self: Any, *given: Any, **named: Any) -> Any:
        early.expect()
        done = execute_request(self, *given, **named)
        return await done if inspect.isawaitable(done) else done

    async def beginning(self: Any, code: Any, *given: Any, **named: Any) -> Any:
        if early.code_begins():
            code, named = interrupted, named | {"async_": False}
        done = run_code(self, code, *given, **named)
        return await done if inspect.isawaitable(done) else done

    kernel.execute_request, shell.run_code = expecting, beginning


def tell_of_crashes() -> None:
    """To the log that the gateway reads the reason of a death from; ipykernel is about to redirect standard error."""
    faulthandler.enable(os.fdopen(os.dup(2), "w"), all_threads=False)


def wake_for_signals() -> None:
    """In the running loop: its wake-up descriptor is set with its first signal handler. Without it an interrupt of
    `await` is seen only when something else happens: ipykernel's handler adds a callback with tornado's
    `IOLoop.add_callback`, which trusts the loop to be awake when it is called in the loop's own thread."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, lambda: None)


class Unread:
    """Bytes that went to iopub and that the gateway has not read: it says what it has in a file beside ours. Who makes
    more waits (L1): neither we nor the gateway, which takes all that comes, had a bound otherwise."""

    def __init__(self, file: str) -> None:
        descriptor = os.open(file, os.O_RDONLY)
        self._read = mmap.mmap(descriptor, 8, access=mmap.ACCESS_READ)
        os.close(descriptor)
        self._sent: dict[int, int] = {}  # by thread, as a lock might be held where user code forks

    def sent(self, parts: Any) -> None:
        size = sum(getattr(part, "nbytes", None) or len(part) for part in parts)
        thread = threading.get_ident()
        self._sent[thread] = self._sent.get(thread, 0) + size

    def wait(self) -> None:
        while sum(tuple(self._sent.values())) - int.from_bytes(self._read[:8], "little") > _MAX_UNREAD:
            time.sleep(0.002)


def bound_output(stream: Any, thread: Any, unread: Unread) -> None:
    write, send = stream.write, thread.send_multipart

    def bounded_write(self: Any, string: str) -> Any:
        written = write(self, string)
        self._unflushed = getattr(self, "_unflushed", 0) + len(string)
        if self._unflushed > _FLUSH_AFTER:
            self._unflushed = 0
            self.flush()
            if threading.current_thread() is not self.pub_thread.thread:
                unread.wait()
        return written

    def bounded_send(self: Any, parts: Any, *more: Any, **options: Any) -> None:
        unread.sent(parts)
        send(self, parts, *more, **options)
        if threading.current_thread() is threading.main_thread():
            unread.wait()

    stream.write = bounded_write
    thread.send_multipart = bounded_send


def lose_nothing(app: Any, option: int) -> None:
    """A PUB socket drops what is over its mark and says nothing (E1): 1,000 messages, while the gateway or a ZMQ thread
    does not get to run. `bound_output` waits for the reading; nothing is to be lost for it."""
    init_iopub = app.init_iopub

    def unbounded(self: Any, context: Any) -> None:
        context.setsockopt(option, 0)
        init_iopub(self, context)

    app.init_iopub = unbounded


def forget_outputs(shell: Any) -> None:
    """IPython 9 keeps all that was ever printed or shown (L2)."""
    outputs = getattr(getattr(shell, "history_manager", None), "outputs", None)
    if isinstance(outputs, dict):
        kept: Any = outputs
        shell.events.register("post_run_cell", lambda result: kept.clear())


def keep_caches_together() -> None:
    """What jedi, which completes for IPython, has read of libraries goes beside IPython's own files when whoever
    started us gave those a place, and not into the home."""
    place = os.environ.get("IPYTHONDIR")
    if place:
        with suppress(ImportError):
            settings: Any = import_module("jedi.settings")
            settings.cache_directory = os.path.join(place, "jedi")


class AfterImport:
    """Does something to a module as soon as it was imported, once. It is asked first, and finds nothing itself."""

    def __init__(self, name: str, then: Any) -> None:
        self._name = name
        self._then = then

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec: Any = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_then(module: Any) -> None:
                execute(module)
                with suppress(AttributeError):  # another version of it
                    self._then(module)

            spec.loader.exec_module = execute_and_then
        return spec


def share_gpu() -> None:
    """Who was given a part of a GPU is told by torch when that is full, as on a smaller GPU, rather than stopped by the
    gateway. Only once torch starts CUDA itself: to ask it any earlier would."""
    share = os.environ.pop("KERNELHOST_GPU_SHARE", "")
    if not share:
        return

    def bound(cuda: Any) -> None:
        def bound_all() -> None:
            for device in range(cuda.device_count()):
                cuda.set_per_process_memory_fraction(float(share), device)

        cuda._lazy_call(bound_all)

    sys.meta_path.insert(0, AfterImport("torch.cuda", bound))


def colab_folder(here: str) -> str:
    """Beside this file where it is installed, beside its package in a checkout."""
    inside = os.path.join(here, "colab")
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(here), "colab")


def offer_colab(folder: str) -> Any:
    """`google.colab` can be imported, behind all that is installed; and the shell, whose class code looks at to know
    Colab, gives `!` commands a terminal of their own. None where it is turned off or IPython is another one: then
    nothing changes. Nothing of the package is imported before somebody uses it."""
    if os.environ.pop("KERNELHOST_COLAB", "1") == "0" or not os.path.isdir(folder):
        return None
    from ipykernel import zmqshell

    def system(self: Any, command: str) -> Any:
        from google.colab import _system_commands  # type: ignore[import-not-found, unused-ignore]

        return _system_commands.system(self, command)

    # plotly knows Jupyter by its shell's class, and puts 5 MB of itself into the notebook where it sees another.
    os.environ.setdefault("PLOTLY_RENDERER", "plotly_mimetype")
    body = {"__module__": "google.colab._shell", "__qualname__": "Shell", "has_interactive_commands": True}
    if sys.platform != "win32":
        body["system"] = system
    sys.path.append(folder)
    return type("Shell", (zmqshell.ZMQInteractiveShell,), body)


def take_calls(kernel: Any) -> None:
    """Functions that scripts of outputs may call by name (`google.colab.output.register_callback`), DataFrames' tables
    among them."""

    def take_call(comm: Any, message: Any) -> None:
        import_module("google.colab.output._js").take_call(comm, message)

    def table(frame: Any) -> Any:
        return import_module("google.colab.data_table").bundle_of(frame)

    kernel.comm_manager.register_target("google.colab.invoke", take_call)
    # By name, so that nothing imports pandas; before its third version it named another module.
    for module in ("pandas", "pandas.core.frame"):
        kernel.shell.display_formatter.mimebundle_formatter.for_type_by_name(module, "DataFrame", table)
    kernel.shell.magics_manager.register_lazy("shell", "google.colab")


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) != here]
    tell_of_crashes()
    reset_signals()
    end_with_parent()
    os.umask(0o077)
    share_gpu()
    import zmq
    from ipykernel import iostream, kernelapp, kernelbase
    from IPython.core import interactiveshell
    from tornado import ioloop

    shell: Any = interactiveshell.InteractiveShell
    if hasattr(shell, "_tee"):
        shell._tee = lambda self, channel: nullcontext()
    unread = Unread(os.path.join(os.path.dirname(sys.argv[sys.argv.index("-f") + 1]), "read"))
    bound_output(iostream.OutStream, iostream.IOPubThread, unread)
    lose_nothing(kernelapp.IPKernelApp, zmq.SNDHWM)
    if inspect.iscoroutinefunction(getattr(shell, "run_code", None)):
        lose_no_interrupt(kernelbase.Kernel, shell)
    sys.argv.append("--HistoryManager.hist_file=:memory:")
    app: Any = kernelapp.IPKernelApp.instance()
    colab = offer_colab(colab_folder(here))
    if colab is not None:
        app.kernel_class.shell_class = colab
    app.initialize()
    if colab is not None:
        with suppress(AttributeError):  # of another version
            take_calls(app.kernel)
    forget_outputs(app.shell)
    keep_caches_together()
    ioloop.IOLoop.current().add_callback(wake_for_signals)
    app.start()


if __name__ == "__main__":
    main()
