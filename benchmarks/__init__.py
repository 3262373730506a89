"""Speed, measured: `python -m benchmarks` runs every work with pgfast, its peers and the floors, and writes the page.

`works` says what is measured, `ours` and `peers` how each client does it, `floors` what the least is, `targets` what
was promised; `runner` runs them, `page` and `plots` show them. `growth`, `instructions` and `families` are groups of
their own. What the peers' interpreter runs too (`case`, `data`, `works`, `process`, `peers`) does not import pgfast.
"""
