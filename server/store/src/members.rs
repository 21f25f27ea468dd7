//! Members, addresses, sign-in codes, counters of tries, substitution choices;
//! staff and API tokens.

use crate::conn::{each_of, each_one};
use crate::{Conn, Result, Val, vals};
use domain::Millis;
use domain::ids::{AddressId, MemberId, SkuId, StoreId};

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct MemberRow {
    /// Which member.
    pub id: String,
    /// Mobile number, eleven digits.
    pub phone: String,
    /// Name, may be empty.
    pub name: String,
    /// Do member prices apply?
    pub is_member: bool,
    /// Until when they do; unset is without end.
    pub member_until: Option<i64>,
    /// Where the member bought before.
    pub home_store_id: Option<String>,
    /// What shall happen when goods are missing.
    pub substitution_default: String,
    /// Brands never to be brought, JSON.
    pub never_brands: String,
}

impl MemberRow {
    /// Do member prices apply at `now`?
    pub fn has_member_prices(&self, now: Millis) -> bool {
        self.is_member && self.member_until.is_none_or(|until| until > now.0)
    }
}

/// The member with this id.
pub async fn get(conn: &mut Conn, member: &MemberId) -> Result<Option<MemberRow>> {
    conn.opt(
        "SELECT id, phone, name, is_member, member_until, home_store_id, substitution_default, never_brands
         FROM member WHERE id = $1",
        vals![member],
    )
    .await
}

/// Some members.
pub async fn all(conn: &mut Conn, members: &[&MemberId]) -> Result<Vec<MemberRow>> {
    let sql = format!(
        "SELECT id, phone, name, is_member, member_until, home_store_id, substitution_default, never_brands
         FROM member WHERE id {}",
        each_one(1, members.len())
    );
    let vals: Vec<Val<'_>> = members.iter().map(|member| Val::from(*member)).collect();
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// The member with this phone.
pub async fn by_phone(conn: &mut Conn, phone: &str) -> Result<Option<MemberRow>> {
    conn.opt(
        "SELECT id, phone, name, is_member, member_until, home_store_id, substitution_default, never_brands
         FROM member WHERE phone = $1",
        vals![phone],
    )
    .await
}

/// Makes a member; `false` if the phone has one already.
pub async fn insert(conn: &mut Conn, member: &MemberId, phone: &str, now: Millis) -> Result<bool> {
    let made = conn
        .exec(
            "INSERT INTO member (id, phone, name, is_member, substitution_default, never_brands, created_at)
             VALUES ($1, $2, '', FALSE, 'refund', '[]', $3) ON CONFLICT (phone) DO NOTHING",
            vals![member, phone, now],
        )
        .await?;
    Ok(made == 1)
}

/// Changes the name.
pub async fn set_name(conn: &mut Conn, member: &MemberId, name: &str) -> Result<()> {
    conn.exec("UPDATE member SET name = $2 WHERE id = $1", vals![member, name]).await?;
    Ok(())
}

/// Changes what shall happen when goods are missing.
pub async fn set_substitution_default(conn: &mut Conn, member: &MemberId, choice: &str) -> Result<()> {
    conn.exec("UPDATE member SET substitution_default = $2 WHERE id = $1", vals![member, choice]).await?;
    Ok(())
}

/// Changes the brands that are never to be brought, a JSON list.
pub async fn set_never_brands(conn: &mut Conn, member: &MemberId, brands: &str) -> Result<()> {
    conn.exec("UPDATE member SET never_brands = $2 WHERE id = $1", vals![member, brands]).await?;
    Ok(())
}

/// Remembers where the member buys.
pub async fn set_home_store(conn: &mut Conn, member: &MemberId, store: &StoreId) -> Result<()> {
    conn.exec("UPDATE member SET home_store_id = $2 WHERE id = $1", vals![member, store]).await?;
    Ok(())
}

/// Gives or takes member prices.
pub async fn set_membership(conn: &mut Conn, member: &MemberId, on: bool, until: Option<Millis>) -> Result<()> {
    conn.exec("UPDATE member SET is_member = $2, member_until = $3 WHERE id = $1", vals![member, on, until]).await?;
    Ok(())
}

/// A one-time code that was sent.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct CodeRow {
    /// Its digest.
    pub code: String,
    /// When it ends.
    pub expires_at: i64,
    /// Wrong tries that it still bears.
    pub tries_left: i64,
    /// When it was sent.
    pub sent_at: i64,
}

/// The code sent to a phone for who asked for it.
pub async fn sign_in_code(conn: &mut Conn, phone: &str, asker: &str) -> Result<Option<CodeRow>> {
    let sql = "SELECT code, expires_at, tries_left, sent_at FROM sign_in_code WHERE phone = $1 AND asker = $2";
    conn.opt(sql, vals![phone, asker]).await
}

/// The codes sent to a phone, for whoever asked: the last hundred of them, newest first.
pub async fn sign_in_codes(conn: &mut Conn, phone: &str) -> Result<Vec<CodeRow>> {
    let sql = "SELECT code, expires_at, tries_left, sent_at FROM sign_in_code WHERE phone = $1 \
               ORDER BY sent_at DESC LIMIT 100";
    conn.all(sql, vals![phone]).await
}

/// Writes the code sent to a phone for who asked, over an earlier one for the same.
pub async fn put_sign_in_code(conn: &mut Conn, phone: &str, asker: &str, row: &CodeRow) -> Result<()> {
    conn.exec(
        "INSERT INTO sign_in_code (phone, asker, code, expires_at, tries_left, sent_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (phone, asker) DO UPDATE SET code = excluded.code, expires_at = excluded.expires_at,
             tries_left = excluded.tries_left, sent_at = excluded.sent_at",
        vals![phone, asker, &row.code, row.expires_at, row.tries_left, row.sent_at],
    )
    .await?;
    Ok(())
}

/// Takes one try of the code sent to a phone for who asked, and tells its digest;
/// nothing if there is none that still lives and bears one.
pub async fn spend_try(conn: &mut Conn, phone: &str, asker: &str, now: Millis) -> Result<Option<String>> {
    let sql = "UPDATE sign_in_code SET tries_left = tries_left - 1 \
               WHERE phone = $1 AND asker = $2 AND tries_left > 0 AND expires_at > $3 RETURNING code";
    let row: Option<(String,)> = conn.opt(sql, vals![phone, asker, now]).await?;
    Ok(row.map(|(code,)| code))
}

/// Ends a code: it was used.
pub async fn end_sign_in_code(conn: &mut Conn, phone: &str, asker: &str) -> Result<()> {
    conn.exec("DELETE FROM sign_in_code WHERE phone = $1 AND asker = $2", vals![phone, asker]).await?;
    Ok(())
}

/// When the last code went to a phone, for whoever asked.
pub async fn code_sent(conn: &mut Conn, phone: &str) -> Result<Option<Millis>> {
    let sql = "SELECT starts_at FROM rate WHERE scope = 'code_sent' AND subject = $1";
    let row: Option<(i64,)> = conn.opt(sql, vals![phone]).await?;
    Ok(row.map(|(at,)| Millis(at)))
}

/// Notes that a code goes to a phone now; `false` if another server sent one
/// within `pause_ms`. One that seems to be sent later than that from now was
/// sent before the clock went back.
pub async fn note_code_sent(conn: &mut Conn, phone: &str, now: Millis, pause_ms: i64) -> Result<bool> {
    let noted = conn
        .exec(
            "INSERT INTO rate (scope, subject, starts_at, count) VALUES ('code_sent', $1, $2, 1)
             ON CONFLICT (scope, subject) DO UPDATE SET starts_at = excluded.starts_at
                WHERE rate.starts_at <= $3 OR rate.starts_at > $4",
            vals![phone, now, now.plus(-pause_ms), now.plus(pause_ms)],
        )
        .await?;
    Ok(noted == 1)
}

/// Counts a try of `subject` in the window that runs (or opens one); how many
/// there are now and when the window began. A window that begins later than now
/// was opened before the clock went back, and binds nobody.
pub async fn count_try(
    conn: &mut Conn,
    scope: &str,
    subject: &str,
    now: Millis,
    window_ms: i64,
) -> Result<(i64, Millis)> {
    let row: (i64, i64) = conn
        .one(
            "INSERT INTO rate (scope, subject, starts_at, count) VALUES ($1, $2, $3, 1)
             ON CONFLICT (scope, subject) DO UPDATE SET
                 count = CASE WHEN rate.starts_at <= $4 OR rate.starts_at > $3 THEN 1 ELSE rate.count + 1 END,
                 starts_at = CASE WHEN rate.starts_at <= $4 OR rate.starts_at > $3 THEN $3 ELSE rate.starts_at END
             RETURNING count, starts_at",
            vals![scope, subject, now, now.plus(-window_ms)],
        )
        .await?;
    Ok((row.0, Millis(row.1)))
}

/// Gives a counted try of `subject` back.
pub async fn uncount(conn: &mut Conn, scope: &str, subject: &str) -> Result<()> {
    let sql = "UPDATE rate SET count = count - 1 WHERE scope = $1 AND subject = $2 AND count > 0";
    conn.exec(sql, vals![scope, subject]).await?;
    Ok(())
}

/// Removes at most `limit` codes that were sent by a time; how many.
pub async fn delete_codes(conn: &mut Conn, before: Millis, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM sign_in_code WHERE sent_at <= $1 AND (phone, asker) IN \
               (SELECT phone, asker FROM sign_in_code WHERE sent_at <= $1 ORDER BY sent_at LIMIT $2)";
    conn.exec(sql, vals![before, limit]).await
}

/// Removes at most `limit` counters whose windows began by a time; how many.
pub async fn delete_counters(conn: &mut Conn, before: Millis, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM rate WHERE starts_at <= $1 AND (scope, subject) IN \
               (SELECT scope, subject FROM rate WHERE starts_at <= $1 ORDER BY starts_at LIMIT $2)";
    conn.exec(sql, vals![before, limit]).await
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct AddressRow {
    /// Which address.
    pub id: String,
    /// Recipient.
    pub name: String,
    /// Phone of the recipient.
    pub phone: String,
    /// District and street.
    pub area: String,
    /// House, floor, door.
    pub detail: String,
    /// Latitude in millionths of a degree.
    pub lat_e6: Option<i64>,
    /// Longitude in millionths of a degree.
    pub lon_e6: Option<i64>,
    /// The usual one.
    pub is_default: bool,
}

/// Addresses of a member: the usual one first, then the last changed.
pub async fn addresses(conn: &mut Conn, member: &MemberId) -> Result<Vec<AddressRow>> {
    conn.all(
        "SELECT id, name, phone, area, detail, lat_e6, lon_e6, is_default FROM address
         WHERE member_id = $1 ORDER BY is_default DESC, updated_at DESC, id LIMIT 50",
        vals![member],
    )
    .await
}

/// Some addresses, given as (member, address), with their members.
pub async fn some_addresses(
    conn: &mut Conn,
    addresses: &[(&MemberId, &AddressId)],
) -> Result<Vec<(MemberId, AddressRow)>> {
    #[derive(crate::record::Record)]
    struct Row {
        member_id: String,
        #[record(flatten)]
        address: AddressRow,
    }
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "WITH v (of_member, of_id) AS ({}) SELECT member_id, id, name, phone, area, detail, lat_e6, lon_e6,
         is_default FROM v CROSS JOIN address WHERE member_id = v.of_member AND id = v.of_id",
        each_of(1, addresses.len(), 2)
    );
    let vals: Vec<Val<'_>> = addresses.iter().flat_map(|(m, id)| [Val::from(*m), Val::from(*id)]).collect();
    let rows: Vec<Row> = conn.all(sqlx::AssertSqlSafe(sql), &vals).await?;
    Ok(rows.into_iter().map(|row| (MemberId::trusted(row.member_id), row.address)).collect())
}

/// Writes an address, new or changed.
pub async fn save_address(conn: &mut Conn, member: &MemberId, row: &AddressRow, now: Millis) -> Result<()> {
    if row.is_default {
        conn.exec("UPDATE address SET is_default = FALSE WHERE member_id = $1 AND is_default", vals![member]).await?;
    }
    conn.exec(
        "INSERT INTO address (member_id, id, name, phone, area, detail, lat_e6, lon_e6, is_default, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (member_id, id) DO UPDATE SET name = excluded.name, phone = excluded.phone,
             area = excluded.area, detail = excluded.detail, lat_e6 = excluded.lat_e6, lon_e6 = excluded.lon_e6,
             is_default = excluded.is_default, updated_at = excluded.updated_at",
        vals![
            member,
            &row.id,
            &row.name,
            &row.phone,
            &row.area,
            &row.detail,
            row.lat_e6,
            row.lon_e6,
            row.is_default,
            now
        ],
    )
    .await?;
    Ok(())
}

/// Locks a member for this unit: who counts the member's rows and then writes
/// some starts here.
pub async fn lock(conn: &mut Conn, member: &MemberId) -> Result<()> {
    // Writing the row to itself locks it on both databases.
    conn.exec("UPDATE member SET name = name WHERE id = $1", vals![member]).await?;
    Ok(())
}

/// Removes an address; `false` if the member has no such one.
pub async fn delete_address(conn: &mut Conn, member: &MemberId, id: &AddressId) -> Result<bool> {
    let gone = conn.exec("DELETE FROM address WHERE member_id = $1 AND id = $2", vals![member, id]).await?;
    Ok(gone == 1)
}

/// What a member chose for a product that is missing.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct ChoiceRow {
    /// The product.
    pub sku_id: String,
    /// `refund`, `best_match`, `chosen` or `ask_me`.
    pub choice: String,
    /// Chosen substitutes in order, JSON.
    pub chosen: String,
}

/// Remembered choices of a member for these products (at most 500 of them).
pub async fn choices(conn: &mut Conn, member: &MemberId, skus: &[SkuId]) -> Result<Vec<ChoiceRow>> {
    let skus = &skus[..skus.len().min(500)];
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT sku_id, choice, chosen FROM substitution_choice WHERE member_id = $1 AND sku_id IN ({})",
        crate::conn::list(2, skus.len())
    );
    let mut vals = vec![crate::Val::from(member)];
    vals.extend(skus.iter().map(crate::Val::from));
    conn.all(sqlx::AssertSqlSafe(sql), &vals).await
}

/// Remembers what a member chose for a product.
pub async fn save_choice(
    conn: &mut Conn,
    member: &MemberId,
    sku: &SkuId,
    choice: &str,
    chosen: &str,
    now: Millis,
) -> Result<()> {
    conn.exec(
        "INSERT INTO substitution_choice (member_id, sku_id, choice, chosen, updated_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (member_id, sku_id) DO UPDATE SET choice = excluded.choice, chosen = excluded.chosen,
             updated_at = excluded.updated_at",
        vals![member, sku, choice, chosen, now],
    )
    .await?;
    Ok(())
}

/// Orders of a member by state.
pub async fn order_counts(conn: &mut Conn, member: &MemberId) -> Result<Vec<(String, i64)>> {
    conn.all("SELECT state, COUNT(*) FROM orders WHERE member_id = $1 GROUP BY state", vals![member]).await
}

/// Coupons that a member can still use at `now`.
pub async fn coupon_count(conn: &mut Conn, member: &MemberId, now: Millis) -> Result<i64> {
    conn.int(
        "SELECT COUNT(*) FROM coupon WHERE member_id = $1 AND order_id IS NULL AND expires_at > $2",
        vals![member, now],
    )
    .await
}

/// A person of the staff.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct StaffRow {
    /// Name for signing in.
    pub login: String,
    /// Name for people.
    pub name: String,
    /// `picker`, `service`, `marketer` or `manager`.
    pub role: String,
    /// The one store that the person works for; unset is all.
    pub store_id: Option<String>,
    /// When the account was closed.
    pub disabled_at: Option<i64>,
}

/// All of the staff, by login.
pub async fn staff(conn: &mut Conn) -> Result<Vec<StaffRow>> {
    conn.all("SELECT login, name, role, store_id, disabled_at FROM staff ORDER BY login LIMIT 10000", vals![]).await
}

/// Makes a staff account; `false` if the login is taken.
pub async fn add_staff(conn: &mut Conn, row: &StaffRow, password_hash: &str, now: Millis) -> Result<bool> {
    let made = conn
        .exec(
            "INSERT INTO staff (id, login, name, role, store_id, password_hash, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (login) DO NOTHING",
            vals![crate::new_id(), &row.login, &row.name, &row.role, &row.store_id, password_hash, now],
        )
        .await?;
    Ok(made == 1)
}

/// Closes a staff account; `false` if there is none that is open.
pub async fn disable_staff(conn: &mut Conn, login: &str, now: Millis) -> Result<bool> {
    let sql = "UPDATE staff SET disabled_at = $2 WHERE login = $1 AND disabled_at IS NULL";
    Ok(conn.exec(sql, vals![login, now]).await? == 1)
}

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct TokenRow {
    /// Its number.
    pub id: String,
    /// What it was made for.
    pub name: String,
    /// What it may do: `feed`, `staff` or `metrics`.
    pub role: String,
    /// When it was made.
    pub created_at: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

/// The token with this digest, unless it was revoked.
pub async fn token(conn: &mut Conn, digest: &str) -> Result<Option<TokenRow>> {
    conn.opt(
        "SELECT id, name, role, created_at, revoked_at FROM api_token WHERE token_hash = $1 AND revoked_at IS NULL",
        vals![digest],
    )
    .await
}

/// All tokens, newest first.
pub async fn tokens(conn: &mut Conn) -> Result<Vec<TokenRow>> {
    conn.all(
        "SELECT id, name, role, created_at, revoked_at FROM api_token ORDER BY created_at DESC LIMIT 1000",
        vals![],
    )
    .await
}

/// Writes a token's digest.
pub async fn add_token(conn: &mut Conn, id: &str, digest: &str, name: &str, role: &str, now: Millis) -> Result<()> {
    conn.exec(
        "INSERT INTO api_token (id, token_hash, name, role, created_at) VALUES ($1, $2, $3, $4, $5)",
        vals![id, digest, name, role, now],
    )
    .await?;
    Ok(())
}

/// Revokes the tokens of this id or name; how many.
pub async fn revoke_token(conn: &mut Conn, id_or_name: &str, now: Millis) -> Result<u64> {
    conn.exec(
        "UPDATE api_token SET revoked_at = $2 WHERE (id = $1 OR name = $1) AND revoked_at IS NULL",
        vals![id_or_name, now],
    )
    .await
}

/// Position of a store in millionths of a degree, and how far it delivers, in metres.
pub async fn delivery_area(conn: &mut Conn, store: &StoreId) -> Result<Option<(i64, i64, i64)>> {
    conn.opt("SELECT lat_e6, lon_e6, delivery_radius_m FROM store WHERE id = $1", vals![store]).await
}

/// Version and state of a member's order, by its code.
pub async fn order_version(conn: &mut Conn, member: &MemberId, code: &str) -> Result<Option<(i64, String)>> {
    conn.opt("SELECT version, state FROM orders WHERE code = $1 AND member_id = $2", vals![code, member]).await
}
