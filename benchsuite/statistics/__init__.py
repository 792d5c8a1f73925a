"""Intervals, effective sample size and run-level tests: pure functions."""
