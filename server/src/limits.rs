//! How often one visitor, and one address, may ask this server. Business
//! limits (codes, coupons) are counted in the database instead.

use crate::Server;
use crate::session;
use crate::visitor::{address, cookie};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A visitor may come in bursts of this many seconds' worth.
const BURST_S: u32 = 4;
/// Visitors that are counted at a time, at most; then the counters of those who were quiet go.
const MOST: usize = 200_000;
/// How many there are is looked at each time that so many requests were asked about.
const LOOK_EACH: usize = 1_000;

/// Counters by session and by address.
#[derive(Debug)]
pub struct Limits {
    visitor: Option<DefaultKeyedRateLimiter<String>>,
    address: Option<DefaultKeyedRateLimiter<String>>,
    /// Requests that were asked about.
    asked: AtomicUsize,
}

fn limiter(per_second: u32) -> Option<DefaultKeyedRateLimiter<String>> {
    let per_second = NonZeroU32::new(per_second)?;
    let burst = per_second.saturating_mul(NonZeroU32::new(BURST_S)?);
    Some(RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)))
}

impl Limits {
    /// Limits in requests a second on average; 0 is none.
    pub fn new(visitor_per_second: u32, address_per_second: u32) -> Self {
        Self { visitor: limiter(visitor_per_second), address: limiter(address_per_second), asked: AtomicUsize::new(0) }
    }

    /// Takes one request; the seconds to wait if it is one too many.
    pub fn check(&self, session: Option<&str>, address: &str) -> Result<(), u64> {
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK_EACH) && self.is_full() {
            self.tidy();
        }
        // The address first: who is refused by it gets no counter for a session that he made up.
        let checks = [(&self.address, (!address.is_empty()).then_some(address)), (&self.visitor, session)];
        for (limiter, key) in checks {
            if let (Some(limiter), Some(key)) = (limiter, key) {
                // A clock of its own would ask the processor what it can do: dear in a virtual machine.
                limiter
                    .check_key(&key.to_owned())
                    .map_err(|refused| refused.wait_time_from(limiter.clock().now()).as_secs().max(1))?;
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        [&self.visitor, &self.address].into_iter().flatten().any(|limiter| limiter.len() > MOST)
    }

    /// Forgets who has been quiet.
    pub fn tidy(&self) {
        for limiter in [&self.visitor, &self.address].into_iter().flatten() {
            limiter.retain_recent();
            if limiter.len() < MOST / 2 {
                limiter.shrink_to_fit();
            }
        }
    }
}

/// Refuses a request that is one too many.
pub async fn limit(State(server): State<Server>, request: Request, next: Next) -> Response {
    let from = address(&request, server.config.behind_proxy);
    // A made-up cookie gives a visitor a counter of its own, but not a new address.
    let session = cookie(request.headers(), session::NAME).filter(|value| value.len() <= 64);
    match server.limits.check(session, &from) {
        Ok(()) => next.run(request).await,
        Err(wait_s) => {
            metrics::counter!("zaijia_http_limited_total").increment(1);
            let error = ui::AppError::from(domain::UserError::new(domain::Code::TooMany).with("retry_s", wait_s));
            let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(error)).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_told_when_to_come_back() {
        let limits = Limits::new(1, 0);
        for _ in 0..BURST_S {
            assert_eq!(limits.check(Some("a"), "x"), Ok(()));
        }
        assert!(limits.check(Some("a"), "x").is_err());
        assert_eq!(limits.check(Some("b"), "x"), Ok(()));
        assert_eq!(limits.check(None, "x"), Ok(()));
    }

    #[test]
    fn a_made_up_session_gets_no_counter_where_the_address_is_refused() {
        let limits = Limits::new(1, 1);
        let allowed = (0..100).filter(|no| limits.check(Some(&format!("made up {no}")), "x").is_ok()).count();
        assert!(allowed < 100, "{allowed}");
        assert_eq!(limits.visitor.expect("counted").len(), allowed);
    }

    #[test]
    fn as_many_made_up_sessions_as_there_are_fill_no_memory() {
        // Each is quiet again after two millionths of a second.
        let limits = Limits::new(1_000_000, 0);
        for no in 0..MOST + 3 * LOOK_EACH {
            assert_eq!(limits.check(Some(&no.to_string()), ""), Ok(()));
        }
        assert!(limits.visitor.expect("counted").len() <= MOST + LOOK_EACH);
    }
}
