"""What exists and what a job needs."""
