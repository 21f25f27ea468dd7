//! What must be told to the outside after the commit.
