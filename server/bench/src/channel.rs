//! The payment channel's side of a callback, as the sandbox's channel signs it.

use crate::Result;
use crate::http::{Answer, Client};
use service::Clock;

/// What the payment channel tells the shop.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Number of the trade.
    pub trade: &'a str,
    /// In fen.
    pub amount: i64,
    /// `success` or another word.
    pub outcome: &'a str,
    /// Key of the signature.
    pub key: &'a [u8],
}

impl Told<'_> {
    /// Sends it as the channel does.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn send(self, client: &mut Client) -> Result<Answer> {
        let Told { trade, amount, outcome, key } = self;
        let body = serde_json::json!({
            "trade_no": trade, "channel_no": format!("B{trade}"), "amount": amount, "outcome": outcome,
        });
        let body = body.to_string();
        let timestamp = service::ports::SystemClock.now().0.to_string();
        let request = hyper::Request::builder()
            .method(hyper::Method::POST)
            .uri("/api/pay/sandbox/callback")
            .header("host", client.addr().to_string())
            .header("content-type", "application/json")
            .header(service::sandbox::TIMESTAMP_HEADER, &timestamp)
            .header(service::sandbox::SIGNATURE_HEADER, service::sandbox::sign(key, &timestamp, body.as_bytes()));
        client.send(request.body(body.into())?).await
    }
}
