"""Gates: small trainings on real data that must reach a figure. Each prints one JSON line and ends with 1 if it falls short."""
