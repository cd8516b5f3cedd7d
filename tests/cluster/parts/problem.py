"""Messages to people, and the one exception for what a person can mend."""

import os
import signal
import sys
import time


class Problem(Exception):
    """Something that a person can mend; its text says what and how. Ends a command with status 1 and no traceback."""


def say(text):
    """One line on stderr, with the seconds since the command began."""
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
        # Whoever read the output has enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _interrupted(_number, _frame):
    raise KeyboardInterrupt


_BEGAN = time.monotonic()
