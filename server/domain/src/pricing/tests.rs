//! Examples of the price of a basket.
