//! Name and password with every call, as dialects with HTTP Basic send them.
//!
//! Argon2 costs some ten milliseconds on purpose, so what was proved is remembered for a while: not the
//! password, but a digest of name and password under the installation key, in memory only. A new password
//! or a user who is disabled or gone takes it away.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::id::UserId;
use model::time::{Millis, Monotonic};

use crate::denied::Denied;
use crate::gate::Gate;
use crate::principal::Principal;
use crate::secrets::TokenDigest;

const KIND: &str = "basic";
const LIFE: Millis = Millis(10 * 60 * 1_000);
/// Beyond it the one that would end first is forgotten.
const REMEMBERED: usize = 256;

/// Credentials that were right a short while ago.
#[derive(Default)]
pub(crate) struct Proven {
    entries: BTreeMap<TokenDigest, Entry>,
    /// Grows whenever something was taken away: what was proved before must not be remembered after.
    removals: u64,
}

struct Entry {
    user: UserId,
    ends: Monotonic,
}

impl Proven {
    fn user(&self, digest: &TokenDigest, now: Monotonic) -> Option<&UserId> {
        let entry = self.entries.get(digest)?;
        (now < entry.ends).then_some(&entry.user)
    }

    fn remember(&mut self, digest: TokenDigest, user: UserId, now: Monotonic) {
        self.entries.retain(|_, entry| now < entry.ends);
        if self.entries.len() >= REMEMBERED {
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.ends);
            if let Some(first) = first.map(|(digest, _)| *digest) {
                self.entries.remove(&first);
            }
        }
        let ends = now + LIFE;
        self.entries.insert(digest, Entry { user, ends });
    }

    pub(crate) fn forget(&mut self, user: &UserId) {
        self.removals += 1;
        self.entries.retain(|_, entry| entry.user != *user);
    }
}

impl Gate {
    /// Who has this name and password. Failures are slowed down like those of [`Gate::sign_in`].
    ///
    /// # Errors
    /// As [`Gate::sign_in`].
    pub async fn basic(&self, user: &str, password: &str, source: IpAddr) -> Result<Principal, Denied> {
        let digest = self.key.keyed_digest(KIND, &[user, password]);
        let removals = {
            let held = self.held();
            let proven = held.proven.user(&digest, self.clock.now().monotonic);
            let known = proven.and_then(|user| held.users.get(user));
            if let Some(user) = known.filter(|user| user.enabled) {
                return Ok(Principal::user(user));
            }
            held.proven.removals
        };
        let (user, _) = self.prove_password(user, password, source).await?;
        let mut held = self.held();
        if held.proven.removals == removals {
            let now = self.clock.now().monotonic;
            held.proven.remember(digest, user.id.clone(), now);
        }
        Ok(Principal::user(&user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_proved_is_forgotten_in_time_and_in_number() {
        let mut proven = Proven::default();
        let (zoe, ann) = (UserId::new("zoe").unwrap(), UserId::new("ann").unwrap());
        proven.remember([1; 32], zoe.clone(), Monotonic(0));
        proven.remember([2; 32], ann.clone(), Monotonic(1));
        assert_eq!(proven.user(&[1; 32], Monotonic(LIFE.0 - 1)), Some(&zoe));
        assert_eq!(proven.user(&[1; 32], Monotonic(LIFE.0)), None);
        proven.forget(&zoe);
        assert_eq!(proven.user(&[1; 32], Monotonic(1)), None);
        assert_eq!(proven.user(&[2; 32], Monotonic(1)), Some(&ann));
        for n in 0..REMEMBERED {
            let mut digest = [3; 32];
            digest[..8].copy_from_slice(&n.to_le_bytes());
            proven.remember(digest, zoe.clone(), Monotonic(2));
        }
        assert_eq!(proven.entries.len(), REMEMBERED);
        assert_eq!(proven.user(&[2; 32], Monotonic(2)), None, "the eldest goes first");
    }
}
