"""Stable Video Diffusion for Stable Diffusion WebUI Forge: one still picture becomes a short clip."""

__version__ = "0.2.0"
