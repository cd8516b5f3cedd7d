"""Messages of the commands, and the exception for problems that the user can solve."""

import os
import signal
import sys
import time


class Problem(Exception):
    """A problem that the user can solve. Its text says what is wrong and what to do. Ends a command with status 1 and without a traceback."""


def say(text):
    """Prints a line on stderr with the seconds since the command started."""
    print(f"[{time.monotonic() - _BEGAN:5.1f} s] {text}", file=sys.stderr, flush=True)


def run(main):
    """Runs a command's `main`, which returns an exit status. SIGTERM and SIGHUP unwind like Ctrl-C, so that `finally` runs."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        status = main()
    except Problem as problem:
        print(f"{os.path.basename(sys.argv[0])}: {problem}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print(f"{os.path.basename(sys.argv[0])}: interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        # The reader has closed the pipe. Without this, Python would report the error again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _interrupted(_number, _frame):
    raise KeyboardInterrupt


_BEGAN = time.monotonic()
