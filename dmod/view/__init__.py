"""What people see: figures, cards and pages."""
