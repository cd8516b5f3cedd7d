"""What makes a cluster the same homeserver again: its database, its media, its secrets. Ports and workers may differ between the two.

`down --save` writes it when all processes have ended, `up --restore` starts from a copy, so that one provisioned world serves many plans.
"""

import shutil
from pathlib import Path

from .problem import Problem

_FOLDERS = ("postgres", "media")


def save(folder, target):
    """Moves the data of a stopped cluster to a new folder."""
    target = Path(target).absolute()
    if target.exists():
        raise Problem(f"{target} is there already")
    target.mkdir(parents=True)
    # As the cluster's own folders: PostgreSQL's user must get through, the secrets stay closed.
    target.chmod(0o711)
    for name in _FOLDERS:
        if (folder.data / name).exists():
            shutil.move(folder.data / name, target / name)
    shutil.copy(folder.conf / "secrets.json", target / "secrets.json")


def restore(folder, source):
    """Copies it into a cluster that has not started yet."""
    source = Path(source)
    if not (source / "secrets.json").exists():
        raise Problem(f"{source} was not written by tests/cluster/down --save")
    for name in _FOLDERS:
        if (source / name).exists():
            _copy_with_owner(source / name, folder.data / name)
    shutil.copy(source / "secrets.json", folder.conf / "secrets.json")


def _copy_with_owner(source, target):
    """A copy whose files belong to whom they belonged."""

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
