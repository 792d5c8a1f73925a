"""How ranks start."""

from __future__ import annotations

NAMES = ("auto", "local", "mpiexec", "slurm")
"""What ``--launcher`` knows."""
