"""The run itself, on arrays of catchments by time."""
