"""Worker images."""
