"""Making it happen."""
