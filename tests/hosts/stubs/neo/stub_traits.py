"""Where the Neo line as it is now differs from Forge, besides its memory management."""

NAME = "neo"
CONV3D_NEEDS_CASTING = False
