"""Commands about who vouches for what: sign, verify."""
