"""What else happened on the machine while we measured."""
