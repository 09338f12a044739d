"""Physics: what a potential says of crystals, molecules and dynamics, measured through its calculator.

Relaxed crystals with their equations of state and elastic constants, phonons, vibrations of molecules, curves of two
atoms, short simulations with their conservation of energy, and symmetries that should be kept. Each file answers one
question and knows nothing of how the answer is shown.
"""
