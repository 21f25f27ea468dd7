//! What the staff does on the command line: accounts, tokens, shortages, why.

use super::{Done, Failure};
use argon2::password_hash::{PasswordHasher, SaltString};
use clap::{Args, Subcommand};
use domain::Packs;
use domain::time::DAY_MS;
use service::Shop;
use std::io::Read;
use store::members::StaffRow;

/// Staff accounts.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Make an account; the password is read from standard input.
    Add {
        /// Name for signing in.
        login: String,
        /// `picker`, `service`, `marketer` or `manager`.
        #[arg(long)]
        role: String,
        /// Name for people.
        #[arg(long, default_value = "")]
        name: String,
        /// Code of the one store that the person works for.
        #[arg(long)]
        store: Option<String>,
    },
    /// List all accounts.
    List,
    /// Close an account.
    Disable {
        /// Name for signing in.
        login: String,
    },
}

impl User {
    pub(super) async fn run(self, shop: &Shop) -> Done {
        match self {
            Self::Add { login, role, name, store } => {
                let store_id = match store {
                    None => None,
                    Some(code) => {
                        let store = shop.store_by_code(&code).await?;
                        Some(store.ok_or_else(|| Failure::Said(format!("there is no store {code}")))?.to_string())
                    }
                };
                let hash = hash(&password()?)?;
                let row = StaffRow { login: login.clone(), name, role, store_id, disabled_at: None };
                shop.add_staff(row, hash).await?;
                println!("{login} can sign in");
            }
            Self::List => {
                for row in shop.staff().await? {
                    let state = if row.disabled_at.is_some() { "closed" } else { "open" };
                    let store = row.store_id.unwrap_or_else(|| "all".to_owned());
                    println!("{}\t{}\t{}\t{store}\t{state}", row.login, row.role, row.name);
                }
            }
            Self::Disable { login } => {
                shop.disable_staff(&login).await?;
                println!("{login} can no longer sign in");
            }
        }
        Ok(())
    }
}

/// The first line of standard input.
fn password() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().take(4_096).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.chars().count() < 10 {
        return Err(Failure::Said("a password has at least 10 characters; give it on standard input".to_owned()));
    }
    Ok(line)
}

fn hash(password: &str) -> Result<String, Failure> {
    let salt: [u8; 16] = rand::random();
    let said =
        |error: argon2::password_hash::Error| Failure::Said(format!("the password could not be hashed: {error}"));
    let salt = SaltString::encode_b64(&salt).map_err(said)?;
    Ok(argon2::Argon2::default().hash_password(password.as_bytes(), &salt).map_err(said)?.to_string())
}

/// API tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token; its secret is printed this once.
    Add {
        /// What it is for.
        name: String,
        /// `feed`, `staff` or `metrics`.
        #[arg(long, default_value = "feed")]
        role: String,
    },
    /// List all tokens.
    List,
    /// Revoke tokens by number or name.
    Revoke {
        /// Number or name.
        token: String,
    },
}

impl Token {
    pub(super) async fn run(self, shop: &Shop) -> Done {
        match self {
            Self::Add { name, role } => println!("{}", shop.add_token(&name, &role).await?),
            Self::List => {
                for row in shop.tokens().await? {
                    let state = if row.revoked_at.is_some() { "revoked" } else { "valid" };
                    println!("{}\t{}\t{}\t{state}", row.id, row.role, row.name);
                }
            }
            Self::Revoke { token } => println!("{} revoked", shop.revoke_token(&token).await?),
        }
        Ok(())
    }
}

/// Members.
#[derive(Debug, Subcommand)]
pub enum Member {
    /// Give member prices.
    Grant {
        /// Mobile number.
        phone: String,
        /// For how many days; without end if not said.
        #[arg(long)]
        days: Option<i64>,
    },
    /// Take member prices.
    Revoke {
        /// Mobile number.
        phone: String,
    },
    /// End all of a member's sessions: a device was lost.
    SignOut {
        /// Mobile number.
        phone: String,
    },
}

impl Member {
    pub(super) async fn run(self, shop: &Shop) -> Done {
        match self {
            Self::Grant { phone, days } => {
                let until = days.map(|days| shop.now().plus(days.clamp(1, 36_500) * DAY_MS));
                shop.set_membership(&phone, true, until, &super::actor()).await?;
                println!("member prices apply");
            }
            Self::Revoke { phone } => {
                shop.set_membership(&phone, false, None, &super::actor()).await?;
                println!("member prices no longer apply");
            }
            Self::SignOut { phone } => println!("{} sessions ended", shop.end_sessions_of(&phone).await?),
        }
        Ok(())
    }
}

/// Packs that are missing from the shelf.
#[derive(Debug, Args)]
pub struct Short {
    /// Code of the order.
    order: String,
    /// Number of the line, from 1.
    line: u32,
    /// Packs that are missing.
    packs: i64,
    /// Key of the report, 8 to 64 letters, digits or hyphens: the same report under the
    /// same key is done once, and answered again. Made anew and printed if not given.
    #[arg(long)]
    key: Option<String>,
}

impl Short {
    pub(super) async fn run(self, shop: &Shop) -> Done {
        let key = self.key.unwrap_or_else(store::new_id);
        // Said before anything is written: whoever hears no answer can ask again.
        eprintln!("to repeat this report, add --key {key}");
        let back = shop.short_line(&self.order, self.line, Packs(self.packs), &key, &super::actor()).await;
        let back = back.map_err(|error| unanswered(error, key))?;
        println!("{} goes back to the member", super::data::yuan(back.0));
        Ok(())
    }
}

/// A refusal has changed nothing; of any other failure it is not known whether it has.
fn unanswered(error: service::Error, key: String) -> Failure {
    if error.is_internal() { Failure::Unanswered { key, source: error } } else { error.into() }
}

/// Why is a product sellable so often?
#[derive(Debug, Args)]
pub struct Why {
    /// Code of the store.
    store: String,
    /// Code of the SKU.
    sku: String,
}

impl Why {
    pub(super) async fn run(self, shop: &Shop) -> Done {
        let why = shop.why(&self.store, &self.sku, shop.now()).await?;
        let text = serde_json::to_string_pretty(&why).map_err(service::Error::from)?;
        println!("{text}");
        Ok(())
    }
}
