//! Baskets and their lines.
