"""Native modules: compiled BMI models on a grid of catchments."""
