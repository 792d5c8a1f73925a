"""Burn-in: every device under load at once, every result compared, whatever breaks counted and named.

loads (what heats) -> worker (one process a device) -> controller (journal burn.jsonl) -> events -> Burned
"""
