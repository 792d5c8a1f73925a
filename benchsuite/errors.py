"""Every error a person is meant to read, and the exit code it ends with.

BenchsuiteError
├── UsageError        2    what was asked makes no sense: unknown suite, malformed file, impossible budget
├── UnavailableError  4    something needed is not on this machine: MPI, a library, a driver
├── RefusedError      3    a number nobody could vouch for: a model that does not fit, an unknown type
├── MeasureError      4    the measurement could not be made: deadline, crash, disk full
│   └── DeviceLostError    the GPU cannot be used again before this process ends
└── DataError         2    a file we were given cannot be read: broken record, changed journal
    └── NewerError         it was written by a newer benchsuite

Each message is a sentence, and ``remedy`` says what to do about it.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command. Only ``DONE`` means that all went well."""

    DONE = 0
    REJECTED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    FAILED = 4
    INTERRUPTED = 130
    TERMINATED = 143


class BenchsuiteError(Exception):
    """An expected failure: shown as a sentence with a remedy, never as a traceback."""

    exit_code: Exit = Exit.FAILED

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(BenchsuiteError):
    """What was asked makes no sense."""

    exit_code = Exit.USAGE


class DataError(BenchsuiteError):
    """A file we were given cannot be read."""

    exit_code = Exit.USAGE


class NewerError(DataError):
    """A file was written by a newer benchsuite than this one."""


class UnavailableError(BenchsuiteError):
    """Something that the work needs is not on this machine."""


class RefusedError(BenchsuiteError):
    """What was asked for cannot be said: no number is better than one that nobody could vouch for."""

    exit_code = Exit.INCONCLUSIVE


class MeasureError(BenchsuiteError):
    """The measurement could not be made."""


class DeviceLostError(MeasureError):
    """The device reported an error that stays until this process ends: only a fresh process can go on."""
