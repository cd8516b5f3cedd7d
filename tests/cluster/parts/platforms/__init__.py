"""What `wsim configure --for PLATFORM` writes, checked with the platform's own program and with Synapse's own loader.

One module for each platform. Each has `check(written)` for a `Written` and returns a line that says what was checked.
"""
