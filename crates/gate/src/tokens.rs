//! Bearer tokens of programs: named, with a role, sites, scopes and an end; kept as SHA-256.
//!
//! A token is found by its digest. Whoever guesses cannot steer the digest, so how long the search takes
//! tells nothing about the token. A token never does more than whoever made it may do now.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::id::{SiteId, UserId};
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use model::user::Role;
use serde::{Deserialize, Serialize};
use store::{Store, StoredSecret};

use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::{Gate, Held};
use crate::principal::{Principal, Roles, Scope};
use crate::secrets::{TokenDigest, digest, random_token};

const KIND: &str = "token";
/// A token somebody chose must not be guessable in a lifetime of trying.
const SHORTEST: usize = 16;
/// How exactly the last use is known: it is written at most that often.
const USE_NOTED_EVERY: Millis = Millis(3_600_000);
/// Tokens of one installation.
const MOST: usize = 1_000;

/// What a token is good for, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub name: String,
    /// On every site that `sites` does not name. `None`: nothing there.
    pub role: Option<Role>,
    /// Roles on single sites; they stand above `role`.
    #[serde(default)]
    pub sites: BTreeMap<SiteId, Role>,
    pub scopes: BTreeSet<Scope>,
    /// Who made it; `None`: the configuration, or a version that did not know.
    #[serde(default)]
    pub by: Option<UserId>,
    #[serde(default)]
    pub created: Option<Timestamp>,
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// To the hour.
    #[serde(default)]
    pub last_used: Option<Timestamp>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Record {
    digest: String,
    #[serde(flatten)]
    token: Token,
}

impl Token {
    /// A token that may on all sites what its role may, and does not end.
    #[must_use]
    pub fn new(name: &str, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            role: Some(role),
            sites: BTreeMap::new(),
            scopes: Scope::all(),
            by: None,
            created: None,
            expires: None,
            last_used: None,
        }
    }

    fn roles(&self) -> Roles {
        Roles {
            everywhere: self.role,
            sites: self.sites.clone(),
            scopes: self.scopes.clone(),
            oversight: None,
        }
    }

    /// What it may now: nothing when it has ended or its maker is gone, never more than its maker.
    fn principal(&self, held: &Held, now: Timestamp) -> Option<Principal> {
        if self.expires.is_some_and(|expires| expires <= now) {
            return None;
        }
        let roles = match &self.by {
            Some(by) => {
                let maker = held.users.get(by).filter(|maker| maker.enabled)?;
                self.roles().at_most(&Roles::of(maker))
            }
            None => self.roles(),
        };
        Some(Principal::token(self.principal_name(), roles))
    }

    fn principal_name(&self) -> String {
        format!("token:{}", self.name)
    }
}

pub(crate) async fn load(
    store: &dyn Store,
    now: Timestamp,
) -> Result<BTreeMap<TokenDigest, Token>, GateError> {
    let mut tokens = BTreeMap::new();
    for (name, secret) in store.secrets(KIND).await? {
        if let Some((digest, token)) = read(&secret) {
            tokens.insert(digest, token);
        } else if let (Ok(digest), Some(role)) = (
            TokenDigest::try_from(secret.bytes.as_slice()),
            role_from(&secret.owner),
        ) {
            // Version 0.1 kept the digest alone, and the role as the owner.
            let token = Token {
                created: Some(now),
                ..Token::new(&name, role)
            };
            store.put_secret(KIND, &name, &stored(&digest, &token)?).await?;
            tokens.insert(digest, token);
        } else {
            tracing::warn!("token `{name}` cannot be read and is refused; make it anew");
        }
    }
    Ok(tokens)
}

fn read(secret: &StoredSecret) -> Option<(TokenDigest, Token)> {
    let record: Record = serde_json::from_slice(&secret.bytes).ok()?;
    let digest = URL_SAFE_NO_PAD.decode(record.digest).ok()?.try_into().ok()?;
    Some((digest, record.token))
}

fn stored(digest: &TokenDigest, token: &Token) -> Result<StoredSecret, GateError> {
    let record = Record {
        digest: URL_SAFE_NO_PAD.encode(digest),
        token: token.clone(),
    };
    Ok(StoredSecret {
        owner: token.by.as_ref().map_or_else(String::new, UserId::to_string),
        bytes: serde_json::to_vec(&record).map_err(|error| GateError::Encode(error.to_string()))?,
        expires: None,
    })
}

impl Gate {
    /// Makes a token. It is known to the caller alone: what is kept of it does not give it back.
    ///
    /// # Errors
    /// [`Denied::Unfit`] name, sites or end; [`Denied::Taken`] name.
    pub async fn create_token(&self, by: &By<'_>, wanted: Token) -> Result<Secret, Denied> {
        let action = format!("create token {}", wanted.name);
        self.audited(by, &action, async {
            let now = self.clock.now().wall;
            check(&wanted, now)?;
            let _changing = self.changing.lock().await;
            {
                let held = self.held();
                if held.tokens.values().any(|known| known.name == wanted.name) {
                    return Err(Denied::Taken { what: "the name" });
                }
                if held.tokens.len() >= MOST {
                    return Err(Denied::Unfit {
                        what: "one more token",
                        expected: "at most 1000; revoke some first",
                    });
                }
            }
            let token = Token {
                by: self.maker(by.principal),
                created: Some(now),
                last_used: None,
                ..wanted
            };
            let text = random_token()?;
            self.keep_token(digest(&text), token).await?;
            Ok(Secret::new(text))
        })
        .await
    }

    /// The person behind what somebody makes: a token made with a token is its maker's too, so that it does
    /// not outlive them.
    fn maker(&self, principal: &Principal) -> Option<UserId> {
        if principal.user.is_some() {
            return principal.user.clone();
        }
        let held = self.held();
        let made_by = held
            .tokens
            .values()
            .find(|token| token.principal_name() == principal.name)?;
        made_by.by.clone()
    }

    /// Ends a token now.
    ///
    /// # Errors
    /// [`Denied::Unknown`] when there is none of that name.
    pub async fn revoke_token(&self, by: &By<'_>, name: &str) -> Result<(), Denied> {
        self.audited(by, &format!("revoke token {}", cut(name)), async {
            let _changing = self.changing.lock().await;
            if !self.held().tokens.values().any(|token| token.name == name) {
                return Err(Denied::unknown("token", name));
            }
            self.forget_token(name).await?;
            Ok(())
        })
        .await
    }

    /// Every token, ordered by name.
    #[must_use]
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens: Vec<_> = self.held().tokens.values().cloned().collect();
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        tokens
    }

    /// Makes a token for this name and role; one of the same name is void from now on.
    ///
    /// # Errors
    /// When the store fails, or there are no random numbers.
    pub async fn renew_token(&self, name: &str, role: Role) -> Result<String, GateError> {
        let token = random_token()?;
        self.set_token(name, role, &token).await?;
        Ok(token)
    }

    /// Makes this the token of that name; the one before is void from now on.
    ///
    /// # Errors
    /// When the token is shorter than 16 bytes, or the store fails.
    pub async fn set_token(&self, name: &str, role: Role, token: &str) -> Result<(), GateError> {
        if token.len() < SHORTEST {
            let expected = "at least 16 characters";
            return Err(GateError::Invalid {
                what: "token",
                given: format!("token of {name}"),
                expected,
            });
        }
        let digest = digest(token);
        let _changing = self.changing.lock().await;
        let is_known = |held: &Token| held.name == name && held.role == Some(role);
        if self.held().tokens.get(&digest).is_some_and(is_known) {
            return Ok(());
        }
        let token = Token {
            created: Some(self.clock.now().wall),
            ..Token::new(name, role)
        };
        self.keep_token(digest, token).await
    }

    /// Who holds this bearer token.
    pub async fn principal_of_bearer(&self, token: &str) -> Option<Principal> {
        let digest = digest(token);
        let now = self.clock.now().wall;
        let (principal, is_due) = {
            let held = self.held();
            let token = held.tokens.get(&digest)?;
            let is_due = token.last_used.is_none_or(|used| now - used >= USE_NOTED_EVERY);
            (token.principal(&held, now)?, is_due)
        };
        if is_due {
            self.note_use(&digest, now).await;
        }
        Some(principal)
    }

    async fn note_use(&self, digest: &TokenDigest, now: Timestamp) {
        // A use that is noted while its token is revoked must not bring it back.
        let _changing = self.changing.lock().await;
        let token = self.held().tokens.get(digest).cloned();
        let Some(mut token) = token else { return };
        let name = token.name.clone();
        token.last_used = Some(now - Millis(now.0.rem_euclid(USE_NOTED_EVERY.0)));
        if let Err(error) = self.keep_token(*digest, token.clone()).await {
            tracing::warn!("cannot note that token `{name}` was used: {error}");
            // Noted in memory all the same, so that a full disk is not tried again with every request.
            self.held().tokens.insert(*digest, token);
        }
    }

    pub(crate) async fn forget_token(&self, name: &str) -> Result<(), GateError> {
        self.held().tokens.retain(|_, token| token.name != name);
        Ok(self.store.delete_secret(KIND, name).await?)
    }

    async fn keep_token(&self, digest: TokenDigest, token: Token) -> Result<(), GateError> {
        self.store
            .put_secret(KIND, &token.name, &stored(&digest, &token)?)
            .await?;
        let mut held = self.held();
        held.tokens.retain(|_, known| known.name != token.name);
        held.tokens.insert(digest, token);
        Ok(())
    }
}

fn check(token: &Token, now: Timestamp) -> Result<(), Denied> {
    let unfit = |what, expected| Err(Denied::Unfit { what, expected });
    // The same letters as an id: it stands in addresses and log lines.
    if UserId::new(&token.name).is_err() {
        return unfit(
            "name",
            "1 to 63 characters of a-z, 0-9, - and _, starting with a letter or digit",
        );
    }
    if token.expires.is_some_and(|expires| expires <= now) {
        return unfit("expires_ms", "a time in the future");
    }
    if token.scopes.is_empty() {
        return unfit("scopes", "at least one of read, steer, administer");
    }
    if token.role.is_none() && token.sites.is_empty() {
        return unfit("role", "a role, or one on a site");
    }
    Ok(())
}

pub(crate) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// How version 0.1 wrote the role of a token.
fn role_from(owner: &str) -> Option<Role> {
    match owner {
        "role:viewer" => Some(Role::Viewer),
        "role:user" => Some(Role::User),
        "role:operator" => Some(Role::Operator),
        "role:admin" => Some(Role::Admin),
        _ => None,
    }
}
