"""Environment of the command line: UTF-8 text, a writable home folder, a user name."""

from __future__ import annotations

import codecs
import getpass
import io
import locale
import os
import sys
from pathlib import Path

from potentials.cache import CACHE_VARIABLE, temporary_home, usable_home

_LIBRARY_FOLDERS = {
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "MPLCONFIGDIR": "matplotlib",
    "WANDB_CACHE_DIR": "wandb/cache",
    "WANDB_CONFIG_DIR": "wandb/config",
    "WANDB_DATA_DIR": "wandb/data",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TRITON_CACHE_DIR": "triton",
}
"""Environment variables of libraries for their files, and the folder that each gets if there is no home."""


def use_utf8() -> None:
    """Restart the program in Python's UTF-8 mode if the locale has another encoding.

    Files are UTF-8 on every machine; in the locales C and POSIX some libraries would read and write ASCII.
    """
    if sys.flags.utf8_mode or codecs.lookup(locale.getpreferredencoding(False)).name == "utf-8":
        return
    os.environ["PYTHONUTF8"] = "1"
    options = sys.orig_argv[1:]
    if sys.flags.ignore_environment:
        options = ["-X", "utf8", *options]
    os.execv(sys.executable, [sys.executable, *options])


def escape_unprintable() -> None:
    """Print characters that the terminal cannot show, and bytes of file names that are not text, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def ensure_home_folder() -> str:
    """Provide a temporary folder if there is no writable home, and a user name if there is none.

    Returns:
        A note for the user; empty if nothing was changed.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):  # no entry in the list of users; the exception depends on the Python version
        os.environ["USER"] = f"uid{os.getuid()}"
    if usable_home() is not None:
        return ""
    missing = [name for name in _LIBRARY_FOLDERS if not os.environ.get(name)]
    has_cache_folder = os.environ.get(CACHE_VARIABLE) or os.environ.get("XDG_CACHE_HOME")
    folder = temporary_home()
    for name in missing:
        library_folder = folder / _LIBRARY_FOLDERS[name]
        library_folder.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(library_folder)
    try:
        has_home = Path.home().is_dir()
    except (OSError, RuntimeError):
        has_home = False
    if not has_home:
        os.environ["HOME"] = str(folder)
    if has_cache_folder:
        return ""
    return (
        f"there is no writable home folder; compiled kernels and other caches are kept in {folder} "
        f"(set {CACHE_VARIABLE} to use another folder)"
    )
