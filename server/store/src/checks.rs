//! Proofs: every level equals its movements, every order its lines.
