"""Taking jobs along the line, each under a lease."""
