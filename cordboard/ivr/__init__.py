"""IVR and survey scripts."""
