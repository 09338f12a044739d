"""Physics: properties of crystals, molecules and dynamics computed with a potential's calculator.

Relaxed crystals with equations of state and elastic constants, phonons, vibrations of molecules, dimer curves, short
simulations with energy conservation, and symmetry errors. Each file computes one property and is independent of its
presentation.
"""
