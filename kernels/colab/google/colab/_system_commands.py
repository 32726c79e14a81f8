"""Shell commands in a terminal of their own: output as it comes, and a line to type into while they read.

`!` commands, `%shell` and `%%shell`. What the terminal does not echo, such as passwords, the page does not show either.
"""

import codecs
import errno
import os
import select
import signal
import subprocess
import sys
import time

from google.colab import _message

_LOOK_S = 0.05
_QUIET_S = 0.4  # without output, before the line to type into is shown
_INTERRUPTED_S = 3.0
_DRAIN_S = 0.2
_SIZE = (24, 100)
_READS = {0, 63}  # read, as x86-64 and arm64 count system calls
_SHELL = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"


class ShellResult:
    """How a command ended; `output` is all that it wrote."""

    def __init__(self, args, returncode, output):
        self.args = args
        self.returncode = returncode
        self.output = output

    def check_returncode(self):
        if self.returncode:
            raise subprocess.CalledProcessError(returncode=self.returncode, cmd=self.args, output=self.output)

    def _ipython_display_(self):
        """Nothing: the output was shown as it came."""


def install(ipython):
    """In a kernel that was not started with our shell."""
    ipython.register_magic_function(shell_line, "line", "shell")
    ipython.register_magic_function(shell_cell, "cell", "shell")
    if not getattr(ipython, "has_interactive_commands", False):
        ipython.system = lambda command: system(ipython, command)


def system(ipython, command):
    """`!command`"""
    ipython.user_ns["_exit_code"] = run(ipython.var_expand(command, depth=2), keeps=False).returncode


def shell_line(line):
    """`%shell command`; a command that fails raises CalledProcessError."""
    result = run(line)
    result.check_returncode()
    return result


def shell_cell(line, cell):
    """`%%shell`, with `--ignore-errors` for commands that may fail."""
    result = run(cell)
    if "--ignore-errors" not in line.split():
        result.check_returncode()
    return result


def run(command, keeps=True):
    """In a pseudo-terminal. Raises KeyboardInterrupt when it was interrupted; what it started is ended then."""
    import pty

    ours, theirs = pty.openpty()
    try:
        _set_up(theirs)
        process = subprocess.Popen(
            command,
            shell=True,
            executable=_SHELL,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            close_fds=True,
            start_new_session=True,
            preexec_fn=_take_terminal,
            env={**os.environ, "TERM": "xterm-color", "COLUMNS": str(_SIZE[1]), "LINES": str(_SIZE[0])},
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    terminal = _Terminal(ours, process, keeps)
    try:
        return ShellResult(command, terminal.serve(), terminal.text)
    finally:
        terminal.close()


def _set_up(terminal):
    import fcntl
    import struct
    import termios

    settings = termios.tcgetattr(terminal)
    settings[1] &= ~termios.OPOST  # newlines stay newlines
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *_SIZE, 0, 0))


def _take_terminal():
    """In the child: programs that ask for a password open /dev/tty."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class _Terminal:
    def __init__(self, descriptor, process, keeps):
        self.text = ""
        self._descriptor = descriptor
        self._process = process
        self._keeps = keeps
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._shown = False
        self._echoes = True
        self._quiet_since = time.monotonic()
        self._ends_in_line = True

    def serve(self):
        """Until it ends; its return code."""
        try:
            self._pass_on()
        except KeyboardInterrupt:
            self._interrupt()
            raise
        return self._process.wait()

    def close(self):
        if self._shown:
            _message.send_request("cell_remove_stdin", {}, expect_reply=False)
        os.close(self._descriptor)
        if self._process.poll() is None:
            self._kill(signal.SIGKILL)
            self._process.wait()

    def _pass_on(self):
        ended_at = None
        while True:
            is_open = self._read()
            if self._process.poll() is not None:
                # What it left running may hold the terminal; it is not waited for.
                ended_at = ended_at or time.monotonic()
                if not is_open or time.monotonic() - ended_at > _DRAIN_S:
                    return
            elif not is_open:
                self._process.wait()
                return
            self._type()

    def _read(self):
        """False when nobody holds the other end any more."""
        ready, _, _ = select.select([self._descriptor], [], [], _LOOK_S)
        if not ready:
            return True
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        text = self._decoder.decode(data, final=not data)
        if text:
            self._quiet_since = time.monotonic()
            self._ends_in_line = text.endswith("\n")
            if self._keeps:
                self.text += text
            sys.stdout.write(text)
            sys.stdout.flush()
        return bool(data)

    def _type(self):
        self._follow_echo()
        if not self._shown and time.monotonic() - self._quiet_since > _QUIET_S:
            self._quiet_since = time.monotonic()
            if self._waits_for_input():
                self._shown = True
                body = {"delayMillis": 0, "echo": self._echoes}
                _message.send_request("cell_display_stdin", body, expect_reply=False)
        if self._shown:
            line = _message.read_line()
            if line is not None:
                os.write(self._descriptor, line.encode())

    def _follow_echo(self):
        import termios

        try:
            echoes = bool(termios.tcgetattr(self._descriptor)[3] & termios.ECHO)
        except termios.error:
            return
        if echoes != self._echoes:
            self._echoes = echoes
            if self._shown:
                _message.send_request("cell_update_stdin", {"echo": echoes}, expect_reply=False)

    def _waits_for_input(self):
        """Whether a process in the foreground reads the terminal; where that cannot be seen, whether it looks so: the
        last line has no end, as that of a question."""
        asks = not self._ends_in_line
        try:
            group = os.tcgetpgrp(self._descriptor)
            processes = [name for name in os.listdir("/proc") if name.isdigit()]
        except OSError:
            return asks
        looked = False
        for process in processes:
            try:
                if os.getpgid(int(process)) != group:
                    continue
                with open(f"/proc/{process}/syscall") as file:
                    words = file.read().split()
                looked = True
                if words[0] == "running" or int(words[0]) not in _READS:
                    continue
                if os.readlink(f"/proc/{process}/fd/{int(words[1], 16)}").startswith(("/dev/pts/", "/dev/tty")):
                    return True
            except (OSError, ValueError, IndexError):
                continue
        return asks if looked else True

    def _interrupt(self):
        """As Ctrl+C would; what does not heed it is ended."""
        for number, patience in ((signal.SIGINT, _INTERRUPTED_S), (signal.SIGTERM, 1.0)):
            self._kill(number)
            until = time.monotonic() + patience
            while self._process.poll() is None and time.monotonic() < until:
                self._read()
            if self._process.poll() is not None:
                return

    def _kill(self, number):
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass
