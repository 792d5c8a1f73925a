"""Where the folders ``kernels``, ``suites`` and ``reports`` lie: beside the package in a checkout or an
editable install, inside it (``_data``) in a wheel. And where compiled kernels are kept."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from benchsuite import __version__

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str, package: Path = _PACKAGE) -> Path:
    """The folder ``name`` of the project's data.

    The checkout wins: an editable install leaves a stale copy under site-packages, but ``__file__``
    then points into the checkout, where ``_data`` does not exist.

    Raises ``FileNotFoundError`` if the installation is incomplete.
    """
    for candidate in (package / "_data" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"benchsuite is installed without its folder {name!r}; install it again")


def cache_folder() -> Path:
    """Where compiled kernels are kept between runs (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "benchsuite" / f"{__version__}-{platform.python_version()}"
