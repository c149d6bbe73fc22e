"""How bytes become arrays, tables and geometry: one file per format."""
