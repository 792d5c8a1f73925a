"""Which node, GPU or link is slow: rounds of pairs on the ranks, and the controller that plans and keeps them."""
