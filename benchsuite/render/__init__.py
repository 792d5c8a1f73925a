"""The only code that knows HTML, charts and terminal tables."""
