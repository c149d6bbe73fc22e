"""How good a run is against observations."""
