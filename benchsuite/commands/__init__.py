"""What each command does, from loaded data to printed text; the command line (``cli``) only parses."""
