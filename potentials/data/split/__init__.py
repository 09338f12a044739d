"""Training, validation and test sets: drawing them, and sets whose frames stay in their files."""
