"""Lengths that do not fit each other: found before anything is sent, in every world alike."""

from __future__ import annotations

from collections.abc import Sequence


def misfit(operation: str, send: int, receive: int) -> ValueError:
    """What is wrong with the lengths of one rank's buffers."""
    return ValueError(f"{send} elements to send and {receive} to receive do not fit one {operation}")


def check_gather(size: int, send: int, receive: int) -> None:
    """An all-gather of ``size`` ranks."""
    if receive != size * send:
        raise misfit("all-gather", send, receive)


def check_scatter(size: int, send: int, receive: int) -> None:
    """A reduce-scatter of ``size`` ranks."""
    if send != size * receive:
        raise misfit("reduce-scatter", send, receive)


def check_parts(size: int, send: int, receive: int) -> None:
    """An all-to-all of equal parts."""
    if send != receive or send % size:
        raise misfit("all-to-all", send, receive)


def check_counts(send_counts: Sequence[int], send: int, receive_counts: Sequence[int], receive: int) -> None:
    """An all-to-all of stated parts."""
    if sum(send_counts) > send or sum(receive_counts) > receive:
        raise misfit("all-to-all", send, receive)
