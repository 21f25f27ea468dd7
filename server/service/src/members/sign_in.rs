//! Signing in by phone and one-time code.
//!
//! Rules held here:
//! - a code has 6 digits, lives 5 minutes and bears 5 wrong tries; 60 seconds
//!   lie between two of them for one phone;
//! - a code is good in the session that asked for it, and there alone: a stranger
//!   who asks or guesses takes nothing away from the code that the phone's owner has;
//! - the answers are the same whether the phone is known or not;
//! - sends are counted by phone, session and address, tries by code, session and
//!   address; what ended in a sign-in does not count against an address;
//! - a code is stored as a keyed digest. Its digits are in the outbox from the
//!   commit that made it until the messenger has it, and are cleared then.

use super::{fingerprint, hex, parse_phone};
use crate::{Error, Result, Shop};
use aws_lc_rs::hmac;
use domain::ids::MemberId;
use domain::phone::Phone;
use domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use domain::{Code, Millis, UserError};
use serde::{Deserialize, Serialize};
use store::codes::CodeRow;
use store::{Conn, Lane, codes, members, outbox, sandbox};

/// A code lives this long.
const CODE_MS: i64 = 5 * MINUTE_MS;
/// Wrong tries that a code bears.
const CODE_TRIES: i64 = 5;
/// Time between two codes for one phone.
const RESEND_MS: i64 = 60 * SECOND_MS;
/// Codes sent for an address.
const CODE_ADDRESS: &str = "code_address";
/// Tries to sign in from an address.
const TRY_ADDRESS: &str = "sign_in_address";
/// Codes sent in an hour to a phone, for a session, for an address. Phones share addresses.
const SENDS: [(&str, i64); 3] = [("code_phone", 10), ("code_session", 10), (CODE_ADDRESS, 120)];
/// Tries to sign in in an hour, of a session, of an address. A phone's are bounded by its codes.
const TRIES: [(&str, i64); 2] = [("sign_in_session", 30), (TRY_ADDRESS, 360)];
/// Sign-ins and their counters share a lane, so that counters never wait for each other crosswise.
pub(super) const SIGN_IN_LANE: Lane<'static> = Lane::Member("sign-in");

/// What a unit decided: counters stay written even where the answer is a refusal.
type Decided<T> = std::result::Result<T, UserError>;

/// Who asks for a code, or tries one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker<'a> {
    /// The name that the session keeps: a code is good under the one that it was asked for.
    pub name: &'a str,
    /// The session; empty for a visitor who has none yet: then nothing is counted by it.
    pub session: &'a str,
    /// The address; may be empty likewise.
    pub address: &'a str,
}

/// A one-time code in the outbox.
#[derive(Serialize, Deserialize)]
struct CodeTask {
    phone: String,
    /// For whom; a task of an older version has none, and no code any more.
    #[serde(default)]
    asker: String,
    digits: String,
}

/// An hour's count that was passed: come back when its window ends.
fn too_many(started: Millis, now: Millis) -> UserError {
    UserError::new(Code::TooMany).with("retry_s", seconds_up(HOUR_MS - now.since(started)).max(1))
}

/// Counts one more by each subject; the refusal if that is one too many.
async fn count(conn: &mut Conn, limits: &[(&str, i64)], subjects: &[String], now: Millis) -> Result<Decided<()>> {
    for ((scope, most), subject) in limits.iter().zip(subjects) {
        // A new visitor has no session to count by yet.
        if subject.is_empty() {
            continue;
        }
        let (count, started) = codes::count_try(conn, scope, subject, now, HOUR_MS).await?;
        if count > *most {
            return Ok(Err(too_many(started, now)));
        }
    }
    Ok(Ok(()))
}

struct Sending {
    phone: String,
    asker: String,
    /// By what [`SENDS`] are counted.
    subjects: [String; 3],
    row: CodeRow,
    /// What the outbox is to send.
    task: String,
    /// Key of that task.
    key: String,
    now: Millis,
}

async fn send_in_tx(conn: &mut Conn, sending: &Sending) -> Result<Decided<()>> {
    let (phone, now) = (&sending.phone, sending.now);
    if let Some(last) = codes::code_sent(conn, phone).await? {
        let left_ms = RESEND_MS - now.since(last);
        // Much more than the whole time is left: that code was sent before the clock went back.
        if (1..=2 * RESEND_MS).contains(&left_ms) {
            let left_ms = left_ms.min(RESEND_MS);
            return Ok(Err(UserError::new(Code::TooMany).with("retry_s", seconds_up(left_ms))));
        }
    }
    if let Err(refused) = count(conn, &SENDS, &sending.subjects, now).await? {
        return Ok(Err(refused));
    }
    if !codes::note_code_sent(conn, phone, now, RESEND_MS).await? {
        return Ok(Err(UserError::new(Code::TooMany).with("retry_s", seconds_up(RESEND_MS))));
    }
    codes::put_sign_in_code(conn, phone, &sending.asker, &sending.row).await?;
    outbox::add(conn, "sign_in_code", &sending.task, &sending.key, now).await?;
    Ok(Ok(()))
}

/// Milliseconds as whole seconds, rounded up.
fn seconds_up(ms: i64) -> i64 {
    (ms + SECOND_MS - 1) / SECOND_MS
}

struct SigningIn {
    phone: String,
    asker: String,
    /// By what [`TRIES`] are counted: session and address.
    subjects: [String; 2],
    /// Digest of what was typed.
    digest: String,
    member: MemberId,
    now: Millis,
}

async fn sign_in_in_tx(conn: &mut Conn, input: &SigningIn) -> Result<Decided<MemberId>> {
    let (phone, asker, now) = (&input.phone, &input.asker, input.now);
    if let Err(refused) = count(conn, &TRIES, &input.subjects, now).await? {
        return Ok(Err(refused));
    }
    let wrong = || UserError::new(Code::BadCode).field("code");
    let Some(sent) = codes::spend_try(conn, phone, asker, now).await? else { return Ok(Err(wrong())) };
    if aws_lc_rs::constant_time::verify_slices_are_equal(sent.as_bytes(), input.digest.as_bytes()).is_err() {
        return Ok(Err(wrong()));
    }
    codes::end_sign_in_code(conn, phone, asker).await?;
    // Many share an address: whoever signs in takes nothing of what the others may try.
    let [_, address] = &input.subjects;
    for scope in [CODE_ADDRESS, TRY_ADDRESS] {
        codes::uncount(conn, scope, address).await?;
    }
    let is_new = members::insert(conn, &input.member, phone, now).await?;
    let member = if is_new {
        crate::offers::issue_welcome_coupons_in_tx(conn, &input.member, now).await?;
        input.member.clone()
    } else {
        let known = members::by_phone(conn, phone).await?;
        let known = known.ok_or_else(|| Error::Internal("a member without a row".to_owned()))?;
        MemberId::trusted(known.id)
    };
    Ok(Ok(member))
}

impl Shop {
    /// Sends a one-time code.
    ///
    /// # Errors
    /// `bad_phone`; `too_many` with `retry_s`; `busy`.
    pub async fn request_code(&self, phone: &str, asker: &Asker<'_>, now: Millis) -> Result<()> {
        let phone = parse_phone(phone)?;
        let digits = format!("{:06}", self.ports().random.bits() % 1_000_000);
        let task = CodeTask { phone: phone.as_str().to_owned(), asker: asker.name.to_owned(), digits };
        let session = fingerprint_unless_empty(asker.session);
        let sending = Sending {
            phone: task.phone.clone(),
            asker: task.asker.clone(),
            subjects: [task.phone.clone(), session, asker.address.to_owned()],
            row: CodeRow {
                code: self.code_digest(&task.phone, &task.digits),
                expires_at: now.plus(CODE_MS).0,
                tries_left: CODE_TRIES,
                sent_at: now.0,
            },
            task: serde_json::to_string(&task)?,
            key: format!("sign_in_code:{}", store::new_id()),
            now,
        };
        let decided: Result<Decided<()>> =
            self.store().write(SIGN_IN_LANE, sending, |conn, input| Box::pin(send_in_tx(conn, input))).await;
        decided??;
        metrics::counter!("zaijia_sign_in_codes_total").increment(1);
        self.wake_outbox();
        Ok(())
    }

    /// Work of the outbox: hands a code to the messenger, unless it ran out, was
    /// used or was followed by another: then nobody waits for it any more.
    pub(crate) async fn do_send_code(&self, payload: &str, now: Millis) -> Result<()> {
        let task: CodeTask = serde_json::from_str(payload)?;
        let sent = codes::sign_in_code(&mut self.store().read().await?, &task.phone, &task.asker).await?;
        let digest = self.code_digest(&task.phone, &task.digits);
        if !sent.is_some_and(|sent| sent.expires_at > now.0 && sent.code == digest) {
            return Ok(());
        }
        self.ports().messenger.sign_in_code(&task.phone, &task.digits).await
    }

    /// The code in the last message to a phone, while it can be used, for the
    /// sandbox's page of messages; nothing where the shop is not a sandbox.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sandbox_code(&self, phone: &str, now: Millis) -> Result<Option<String>> {
        let Ok(phone) = Phone::parse(phone) else { return Ok(None) };
        if !self.settings().sandbox {
            return Ok(None);
        }
        // Who comes at once finds the code all the same: what is due goes out first.
        self.run_outbox(now).await?;
        let mut conn = self.store().read().await?;
        let sent = codes::sign_in_codes(&mut conn, phone.as_str()).await?;
        let Some(digits) = sandbox::message(&mut conn, phone.as_str()).await? else { return Ok(None) };
        let digest = self.code_digest(phone.as_str(), &digits);
        let usable = sent.iter().any(|sent| is_usable(sent, now) && sent.code == digest);
        Ok(usable.then_some(digits))
    }

    /// Is there a code for this phone that can be used under this asker's name?
    ///
    /// # Errors
    /// Those of the database; what is no phone has no code.
    pub async fn has_code(&self, phone: &str, asker: &str, now: Millis) -> Result<bool> {
        let Ok(phone) = Phone::parse(phone) else { return Ok(false) };
        let sent = codes::sign_in_code(&mut self.store().read().await?, phone.as_str(), asker).await?;
        Ok(sent.is_some_and(|sent| is_usable(&sent, now)))
    }

    /// Signs in by a code that the same asker asked for; who comes for the first time
    /// becomes a member and gets the welcome coupons.
    ///
    /// # Errors
    /// `bad_phone`; `bad_code`; `too_many` with `retry_s`.
    pub async fn sign_in(&self, phone: &str, code: &str, asker: &Asker<'_>, now: Millis) -> Result<MemberId> {
        let phone = parse_phone(phone)?;
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).take(16).collect();
        let input = SigningIn {
            phone: phone.as_str().to_owned(),
            asker: asker.name.to_owned(),
            subjects: [fingerprint_unless_empty(asker.session), asker.address.to_owned()],
            digest: self.code_digest(phone.as_str(), &digits),
            member: MemberId::trusted(store::new_id()),
            now,
        };
        let decided: Result<Decided<MemberId>> =
            self.store().write(SIGN_IN_LANE, input, |conn, input| Box::pin(sign_in_in_tx(conn, input))).await;
        let decided = decided?;
        match &decided {
            Ok(member) => tracing::info!(%member, "signed in"),
            Err(refused) => tracing::warn!(%phone, code = ?refused.code, "a sign-in was refused"),
        }
        Ok(decided?)
    }

    /// Ends every session of a member, on whichever device. How many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_sessions(&self, member: &MemberId) -> Result<u64> {
        let ended = self.store().write(Lane::Member(member.as_str()), member.clone(), |conn, member| {
            Box::pin(async move { Ok::<_, Error>(store::sessions::delete_of_member(conn, member).await?) })
        });
        let ended = ended.await?;
        tracing::info!(%member, ended, "all sessions were ended");
        Ok(ended)
    }

    /// The same for the member of a phone.
    ///
    /// # Errors
    /// `bad_phone`; `not_found`.
    pub async fn end_sessions_of(&self, phone: &str) -> Result<u64> {
        let phone = parse_phone(phone)?;
        let row = members::by_phone(&mut self.store().read().await?, phone.as_str()).await?;
        self.end_sessions(&MemberId::trusted(row.ok_or(Error::from(Code::NotFound))?.id)).await
    }

    fn code_digest(&self, phone: &str, digits: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.settings().sandbox_key);
        hex(hmac::sign(&key, format!("sign-in:{phone}:{digits}").as_bytes()).as_ref())
    }
}

/// Does the code still live, and bear a try?
fn is_usable(sent: &CodeRow, now: Millis) -> bool {
    sent.expires_at > now.0 && sent.tries_left > 0
}

fn fingerprint_unless_empty(text: &str) -> String {
    if text.is_empty() { String::new() } else { fingerprint(text) }
}
