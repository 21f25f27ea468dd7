//! Staff accounts, API tokens and memberships: what the commands of `zaijia` do.

use super::sign_in::SIGN_IN_LANE;
use super::{fingerprint, parse_phone, text};
use crate::{Error, Result, Shop};
use domain::ids::MemberId;
use domain::{Code, Millis, UserError};
use store::members::{self, MemberRow, StaffRow, TokenRow};
use store::{Lane, looks};

impl Shop {
    /// Gives member prices to a phone's member (made if it is new) until `until`, or takes them.
    ///
    /// # Errors
    /// `bad_phone`.
    pub async fn set_membership(&self, phone: &str, on: bool, until: Option<Millis>, actor: &str) -> Result<MemberId> {
        let phone = parse_phone(phone)?;
        let input =
            (phone.as_str().to_owned(), MemberId::trusted(store::new_id()), on, until, self.now(), actor.to_owned());
        self.store()
            .write(SIGN_IN_LANE, input, |conn, (phone, new, on, until, now, actor)| {
                Box::pin(async move {
                    members::insert(conn, new, phone, *now).await?;
                    let row = members::by_phone(conn, phone).await?;
                    let row: MemberRow = row.ok_or_else(|| Error::Internal("a member without a row".to_owned()))?;
                    let member = MemberId::trusted(row.id);
                    members::set_membership(conn, &member, *on, *until).await?;
                    looks::add(conn, &[member.as_str()], (actor, "phone", "membership"), *now).await?;
                    Ok(member)
                })
            })
            .await
    }

    /// All of the staff.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn staff(&self) -> Result<Vec<StaffRow>> {
        Ok(members::staff(&mut self.store().read().await?).await?)
    }

    /// Makes a staff account. `password_hash` is argon2's.
    ///
    /// # Errors
    /// `invalid` on `login` or `role`, also if the login is taken.
    pub async fn add_staff(&self, row: StaffRow, password_hash: String) -> Result<()> {
        let login = text("login", &row.login, 2, 40)?;
        if !["picker", "service", "marketer", "manager"].contains(&row.role.as_str()) {
            return Err(UserError::invalid("role").into());
        }
        let input = (StaffRow { login, ..row }, password_hash, self.now());
        let made = self.store().write(Lane::Background, input, |conn, (row, hash, now)| {
            Box::pin(async move { Ok::<_, Error>(members::add_staff(conn, row, hash, *now).await?) })
        });
        if made.await? { Ok(()) } else { Err(UserError::invalid("login").into()) }
    }

    /// Closes a staff account.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn disable_staff(&self, login: &str) -> Result<()> {
        let input = (login.to_owned(), self.now());
        let closed = self.store().write(Lane::Background, input, |conn, (login, now)| {
            Box::pin(async move { Ok::<_, Error>(members::disable_staff(conn, login, *now).await?) })
        });
        if closed.await? { Ok(()) } else { Err(Code::NotFound.into()) }
    }

    /// Makes an API token; its secret is shown this once, only its digest is kept.
    ///
    /// # Errors
    /// `invalid` on `role` or `name`.
    pub async fn add_token(&self, name: &str, role: &str) -> Result<String> {
        let name = text("name", name, 1, 80)?;
        if !["feed", "staff", "metrics"].contains(&role) {
            return Err(UserError::invalid("role").into());
        }
        let random = &self.ports().random;
        let secret = format!("zj_{:016x}{:016x}{:016x}", random.bits(), random.bits(), random.bits());
        let input = (store::new_id(), fingerprint(&secret), name, role.to_owned(), self.now());
        self.store()
            .write(Lane::Background, input, |conn, (id, digest, name, role, now)| {
                Box::pin(async move { Ok::<_, Error>(members::add_token(conn, id, digest, name, role, *now).await?) })
            })
            .await?;
        Ok(secret)
    }

    /// Revokes the tokens with this number or name; how many.
    ///
    /// # Errors
    /// `not_found` if there is none.
    pub async fn revoke_token(&self, id_or_name: &str) -> Result<u64> {
        let input = (id_or_name.to_owned(), self.now());
        let revoked = self.store().write(Lane::Background, input, |conn, (id, now)| {
            Box::pin(async move { Ok::<_, Error>(members::revoke_token(conn, id, *now).await?) })
        });
        match revoked.await? {
            0 => Err(Code::NotFound.into()),
            n => Ok(n),
        }
    }

    /// All API tokens, without their secrets.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>> {
        Ok(members::tokens(&mut self.store().read().await?).await?)
    }

    /// The token with this secret, if it may do what `roles` may.
    ///
    /// # Errors
    /// `bad_token`.
    pub async fn token(&self, secret: &str, roles: &[&str]) -> Result<TokenRow> {
        let row = members::token(&mut self.store().read().await?, &fingerprint(secret)).await?;
        row.filter(|row| roles.contains(&row.role.as_str())).ok_or_else(|| Code::BadToken.into())
    }
}
