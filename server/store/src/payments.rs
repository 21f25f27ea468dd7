//! Payments, refunds, callbacks, and the sandbox channel's own books.
