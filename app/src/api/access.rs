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
pub const ACCESS: &[(&str, Access)] = &[
    ("/api/account/address_delete", Access::Member),
    ("/api/account/address_save", Access::Member),
    ("/api/account/name", Access::Member),
    ("/api/account/request_code", Access::Anyone),
    ("/api/account/sign_in", Access::Anyone),
    ("/api/account/sign_out", Access::Anyone),
    ("/api/account/substitution_default", Access::Member),
    ("/api/basket/add", Access::Anyone),
    ("/api/basket/remove", Access::Anyone),
    ("/api/basket/set", Access::Anyone),
    ("/api/basket/substitution", Access::Anyone),
    ("/api/basket/undo", Access::Anyone),
    ("/api/catalogue/suggest", Access::Anyone),
    ("/api/checkout/adjust", Access::Member),
    ("/api/checkout/place", Access::Member),
    ("/api/messages/read", Access::Member),
    ("/api/orders/buy_again", Access::Member),
    ("/api/orders/cancel", Access::Member),
    ("/api/orders/line_choice", Access::Member),
    ("/api/orders/pay", Access::Member),
    ("/api/sandbox/act", Access::Anyone),
    ("/api/settings/lang", Access::Anyone),
    ("/api/settings/store", Access::Anyone),
    ("/api/settings/theme", Access::Anyone),
];

/// Who may call the function at `path`; `None` if there is no such function.
pub fn access(path: &str) -> Option<Access> {
    ACCESS.iter().find(|(listed, _)| *listed == path).map(|(_, access)| *access)
}
