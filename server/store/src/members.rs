//! Members, their addresses; staff and API tokens.

use crate::conn::{each_of, each_one};
use crate::{Conn, Result, Val, vals};
use domain::Millis;
use domain::ids::{AddressId, MemberId, StoreId};

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
