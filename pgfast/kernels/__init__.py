"""The loops of the codec: `*.pxd` for the compiled one, `*_py.py` for the pure one, subject by subject."""
