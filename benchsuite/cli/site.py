"""Commands that publish: publish."""
