//! Integrators, one a file. They are handed the Brownian increments and never draw.
