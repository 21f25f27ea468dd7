//! Orders, lines, shares, events, delivery slots.
