"""Who gets which cores."""
