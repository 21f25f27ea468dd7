//! Stock levels, movements, safety policies.
