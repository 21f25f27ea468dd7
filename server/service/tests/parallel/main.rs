//! Many at once: orders that are served together, and what two servers on one
//! database do to each other.

#[path = "../support/sale.rs"]
mod sale;
#[path = "../support/mod.rs"]
mod support;

mod connections;
mod gate;
mod servers;
mod together;
