//! Batches from the tills, till sales a day, API tokens.
