"""Saves and restores a homeserver: its database, media and secrets. The restored cluster may have other ports and workers.

`down --save` writes a snapshot when all processes have ended, and `up --restore` starts from a copy, so that one provisioned homeserver can be used
with many plans.
"""

import shutil
from pathlib import Path

from .problem import Problem

_FOLDERS = ("postgres", "media")


def save(folder, target):
    """Moves the data of a stopped cluster to a new folder."""
    target = Path(target).absolute()
    if target.exists():
        raise Problem(f"{target} exists already")
    target.mkdir(parents=True)
    # As for the cluster's own folder: PostgreSQL's user needs access to its data, the secrets stay private.
    target.chmod(0o711)
    for name in _FOLDERS:
        if (folder.data / name).exists():
            shutil.move(folder.data / name, target / name)
    shutil.copy(folder.conf / "secrets.json", target / "secrets.json")


def restore(folder, source):
    """Copies a snapshot into a cluster that has not started yet."""
    source = Path(source)
    if not (source / "secrets.json").exists():
        raise Problem(f"{source} was not written by tests/cluster/down --save")
    for name in _FOLDERS:
        if (source / name).exists():
            _copy_with_owner(source / name, folder.data / name)
    shutil.copy(source / "secrets.json", folder.conf / "secrets.json")


def _copy_with_owner(source, target):
    """Copies a folder and keeps the owners of its files."""

    def copy(old, new):
        shutil.copy2(old, new)
        _same_owner(old, new)

    shutil.copytree(source, target, copy_function=copy, symlinks=True)
    for old in [source, *(path for path in source.rglob("*") if path.is_dir())]:
        _same_owner(old, target / old.relative_to(source))


def _same_owner(old, new):
    status = Path(old).stat()
    if (status.st_uid, status.st_gid) != (Path(new).stat().st_uid, Path(new).stat().st_gid):
        shutil.chown(new, status.st_uid, status.st_gid)
