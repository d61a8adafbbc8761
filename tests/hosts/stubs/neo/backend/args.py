"""What the user chose while the host was running; a class that is asked as if it were a dictionary."""

from __future__ import annotations


class _Asked(type):
    def get(cls, key, default=None):
        return getattr(cls, key, default)

    def __setitem__(cls, key, value):
        setattr(cls, key, value)


class dynamic_args(metaclass=_Asked):
    forge_unet_storage_dtype = None
