"""The door for others."""
