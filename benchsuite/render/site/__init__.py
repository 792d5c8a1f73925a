"""The static site: pages from publications, with no script needed to read them and nothing loaded from elsewhere."""
