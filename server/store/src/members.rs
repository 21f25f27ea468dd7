//! Members, addresses, sign-in codes, counters of tries, substitution choices.
