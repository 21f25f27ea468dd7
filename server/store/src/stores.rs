//! Stores and their slot templates.
