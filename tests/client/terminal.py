"""A program in a terminal of its own, and what stands on its screen: as much of a terminal as the beck tool uses."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

from beck import SANITIZER, WAIT

SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


class Screen:
    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.wipe()
        self.is_alternate, self.row, self.column = False, 0, 0

    def wipe(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]

    def feed(self, text):
        """Returns what may go on later: an unfinished sequence."""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = SEQUENCE.match(text, at)
                if not match:
                    return text[at:]
                self._sequence(match.group(1), match.group(2))
                at = match.end()
                continue
            self._put(text[at])
            at += 1
        return ""

    def _sequence(self, arguments, final):
        if final == "H":
            row, column = (arguments + ";").split(";")[:2]
            self.row, self.column = int(row or 1) - 1, int(column or 1) - 1
            assert self.row < self.rows and self.column < self.columns, (arguments, self.rows, self.columns)
        elif final == "K":
            self.cells[self.row][self.column:] = [" "] * (self.columns - self.column)
        elif final == "J":
            self.wipe()
        elif final in "hl" and arguments == "?1049":
            self.is_alternate = final == "h"
        else:
            assert final == "m" or arguments.startswith("?"), (arguments, final)

    def _put(self, c):
        if c in "\r\n":
            self.column = 0
            return
        assert c >= " " and c != "\x7f", f"control character {c!r} reached the terminal"
        width = 2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1
        if self.is_alternate:
            assert self.column + width <= self.columns, "a row is wider than the terminal"
        if width and self.column < self.columns:
            self.cells[self.row][self.column] = c
            self.column += width

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())


class Terminal:
    def __init__(self, argv, env, rows=24, columns=80, is_shell=False):
        """A shell has jobs only where the terminal is the session's own."""
        self.screen = Screen(rows, columns)
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = os.dup(slave)
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True,
                                        preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if is_shell else None)
        os.close(slave)
        self._rest, self.raw = b"", b""
        self._unfinished = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self, wait_s):
        if not select.select([self.master], [], [], wait_s)[0]:
            return
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return
        self.raw += data
        self._rest += data
        text = self._rest.decode("utf-8", errors="ignore")
        cut = len(self._rest) - len(text.encode())
        self._rest = self._rest[len(self._rest) - cut:] if cut else b""
        self._unfinished = self.screen.feed(self._unfinished + text)

    def until(self, condition, what, timeout=WAIT):
        deadline = time.monotonic() + timeout
        while True:
            value = condition(self.screen)
            if value:
                return value
            assert time.monotonic() < deadline, f"{what}: not within {timeout} s; on the screen:\n{self.screen.text()}"
            self._read(0.1)

    def sees(self, text, timeout=WAIT):
        return self.until(lambda s: text in s.text(), f"{text!r} on the screen", timeout)

    def type(self, text):
        os.write(self.master, text.encode())

    def enter(self, text):
        self.type(text + "\r")

    def ends(self, timeout=WAIT):
        """The status; the terminal must be as it was before."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end; on the screen:\n{self.screen.text()}"
            self._read(0.05)
        self._read(0)
        assert termios.tcgetattr(self.slave) == self.before and not self.screen.is_alternate, "the terminal is not as it was"
        assert not SANITIZER.search(self.raw), self.raw[-4000:].decode(errors="replace")
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
