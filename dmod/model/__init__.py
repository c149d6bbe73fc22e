"""What is computed: realization, BMI configs, coupling, and the pre-flight check."""
