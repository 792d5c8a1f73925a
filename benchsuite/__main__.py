"""``python -m benchsuite`` is the command line."""

from benchsuite.cli import main

main()
