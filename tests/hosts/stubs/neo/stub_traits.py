"""Where the Neo line differs from Forge."""

NAME = "neo"
DROPS_ABANDONED = False
CONV3D_NEEDS_CASTING = False
