"""All nodes of an allocation: each alone at the same time, then in pairs, then all together."""
