"""Commands that look things up: catalog."""
