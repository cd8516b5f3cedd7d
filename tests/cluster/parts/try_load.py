"""Loads the files of several processes with Synapse's own loader, one after the other, and prints for each whether the loader refuses.

    python try_load.py < jobs.json    # {"NAME": ["FILE", …], …} → {"NAME": "" or the error's kind, …}
"""

import json
import logging
import sys

from synapse.config.homeserver import HomeServerConfig


def refusal(files):
    """The kind of the error with which Synapse refuses the files of a process; empty if it accepts them."""
    words = [word for file in files for word in ("-c", file)]
    try:
        HomeServerConfig.load_config("loader", words)
    except (Exception, SystemExit) as error:
        return type(error).__name__
    return ""


def main():
    logging.disable(logging.CRITICAL)
    jobs = json.load(sys.stdin)
    # Some releases print messages on stdout.
    stdout, sys.stdout = sys.stdout, sys.stderr
    found = {name: refusal(files) for name, files in jobs.items()}
    json.dump(found, stdout)


if __name__ == "__main__":
    main()
