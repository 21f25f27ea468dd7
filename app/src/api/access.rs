//! Who may call which server function. The server refuses a path that is not
//! listed, and a test fails when this table and the registered functions differ.

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Anyone,
    /// Who has signed in.
    Member,
}

/// Every server function's path and who may call it.
pub const ACCESS: &[(&str, Access)] = &[];

/// Who may call the function at `path`; `None` if there is no such function.
pub fn access(path: &str) -> Option<Access> {
    ACCESS.iter().find(|(listed, _)| *listed == path).map(|(_, access)| *access)
}
