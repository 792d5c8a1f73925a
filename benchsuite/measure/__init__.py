"""How often and when to stop."""
