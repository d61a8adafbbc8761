"""Where Forge differs from the Neo line."""

NAME = "forge"
DROPS_ABANDONED = True  # a patcher that only the list holds is dropped
CONV3D_NEEDS_CASTING = True  # it passes the builtin `input` otherwise
