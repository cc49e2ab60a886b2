"""What a learner's code may reach: a process shuts itself in, before it runs any of that code.

Landlock (Linux 5.13 and later) limits the files; its later versions also TCP and signals to other processes.
A network namespace of its own takes away every network where the machine allows one. No root is needed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
NO_NEW_PRIVILEGES = 38
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000

# Rights over files, by the version of Landlock that brought them: all of them are taken away, few are given.
FILE_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
WRITE_FILE, READ_FILE, READ_FOLDER = 1 << 1, 1 << 2, 1 << 3
EXECUTE, DEVICES = 1 << 0, (1 << 6) | (1 << 11)  # no program is started, no device is made

SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/mime.types")
KERNEL = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/filesystems",
    "/proc/sys/kernel",
)
HARDWARE = ("/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom", "/dev/random", "/dev/zero")

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("files", "network", "scopes")]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def landlock_version() -> int:
    """The version of Landlock that this kernel has; 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _libc.syscall(CREATE_RULESET, None, 0, 1))


def shut_in(readable: Iterable[Path], folder: Path, seconds: int, megabytes: int) -> str:
    """Limit this process, for good: files, network, other processes, processor time, memory, sizes of files.

    Args:
        readable: files and folders that may be read, beside the system's libraries.
        folder: the only one that may be written.
        seconds: of processor time on one core.
        megabytes: of memory that the process may ask for.

    Returns:
        what keeps the network away, in words.

    Raises:
        OSError: the kernel refuses, or has no Landlock.
    """
    version = landlock_version()
    if not version:
        raise OSError("this kernel has no Landlock")
    alone = _own_network()
    if not alone and version < 4:
        raise OSError("this kernel has neither a network namespace for users nor Landlock for TCP")
    limits(seconds, megabytes)
    every = sum(right for since, right in FILE_RIGHTS.items() if since <= version)
    rules = _Ruleset(every, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(CREATE_RULESET, ctypes.byref(rules), size, 0)
    read = READ_FILE | READ_FOLDER
    for path in (*map(Path, (*SYSTEM, *KERNEL, *HARDWARE)), *readable):
        _allow(ruleset, path, read)
    _allow(ruleset, Path("/dev/null"), READ_FILE | WRITE_FILE)
    _allow(ruleset, folder, every & ~EXECUTE & ~DEVICES)
    if _libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return f"Landlock {version}, " + ("no network" if alone else "no TCP")


def limits(seconds: int, megabytes: int) -> None:
    """The limits that every Unix has: processor time, memory, the size of a file, no core dump."""
    memory = megabytes * 2**20
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, 2**27),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _own_network() -> bool:
    """Move into a network namespace without any network, as a user who is nobody else's root."""
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(NEW_USER | NEW_NETWORK):
        return False
    for name, words in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path("/proc/self", name).write_text(words)
    return True


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """Give rights over a file or all beneath a folder; what is not there needs none."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not path.is_dir():
            rights &= READ_FILE | WRITE_FILE
        _call(ADD_RULE, ruleset, 1, ctypes.byref(_Beneath(rights, handle)), 0)
    finally:
        os.close(handle)


def _call(number: int, *arguments: object) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
