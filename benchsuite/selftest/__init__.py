"""`benchsuite selftest`: the suite measures itself, and says what can be trusted on this machine."""
