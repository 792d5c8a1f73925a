"""One offline page that compares N machines: its data, its first state, and the page around them."""
