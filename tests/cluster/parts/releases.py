"""The same test with several releases of Synapse, one after the other: each is installed, and the test runs again with it alone."""

import os
import subprocess
import sys
from pathlib import Path

from .problem import Problem, say

# Releases of the last years that PyPI still installs, with what changed for workers in between (docs/configure.md, "Releases").
OLD = "1.98.0,1.120.2,1.140.0"


def add_option(parser):
    """Adds `--releases`, with which a test takes minutes for each release."""
    parser.add_argument("--releases", metavar="X.Y.Z,…", nargs="?", const=OLD, help=f"repeat the test with each of these releases, which are installed (without a value: {OLD})")


def repeat(releases, program):
    """Runs this program once for each release with its other arguments; the exit status is that of the worst run."""
    words = _without_option(sys.argv[1:])
    failed = []
    for release in releases.split(","):
        environment = {**os.environ, "WSIM_SYNAPSE_VERSION": release}
        if subprocess.run([Path(program).with_name("install")], env=environment, stdout=subprocess.DEVNULL).returncode != 0:
            raise Problem(f"Synapse {release} could not be installed")
        say(f"Synapse {release}")
        if subprocess.run([sys.executable, program, *words], env=environment).returncode != 0:
            failed.append(release)
    if failed:
        raise Problem(f"failed with {', '.join(failed)}")
    return 0


def _without_option(words):
    kept, skips = [], False
    for word in words:
        if skips and not word.startswith("--"):
            skips = False
            continue
        skips = word == "--releases"
        if not skips and not word.startswith("--releases="):
            kept.append(word)
    return kept
