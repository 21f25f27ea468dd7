//! What the two databases say differently: full-text search.
