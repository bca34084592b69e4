//! Bearer tokens of programs: named, with a role, kept as SHA-256.
//!
//! A token is found by its digest. Whoever guesses cannot steer the digest, so how long the search takes
//! tells nothing about the token.

use std::collections::BTreeMap;

use model::user::Role;
use store::{Store, StoredSecret};

use crate::denied::GateError;
use crate::gate::Gate;
use crate::principal::Principal;
use crate::secrets::{TokenDigest, digest, random_token};

const KIND: &str = "token";
/// A token somebody chose must not be guessable in a lifetime of trying.
const SHORTEST: usize = 16;

pub(crate) struct Token {
    name: String,
    role: Role,
}

pub(crate) async fn load(store: &dyn Store) -> Result<BTreeMap<TokenDigest, Token>, GateError> {
    let mut tokens = BTreeMap::new();
    for (name, secret) in store.secrets(KIND).await? {
        let digest = TokenDigest::try_from(secret.bytes.as_slice());
        if let (Ok(digest), Some(role)) = (digest, role_from(&secret.owner)) {
            tokens.insert(digest, Token { name, role });
        }
    }
    Ok(tokens)
}

impl Gate {
    /// Makes a token; one of the same name is void from now on.
    ///
    /// # Errors
    /// When the store fails, or there are no random numbers.
    pub async fn create_token(&self, name: &str, role: Role) -> Result<String, GateError> {
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
        let is_known = |held: &Token| held.name == name && held.role == role;
        if self.held().tokens.get(&digest).is_some_and(is_known) {
            return Ok(());
        }
        let secret = StoredSecret {
            owner: role_name(role).to_owned(),
            bytes: digest.to_vec(),
            expires: None,
        };
        self.store.put_secret(KIND, name, &secret).await?;
        let mut held = self.held();
        held.tokens.retain(|_, token| token.name != name);
        held.tokens.insert(
            digest,
            Token {
                name: name.to_owned(),
                role,
            },
        );
        Ok(())
    }

    /// Who holds this bearer token.
    #[must_use]
    pub fn principal_of_bearer(&self, token: &str) -> Option<Principal> {
        let digest = digest(token);
        self.held()
            .tokens
            .get(&digest)
            .map(|token| Principal::token(&token.name, token.role))
    }
}

/// Tokens belong to nobody but their role.
const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "role:viewer",
        Role::User => "role:user",
        Role::Operator => "role:operator",
        Role::Admin => "role:admin",
    }
}

fn role_from(name: &str) -> Option<Role> {
    [Role::Viewer, Role::User, Role::Operator, Role::Admin]
        .into_iter()
        .find(|role| role_name(*role) == name)
}
