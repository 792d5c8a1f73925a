"""What other tools measured, read from their output: every value with its unit, its meaning and its place."""
