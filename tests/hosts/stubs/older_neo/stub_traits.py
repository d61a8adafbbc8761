"""Where the Neo line as it was until January 2026 differs from Forge."""

NAME = "older_neo"
DROPS_ABANDONED = False
CONV3D_NEEDS_CASTING = False
