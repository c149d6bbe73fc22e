"""The datasets that people work with: what there is, what it covers, where it lies."""
