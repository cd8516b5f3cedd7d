"""The checks of tests/watch/check."""

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

import pyte

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))

from parts import problem, wsim
from parts.checks import Checks

WIDTH, HEIGHT = 80, 24
SYNC = "GET /_matrix/client/v3/sync?timeout=0"
SEND = "PUT /_matrix/client/v3/rooms/!room:example.org/send/m.room.message/{number}"


def synapse_line(number, user="@alice:example.org", ms=20, request=SYNC):
    """A line as Synapse writes it now."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now)) + f",{int(now * 1000) % 1000:03d}"
    method, target = request.format(number=number).split(" ", 1)
    seconds = ms / 1000
    return (
        f"{stamp} - synapse.access.http.8008 - 508 - INFO - {method}-{number} - 127.0.0.1 - 8008 - {{{user}}} Processed request: {seconds:.3f}sec/0.000sec "
        f"ru=({seconds / 2:.3f}sec, 0.001sec) db=(0.001sec/0.002sec/3) 500B 200 \"{method} {target} HTTP/1.0\" \"Element/1.11\" [0 dbevts]\n"
    )


class Writer:
    """Writes lines to a log from a thread of its own, fifty a second."""

    def __init__(self, path, **words):
        self.path, self.words, self.count, self.stopped = Path(path), words, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()

    def run(self):
        while not self.stopped.wait(0.02):
            append(self.path, synapse_line(self.count, **self.words))
            self.count += 1


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


class Terminal:
    """wsim in a terminal in memory."""

    def __init__(self, command, env=None):
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", **(env or {})})
            os.execvp(command[0], [str(word) for word in command])
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        self.before = termios.tcgetattr(self.master)

    def until(self, seconds, found=lambda text: False):
        """Reads what is shown until `found` holds for it, or the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    break
                if not data:
                    break
                self.raw += data
                self.stream.feed(data)
            elif found(self.text()):
                return True
        return found(self.text())

    def text(self):
        return "\n".join(self.screen.display)

    def press(self, keys):
        os.write(self.master, keys)

    def ends(self, seconds=10):
        """The exit status; None if it goes on."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.until(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None

    def is_restored(self):
        """The alternate screen is left, the cursor shown, and keys are echoed as before."""
        left, shown = self.raw.rfind(b"\x1b[?1049l"), self.raw.rfind(b"\x1b[?25h")
        return left > self.raw.rfind(b"\x1b[?1049h") and shown > self.raw.rfind(b"\x1b[?25l") and termios.tcgetattr(self.master)[:4] == self.before[:4]


def screens(checks, program, folder, keep):
    """The screen, and how it ends."""
    log = folder / "homeserver.log"
    shown = []
    append(log, "".join(synapse_line(number) for number in range(30)))
    # Text of a log must not act on the terminal.
    append(log, synapse_line(31, user="@evil\x1b[2J\x1b]0;title\x07:example.org"))
    with Writer(log, ms=30, request=SEND):
        for name, end, status in [("q", lambda t: t.press(b"q"), 0), ("Ctrl-C", lambda t: t.press(b"\x03"), 0), ("SIGTERM", lambda t: os.kill(t.pid, signal.SIGTERM), 0)]:
            terminal = Terminal([program, "watch", log, "--every", "500ms", "--no-state", "--objective", "busy < 100%"])
            good = terminal.until(15, lambda text: "event_sending" in text and "sync" in text and "alice" in text)
            checks.holds(f"the screen has groups, processes and users ({name})", good, "\n" + terminal.text())
            shown.append((name, terminal.text()))
            end(terminal)
            checks.equal(f"it ends at {name} with status", terminal.ends(), status)
            checks.holds(f"the terminal is restored after {name}", terminal.is_restored(), repr(terminal.raw[-200:]))
            # Clearing the screen once is the program's own.
            checks.holds(f"no control character of the log is shown ({name})", b"\x1b]0;title" not in terminal.raw and b"evil" in terminal.raw, repr(terminal.raw[-300:]))
        terminal = Terminal([program, "watch", log, "--every", "500ms", "--no-state", "--objective", "p95 work < 1ms, errors < 1%"])
        alarm = terminal.until(15, lambda text: "ALARM" in text and "p95 work" in text)
        checks.holds("a missed term is an alarm", alarm, "\n" + terminal.text())
        shown.append(("alarm", terminal.text()))
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 50, 0, 0))
        terminal.screen.resize(12, 50)
        os.kill(terminal.pid, signal.SIGWINCH)
        small = terminal.until(10, lambda text: "wsim watch" in text and max(len(line) for line in text.split("\n")) == 50)
        checks.holds("it draws again when the terminal gets smaller", small, "\n" + terminal.text())
        shown.append(("small", terminal.text()))
        terminal.press(b"q")
        checks.equal("a missed objective is status", terminal.ends(), 3)
    if keep:
        Path(keep).write_text("".join(f"== {name}\n{text}\n" for name, text in shown))


def counts(checks, program, folder):
    """Every line is counted once, through rotation, truncation and a restart."""
    log, state = folder / "main.log", folder / "state.json"
    written = 0

    def write(count, path=log):
        nonlocal written
        append(path, "".join(synapse_line(written + number) for number in range(count)))
        written += count

    write(100)
    command = [program, "watch", log, "--json", "--every", "200ms", "--state", state]

    def watching():
        return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)

    def stop(child, seconds=2.0):
        time.sleep(seconds)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=20)
        lines = [json.loads(line) for line in out.splitlines()]
        return child.returncode, lines[-1]["inputs"][0], lines

    child = watching()
    time.sleep(1)
    write(50)
    time.sleep(0.6)
    log.rename(folder / "main.log.1")
    # The server still writes to the old file.
    write(20, folder / "main.log.1")
    time.sleep(0.6)
    write(30)
    time.sleep(2)
    # copytruncate
    log.write_text("")
    time.sleep(0.6)
    write(40)
    status, row, lines = stop(child)
    checks.equal("lines read through rename and truncation", row["lines"], written)
    checks.equal("all of them requests", row["requests"], written)
    checks.holds("each JSON line has its schema and rates", all(line["schema"] == "wsim.watch/1" for line in lines) and lines[-1]["requests_per_second"] > 0, str(lines[-1])[:300])
    checks.equal("status", status, 0)
    before = written
    write(25)
    log.rename(folder / "main.log.2")
    write(15)
    status, row, _ = stop(watching())
    checks.equal("a restart reads what came in between, also of the renamed file", row["lines"], written - before)
    status, row, _ = stop(watching(), 1.0)
    checks.equal("and nothing twice", row["lines"], 0)


def scripts(checks, program, folder):
    """Output that is no terminal, streams, and errors."""
    log = folder / "worker1.log"
    append(log, "".join(synapse_line(number) for number in range(200)))
    run = lambda *words, **more: subprocess.run([program, "watch", *(str(word) for word in words)], capture_output=True, text=True, timeout=60, **more)
    once = run(log, "--once", "--no-state")
    checks.holds("--once prints one line", once.returncode == 0 and once.stdout.count("\n") == 1 and "requests/s" in once.stdout, once.stdout + once.stderr)
    lasting = run(log, "--for", "1s", "--every", "300ms", "--no-state")
    checks.holds("--for ends by itself", lasting.returncode == 0 and 3 <= lasting.stdout.count("\n") <= 6, lasting.stdout + lasting.stderr)
    journal = "".join(f"Dec 01 12:00:00 host synapse[1]: {synapse_line(number)}" for number in range(50))
    piped = run("-", "--json", "--every", "200ms", input=journal)
    rows = [json.loads(line) for line in piped.stdout.splitlines()]
    checks.holds("a stream is read to its end", piped.returncode == 0 and rows and rows[-1]["inputs"][0]["requests"] == 50, piped.stdout[-500:] + piped.stderr)
    missed = run(log, "--once", "--no-state", "--objective", "p95 work < 1ms")
    checks.holds("a missed objective is status 3 and an ALARM", missed.returncode == 3 and "ALARM" in missed.stdout, missed.stdout + missed.stderr)
    (folder / "x.log.gz").write_bytes(b"\x1f\x8b\x08\x00")
    for words, status, text in [
        ((folder / "x.log.gz",), 1, "compressed"),
        ((folder / "absent.log",), 1, "no such file"),
        ((log, "--objective", "down < 2s"), 2, "how long the server was down"),
        ((log, "--metrics", "192.0.2.1:1"), 1, "could not listen"),
    ]:
        done = run(*words)
        checks.holds(f"{text}: status {status}", done.returncode == status and text in done.stderr, f"{done.returncode} {done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wsim", metavar="PROGRAM", help="default: $WSIM, the newest build of this clone, or the one on the PATH")
    parser.add_argument("--keep", metavar="FILE", help="write the screens there")
    args = parser.parse_args()
    program = wsim.find(args.wsim)
    checks = Checks()
    for check in (lambda folder: screens(checks, program, folder, args.keep), lambda folder: counts(checks, program, folder), lambda folder: scripts(checks, program, folder)):
        with tempfile.TemporaryDirectory(prefix="wsim-watch-") as folder:
            check(Path(folder))
    checks.print()
    return 0 if checks.passed else 1


if __name__ == "__main__":
    problem.run(main)
