"""Errors of the model package.

ModelError
├── WeightsError      the shipped weights are missing, damaged or of another shape
└── MemorizeError     a text cannot be written so that it recites exactly
"""

__all__ = ["MemorizeError", "ModelError", "WeightsError"]


class ModelError(Exception):
    """Root of all errors that ``model`` raises on purpose."""


class WeightsError(ModelError):
    """The shipped weights are missing, damaged or do not fit the configuration."""


class MemorizeError(ModelError):
    """A text could not be written so that it is recited exactly."""
