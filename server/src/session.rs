//! Sessions of visitors, kept in the shop's database. The cookie's value is
//! stored as a digest only. A page that changes nothing writes nothing, but for a
//! member's first one of a day, which prolongs the session; where that fails, the
//! page is shown all the same.

use app::api::cx::key;
use async_trait::async_trait;
use domain::Millis;
use service::Shop;
use service::members::fingerprint;
use std::collections::HashMap;
use store::Lane;
use tower_sessions::cookie::SameSite;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Expiry, SessionManagerLayer, SessionStore};

/// Name of the cookie.
pub const NAME: &str = "zaijia_session";
/// Its name where it is sent by HTTPS alone: browsers take it from this host only.
const HOST_NAME: &str = "__Host-zaijia_session";
/// Days without a visit after which a session ends.
const DAYS: i64 = 30;

/// The layer that gives each request its session.
pub fn layer(shop: &Shop, secure: bool) -> SessionManagerLayer<Sessions> {
    SessionManagerLayer::new(Sessions(shop.clone()))
        .with_name(if secure { HOST_NAME } else { NAME })
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_secure(secure)
        .with_path("/")
        .with_expiry(expiry())
}

fn expiry() -> Expiry {
    Expiry::OnInactivity(time::Duration::days(DAYS))
}

/// A session as the layer opens it for a cookie's value.
#[cfg(test)]
pub fn open(shop: &Shop, id: Option<Id>) -> tower_sessions::Session {
    tower_sessions::Session::new(id, std::sync::Arc::new(Sessions(shop.clone())), Some(expiry()))
}

/// Sessions in the shop's database.
#[derive(Clone, Debug)]
pub struct Sessions(Shop);

/// A session as it is written.
struct Writing {
    id: String,
    member: Option<String>,
    data: String,
    expires: Millis,
}

impl Writing {
    fn of(record: &Record) -> Result<Self> {
        let member = record.data.get(key::MEMBER).and_then(|value| value.as_str());
        Ok(Self {
            id: fingerprint(&record.id.to_string()),
            member: member.map(str::to_owned),
            data: serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))?,
            expires: Millis(record.expiry_date.unix_timestamp().saturating_mul(1_000)),
        })
    }
}

impl Sessions {
    /// Does the database hold the same of this session, but for the days that tell when it was prolonged?
    async fn only_prolongs(&self, record: &Record) -> bool {
        let rest = |record: &Record| {
            let mut data = record.data.clone();
            data.retain(|entry, _| entry != key::DAY && entry != key::SINCE);
            data
        };
        matches!(self.load(&record.id).await, Ok(Some(held)) if rest(&held) == rest(record))
    }
}

fn backend(error: &dyn std::error::Error) -> Error {
    Error::Backend(error.to_string())
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        // A taken id among 2^128 means that the random numbers are broken: try a few, then say so.
        for _ in 0..4 {
            let session = Writing::of(record)?;
            let lane = session.id.clone();
            let made = self.0.store().write(Lane::Member(&lane), session, |conn, s| {
                Box::pin(store::sessions::create(conn, &s.id, s.member.as_deref(), &s.data, s.expires))
            });
            if made.await.map_err(|error: store::Error| backend(&error))? {
                return Ok(());
            }
            record.id = Id::default();
        }
        Err(Error::Backend("no free session id".to_owned()))
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let session = Writing::of(record)?;
        let lane = session.id.clone();
        let saved = self.0.store().write(Lane::Member(&lane), session, |conn, s| {
            Box::pin(store::sessions::save(conn, &s.id, s.member.as_deref(), &s.data, s.expires))
        });
        let saved: std::result::Result<bool, store::Error> = saved.await;
        // A request under way when its session was ended (signed out in another tab) does not bring it back.
        let Err(error) = saved else { return Ok(()) };
        if self.only_prolongs(record).await {
            tracing::warn!(%error, "a session could not be prolonged");
            return Ok(());
        }
        Err(backend(&error))
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let mut conn = self.0.store().read().await.map_err(|error| backend(&error))?;
        let row = store::sessions::load(&mut conn, &fingerprint(&id.to_string()), self.0.now()).await;
        let Some(row) = row.map_err(|error| backend(&error))? else { return Ok(None) };
        let data: HashMap<String, serde_json::Value> =
            serde_json::from_str(&row.data).map_err(|error| Error::Decode(error.to_string()))?;
        let expiry_date = time::OffsetDateTime::from_unix_timestamp(row.expires_at / 1_000)
            .map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let id = fingerprint(&id.to_string());
        let lane = id.clone();
        let gone =
            self.0.store().write(Lane::Member(&lane), id, |conn, id| Box::pin(store::sessions::delete(conn, id)));
        gone.await.map_err(|error: store::Error| backend(&error))
    }
}
