"""Adapters that make a module of a single-catchment BMI model."""
