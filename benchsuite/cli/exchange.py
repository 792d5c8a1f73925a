"""Commands that take results in and out: import, export."""
