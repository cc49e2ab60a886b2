"""The SQLite file of a search: opened by one process at a time, and refused in words. Notebook 13."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 10.0  # seconds to wait for another program that holds the database


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An Optuna storage in ``path``, made where it is missing; nobody else may open it until the block ends.

    The lock is the operating system's, on ``FILE.lock``: it goes when its process goes, however that ends.

    Raises:
        TimeoutError: another process searches with this file, or another program holds the database.
        ValueError: the file is damaged, no SQLite file, or a database of another program.
        OSError: the file or its folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab"):
            pass
        lock = FileLock(f"{path}.lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise TimeoutError(
            f"{path} is in use by another process; wait until its search has ended, or name another file"
        ) from error
    except OSError as error:
        raise type(error)(
            error.errno,
            f"the study cannot be written to {path} ({error.strerror or error}); name a file in a folder of "
            "your own",
        ) from error
    try:
        with _in_words(path):
            _check(path)
            storage = _storage(path)
            try:
                yield storage
            finally:
                storage.remove_session()
                storage.engine.dispose()
    finally:
        lock.release()


def _storage(path: Path) -> Any:
    from aigc_lab.train.tuning_book import quiet_optuna

    return quiet_optuna().storages.RDBStorage(
        f"sqlite:///{path.resolve()}", engine_kwargs={"connect_args": {"timeout": PATIENCE}}
    )


def _check(path: Path) -> None:
    """Look before Optuna makes its tables in a file that is not its own."""
    if not path.stat().st_size:
        return
    with closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
        connection.execute("begin immediate")  # fails where another program holds the database
        connection.rollback()
        (verdict,) = connection.execute("pragma quick_check(1)").fetchone()
        tables = {
            name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
        }
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    if tables and "studies" not in tables:
        raise ValueError(f"{path} is a database of another program; name another file")


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Errors of the database, as one sentence each; what has ended is in the file all the same."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (sqlite3.DatabaseError, DBAPIError, StorageInternalError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        words = " ".join(str(cause).split())[:120]
        if "locked" in words:
            raise TimeoutError(
                f"{path} is locked by another program (a database viewer?); close it and search again: the "
                "trials that have ended are safe"
            ) from error
        if isinstance(cause, sqlite3.OperationalError):  # read-only, disk full, folder gone
            raise OSError(
                f"the study in {path} cannot be written ({words}); make room or give access, and search "
                "again: the trials that have ended are safe"
            ) from error
        raise ValueError(
            f"{path} is damaged or no study ({words}); bring back a copy, or name another file"
        ) from error
