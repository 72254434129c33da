"""IVR and survey scripts: the language, its interpreter, and what runs it."""
