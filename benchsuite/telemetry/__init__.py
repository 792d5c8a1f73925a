"""What else happened on the machine while we measured: a process reads sensors, the controller joins."""
