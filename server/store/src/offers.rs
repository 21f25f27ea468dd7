//! Offers, coupons, and the places taken of them.
