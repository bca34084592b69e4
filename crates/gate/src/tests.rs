//! The gate as its callers use it, over a store in memory and a clock that is moved by hand.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::id::{CardId, EvseId, SiteId, UserId};
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use model::user::{Card, CardKind, Role, User};
use store::{Audit, Sqlite, Store};

use crate::{By, Denied, Gate, Grant, InstallationKey, PasswordChange, Past, Principal, Roles, Scope, Token};

const PASSWORD: &str = "correct horse";
const DAY: Millis = Millis(86_400_000);
const KEY: [u8; 32] = [1; 32];

/// A gate, its store and its clock.
pub(crate) struct House {
    pub store: Arc<Sqlite>,
    clock: Arc<Stepped>,
    pub gate: Arc<Gate>,
}

#[derive(Default)]
struct Stepped(AtomicI64);

impl Clock for Stepped {
    fn now(&self) -> Now {
        let now = self.0.load(Ordering::Relaxed);
        Now {
            wall: Timestamp(now),
            monotonic: Monotonic(now),
        }
    }
}

impl House {
    pub async fn new() -> Self {
        let (store, clock) = (Sqlite::in_memory().unwrap(), Arc::new(Stepped::default()));
        let gate = open(&store, &clock, KEY).await.unwrap();
        Self { store, clock, gate }
    }

    async fn with_admin() -> Self {
        let house = Self::new().await;
        house.gate.create_admin("admin", PASSWORD).await.unwrap();
        house
    }

    pub async fn restart(&mut self) {
        self.gate = open(&self.store, &self.clock, KEY).await.unwrap();
    }

    /// Starts with another installation key.
    pub async fn restart_with(&mut self, key: [u8; 32]) -> Result<(), crate::GateError> {
        self.gate = open(&self.store, &self.clock, key).await?;
        Ok(())
    }

    pub fn pass(&self, span: Millis) {
        self.clock.0.fetch_add(span.0, Ordering::Relaxed);
    }

    /// Whose session it is, by the name of the principal.
    async fn session(&self, cookie: &str) -> Option<String> {
        self.gate
            .principal_of_session(cookie)
            .await
            .map(|principal| principal.name)
    }

    /// Somebody who has a sign-in link.
    async fn principal(&self, user: &str) -> Principal {
        let ticket = self.gate.sign_in_ticket(user).unwrap();
        self.gate.use_sign_in_ticket(&ticket).await.unwrap().principal
    }

    pub async fn audit(&self) -> Vec<String> {
        let entries = Audit::recent(&*self.store, 100).await.unwrap();
        entries
            .iter()
            .rev()
            .map(|e| format!("{} {} {}", e.principal, e.action, e.outcome))
            .collect()
    }
}

async fn open(
    store: &Arc<Sqlite>,
    clock: &Arc<Stepped>,
    key: [u8; 32],
) -> Result<Arc<Gate>, crate::GateError> {
    let store: Arc<dyn Store> = Arc::<Sqlite>::clone(store);
    let clock: Arc<dyn Clock> = Arc::<Stepped>::clone(clock);
    Gate::open(store, InstallationKey::from_bytes(key), clock).await
}

pub(crate) fn home() -> IpAddr {
    "192.168.1.7".parse().unwrap()
}

fn evse(id: &str) -> EvseId {
    EvseId::new(id).unwrap()
}

#[tokio::test]
async fn the_set_up_link_makes_one_admin_once() {
    let house = House::new().await;
    assert!(!house.gate.has_admin());
    let void = house.gate.setup_ticket().unwrap();
    let ticket = house.gate.setup_ticket().unwrap();
    assert_ne!(void, ticket);
    assert!(matches!(
        house.gate.use_setup_ticket(&void, PASSWORD).await,
        Err(Denied::Wrong)
    ));
    assert!(matches!(
        house.gate.use_setup_ticket(&ticket, "short").await,
        Err(Denied::Unfit { .. })
    ));
    let session = house.gate.use_setup_ticket(&ticket, PASSWORD).await.unwrap();
    assert_eq!(
        session.principal.grant,
        Grant::Roles(Roles::everywhere(Role::Admin))
    );
    assert_eq!(
        house.session(session.cookie_value.expose()).await.as_deref(),
        Some("admin")
    );
    assert!(house.gate.has_admin());
    assert!(matches!(
        house.gate.use_setup_ticket(&ticket, PASSWORD).await,
        Err(Denied::SetUpAlready)
    ));
    house.gate.sign_in("admin", PASSWORD, home()).await.unwrap();
    assert_eq!(house.audit().await, ["admin set up done", "admin sign in done"]);
}

#[tokio::test]
async fn a_password_is_right_or_wrong() {
    let house = House::with_admin().await;
    let long = format!("{PASSWORD}{}", "x".repeat(2_000));
    for (user, password, expected) in [
        ("admin", PASSWORD, true),
        ("admin", "correct horsf", false),
        ("admin", "", false),
        ("admin", long.as_str(), false),
        ("nobody", PASSWORD, false),
        ("", PASSWORD, false),
        ("no user id!", PASSWORD, false),
    ] {
        match house.gate.sign_in(user, password, home()).await {
            Ok(session) => {
                assert!(expected, "{user} {password}");
                assert_eq!(
                    house.session(session.cookie_value.expose()).await.as_deref(),
                    Some("admin")
                );
                assert!(!format!("{session:?}").contains(session.cookie_value.expose()));
            }
            Err(denied) => {
                assert!(
                    !expected && matches!(denied, Denied::Wrong),
                    "{user} {password} {denied:?}"
                );
            }
        }
        house.pass(Millis(1_000));
    }
    let audit = house.audit().await;
    assert_eq!(
        audit
            .iter()
            .filter(|line| *line == "admin sign in refused")
            .count(),
        3
    );
    assert_eq!(
        audit
            .iter()
            .filter(|line| *line == "unknown sign in refused")
            .count(),
        3
    );
}

#[tokio::test]
async fn refusals_in_a_flood_share_a_note() {
    let house = House::with_admin().await;
    for _ in 0..3 {
        let _ = house.gate.sign_in("admin", "wrong", home()).await;
    }
    house.pass(Millis(1_000));
    let _ = house.gate.sign_in("admin", "wrong", home()).await;
    let notes = [
        "admin sign in refused",
        "admin sign in refused, as 2 others since the last note",
    ];
    assert_eq!(house.audit().await, notes);
}

#[tokio::test]
async fn a_right_password_passes_while_wrong_ones_wait() {
    let house = House::with_admin().await;
    for _ in 0..30 {
        assert!(matches!(house.gate.failed(home(), "admin").await, Denied::Wrong));
    }
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let gate = Arc::clone(&house.gate);
            tokio::spawn(async move { gate.failed(home(), "admin").await })
        })
        .collect();
    // One thread runs them all: after this each has begun to wait.
    tokio::task::yield_now().await;
    assert!(matches!(
        house.gate.failed(home(), "admin").await,
        Denied::TooMany { .. }
    ));
    house.gate.sign_in("admin", PASSWORD, home()).await.unwrap();
    let still_waiting = waiting.iter().filter(|task| !task.is_finished()).count();
    assert!(still_waiting > 0, "the right password came after the wrong ones");
    for task in &waiting {
        task.abort();
    }
    for task in waiting {
        let _ = task.await;
    }
    let next = tokio::time::timeout(Millis(1).to_std(), house.gate.failed(home(), "admin")).await;
    assert!(
        next.is_err(),
        "those who went away while waiting kept their places"
    );
}

#[tokio::test]
async fn sessions_slide_for_thirty_days_and_survive_a_restart() {
    let mut house = House::with_admin().await;
    let session = house.gate.sign_in("admin", PASSWORD, home()).await.unwrap();
    let cookie = session.cookie_value.expose();
    for _ in 0..5 {
        house.pass(Millis(20 * DAY.0));
        house.restart().await;
        assert_eq!(house.session(cookie).await.as_deref(), Some("admin"));
    }
    house.pass(Millis(30 * DAY.0 + 1));
    assert_eq!(house.session(cookie).await, None);
    house.restart().await;
    assert_eq!(house.session(cookie).await, None);
    assert!(
        store::Secrets::secrets(&*house.store, "session")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn signing_out_ends_one_session_and_a_new_password_all() {
    let mut house = House::with_admin().await;
    let mut cookies = Vec::new();
    for _ in 0..3 {
        cookies.push(
            house
                .gate
                .sign_in("admin", PASSWORD, home())
                .await
                .unwrap()
                .cookie_value,
        );
    }
    house.gate.sign_out(cookies[0].expose()).await.unwrap();
    house.gate.sign_out("never given out").await.unwrap();
    assert_eq!(house.session(cookies[0].expose()).await, None);
    house.gate.create_admin("admin", PASSWORD).await.unwrap();
    assert!(house.session(cookies[1].expose()).await.is_some());
    house.gate.create_admin("admin", "another horse").await.unwrap();
    house.restart().await;
    for cookie in &cookies {
        assert_eq!(house.session(cookie.expose()).await, None);
    }
    assert!(house.gate.sign_in("admin", PASSWORD, home()).await.is_err());
    house
        .gate
        .sign_in("admin", "another horse", home())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_user_has_at_most_a_hundred_sessions() {
    let house = House::with_admin().await;
    let mut first = None;
    for _ in 0..101 {
        let ticket = house.gate.sign_in_ticket("admin").unwrap();
        let session = house.gate.use_sign_in_ticket(&ticket).await.unwrap();
        first.get_or_insert(session.cookie_value);
        house.pass(Millis(1));
    }
    assert_eq!(
        store::Secrets::secrets(&*house.store, "session")
            .await
            .unwrap()
            .len(),
        100
    );
    assert_eq!(house.session(first.unwrap().expose()).await, None);
}

#[tokio::test]
async fn a_sign_in_link_works_once_and_the_newest_counts() {
    let house = House::with_admin().await;
    assert!(house.gate.sign_in_ticket("nobody").is_err());
    let void = house.gate.sign_in_ticket("admin").unwrap();
    let ticket = house.gate.sign_in_ticket("admin").unwrap();
    for (ticket, expected) in [
        (&void, false),
        (&ticket, true),
        (&ticket, false),
        (&String::new(), false),
    ] {
        assert_eq!(house.gate.use_sign_in_ticket(ticket).await.is_ok(), expected);
    }
}

#[tokio::test]
async fn tokens_are_known_by_name_and_kept() {
    let mut house = House::with_admin().await;
    let token = house
        .gate
        .renew_token("home-assistant", Role::User)
        .await
        .unwrap();
    let old = house.gate.renew_token("script", Role::Admin).await.unwrap();
    let new = house.gate.renew_token("script", Role::Viewer).await.unwrap();
    house
        .gate
        .set_token("script-2", Role::Viewer, "0123456789abcdef")
        .await
        .unwrap();
    assert!(
        house
            .gate
            .set_token("weak", Role::Viewer, "0123456789abcde")
            .await
            .is_err()
    );
    for _ in 0..2 {
        let name = async |token: &str| {
            let principal = house.gate.principal_of_bearer(token).await;
            principal.map(|p| (p.name, p.grant))
        };
        let user = Some((
            "token:home-assistant".to_owned(),
            Grant::Roles(Roles::everywhere(Role::User)),
        ));
        assert_eq!(name(&token).await, user);
        assert_eq!(name(&old).await, None);
        assert_eq!(
            name(&new).await,
            Some((
                "token:script".to_owned(),
                Grant::Roles(Roles::everywhere(Role::Viewer))
            ))
        );
        assert!(name("0123456789abcdef").await.is_some());
        assert_eq!(name("").await, None);
        house.restart().await;
    }
    for (name, secret) in store::Secrets::secrets(&*house.store, "token").await.unwrap() {
        assert!(
            !secret
                .bytes
                .windows(16)
                .any(|part| token.as_bytes().starts_with(part)),
            "{name} is kept in clear"
        );
    }
}

#[tokio::test]
async fn a_token_does_what_it_was_made_for_until_it_ends() {
    let mut house = House::with_admin().await;
    let admin = house.principal("admin").await;
    let by = By::new(&admin, "native");
    let wanted = Token {
        role: None,
        sites: [(SiteId::new("home").unwrap(), Role::Operator)].into(),
        scopes: [Scope::Read].into(),
        expires: Some(Timestamp(2 * DAY.0)),
        ..Token::new("script", Role::Operator)
    };
    for (unfit, what) in [
        (Token::new("no name!", Role::User), "name"),
        (
            Token {
                expires: Some(Timestamp(0)),
                ..wanted.clone()
            },
            "expires_ms",
        ),
        (
            Token {
                scopes: [].into(),
                ..wanted.clone()
            },
            "scopes",
        ),
        (
            Token {
                sites: [].into(),
                ..wanted.clone()
            },
            "role",
        ),
    ] {
        let denied = house.gate.create_token(&by, unfit).await.unwrap_err();
        assert!(
            matches!(denied, Denied::Unfit { what: found, .. } if found == what),
            "{what}: {denied:?}"
        );
    }
    let token = house.gate.create_token(&by, wanted.clone()).await.unwrap();
    assert!(matches!(
        house.gate.create_token(&by, wanted).await,
        Err(Denied::Taken { .. })
    ));
    house.pass(Millis(DAY.0 + 5));
    for _ in 0..2 {
        let principal = house.gate.principal_of_bearer(token.expose()).await.unwrap();
        let Grant::Roles(roles) = principal.grant else {
            panic!("{principal:?}");
        };
        assert_eq!(roles.everywhere, None);
        assert_eq!(roles.on(&SiteId::new("home").unwrap()), Some(Role::Operator));
        assert_eq!(roles.scopes, [Scope::Read].into());
        let [listed] = house.gate.tokens().try_into().unwrap();
        assert_eq!(
            (
                listed.by.as_ref().map(UserId::as_str),
                listed.created,
                listed.last_used
            ),
            (Some("admin"), Some(Timestamp(0)), Some(Timestamp(DAY.0)))
        );
        house.restart().await;
    }
    house.pass(DAY);
    assert!(house.gate.principal_of_bearer(token.expose()).await.is_none());

    let token = house
        .gate
        .create_token(&by, Token::new("other", Role::Admin))
        .await
        .unwrap();
    assert!(house.gate.principal_of_bearer(token.expose()).await.is_some());
    house.gate.revoke_token(&by, "other").await.unwrap();
    assert!(house.gate.principal_of_bearer(token.expose()).await.is_none());
    assert!(matches!(
        house.gate.revoke_token(&by, "other").await,
        Err(Denied::Unknown { .. })
    ));
    house.restart().await;
    assert!(house.gate.principal_of_bearer(token.expose()).await.is_none());
    let audit = house.audit().await;
    for line in [
        "admin create token script done",
        "admin create token script refused: the name is taken already; choose another",
        "admin revoke token other done",
    ] {
        assert!(audit.iter().any(|entry| entry == line), "{line}: {audit:?}");
    }
}

#[tokio::test]
async fn tokens_of_the_first_version_are_taken_over() {
    let mut house = House::new().await;
    let secret = store::StoredSecret {
        owner: "role:operator".to_owned(),
        bytes: crate::secrets::digest("a token of long ago").to_vec(),
        expires: None,
    };
    store::Secrets::put_secret(&*house.store, "token", "old", &secret)
        .await
        .unwrap();
    for _ in 0..2 {
        house.restart().await;
        let principal = house
            .gate
            .principal_of_bearer("a token of long ago")
            .await
            .unwrap();
        assert_eq!(
            (principal.name.as_str(), principal.grant),
            ("token:old", Grant::Roles(Roles::everywhere(Role::Operator)))
        );
    }
}

#[tokio::test]
async fn basic_remembers_what_was_proved_and_not_longer_than_it_is_true() {
    let house = House::with_admin().await;
    let basic = async |password: &str| house.gate.basic("admin", password, home()).await.map(|p| p.name);
    assert!(matches!(basic("wrong").await, Err(Denied::Wrong)));
    assert_eq!(basic(PASSWORD).await.unwrap(), "admin");
    // Whether it comes from memory shows when the store has forgotten the password.
    store::Secrets::delete_secret(&*house.store, "password", "admin")
        .await
        .unwrap();
    assert_eq!(basic(PASSWORD).await.unwrap(), "admin");
    assert!(basic("wrong").await.is_err());
    house.pass(Millis(10 * 60_000));
    assert!(basic(PASSWORD).await.is_err());
    house.gate.create_admin("admin", PASSWORD).await.unwrap();
    basic(PASSWORD).await.unwrap();
    house.gate.create_admin("admin", "another horse").await.unwrap();
    assert!(basic(PASSWORD).await.is_err());
    basic("another horse").await.unwrap();
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_or_an_administrator() {
    let house = House::with_admin().await;
    let admin = house.principal("admin").await;
    let by = By::new(&admin, "native");
    let user = UserId::new("admin").unwrap();
    let kept = house.gate.sign_in("admin", PASSWORD, home()).await.unwrap();
    let other = house.gate.sign_in("admin", PASSWORD, home()).await.unwrap();
    let change = |password, current| PasswordChange {
        password,
        current,
        cookie: Some(kept.cookie_value.expose()),
        source: home(),
    };
    for (new, current, what) in [
        ("a new horse", None, "current"),
        ("a new horse", Some("wrong"), "current"),
        ("short", Some(PASSWORD), "the password"),
    ] {
        let denied = house
            .gate
            .set_password(&by, &user, change(new, current))
            .await
            .unwrap_err();
        assert!(
            matches!(denied, Denied::Unfit { what: found, .. } if found == what),
            "{what}: {denied:?}"
        );
    }
    let nobody = UserId::new("nobody").unwrap();
    assert!(matches!(
        house
            .gate
            .set_password(&by, &nobody, change("a new horse", None))
            .await,
        Err(Denied::Unknown { .. })
    ));
    let own = change("a new horse", Some(PASSWORD));
    house.gate.set_password(&by, &user, own).await.unwrap();
    assert!(house.session(kept.cookie_value.expose()).await.is_some());
    assert!(house.session(other.cookie_value.expose()).await.is_none());
    house.gate.sign_in("admin", "a new horse", home()).await.unwrap();

    let console = Principal::console();
    let made = house
        .gate
        .reset_password(&By::new(&console, "console"), &user)
        .await
        .unwrap();
    assert!(house.session(kept.cookie_value.expose()).await.is_none());
    house.gate.sign_in("admin", made.expose(), home()).await.unwrap();
    let audit = house.audit().await;
    assert!(audit.contains(&"console set password of user admin done".to_owned()));
    assert!(!audit.join("\n").contains("horse"), "{audit:?}");
}

#[tokio::test]
async fn sessions_are_listed_and_end_together() {
    let house = House::with_admin().await;
    let admin = Principal::console();
    let user = UserId::new("admin").unwrap();
    let first = house.gate.sign_in("admin", PASSWORD, home()).await.unwrap();
    house.pass(DAY);
    house.gate.sign_in("admin", PASSWORD, home()).await.unwrap();
    let listed = house.gate.sessions_of(&user, Some(first.cookie_value.expose()));
    let shown: Vec<_> = listed
        .iter()
        .map(|session| (session.last_used.0, session.is_current))
        .collect();
    assert_eq!(shown, [(DAY.0, false), (0, true)]);
    house
        .gate
        .sign_out_everywhere(&By::new(&admin, "native"), &user)
        .await
        .unwrap();
    assert!(house.gate.sessions_of(&user, None).is_empty());
    assert!(house.session(first.cookie_value.expose()).await.is_none());
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let house = House::with_admin().await;
    let admin = house.principal("admin").await;
    let by = By::new(&admin, "native");
    let id = UserId::new("admin").unwrap();
    let with = |change: fn(&mut User)| {
        let mut user = house.gate.user(&id).unwrap();
        change(&mut user);
        user
    };
    let demote: fn(&mut User) = |user| user.role = Some(Role::Operator);
    let disable: fn(&mut User) = |user| user.enabled = false;
    let only_here: fn(&mut User) = |user| {
        user.role = None;
        user.sites.insert(SiteId::new("home").unwrap(), Role::Admin);
    };
    for change in [demote, disable, only_here] {
        let denied = house.gate.change_user(&by, with(change)).await.unwrap_err();
        assert!(matches!(denied, Denied::LastAdmin), "{denied:?}");
    }
    let denied = house.gate.delete_user(&by, &id, Past::Keep).await.unwrap_err();
    assert!(matches!(denied, Denied::LastAdmin), "{denied:?}");

    let mut other = User::new(UserId::new("zoe").unwrap(), "Zoe", Role::Admin);
    other.enabled = false;
    house.gate.create_user(&by, other.clone()).await.unwrap();
    assert!(house.gate.change_user(&by, with(demote)).await.is_err());
    other.enabled = true;
    house.gate.change_user(&by, other.clone()).await.unwrap();
    let denied = house.gate.change_user(&by, with(demote)).await.unwrap_err();
    assert!(
        matches!(denied, Denied::LastAdmin),
        "the other has no password: {denied:?}"
    );
    house.gate.reset_password(&by, &other.id).await.unwrap();
    house.gate.change_user(&by, with(demote)).await.unwrap();
}

/// The power went between the two halves of making the first administrator, in a version that wrote the user
/// first.
#[tokio::test]
async fn an_administrator_who_cannot_sign_in_is_none() {
    let mut house = House::new().await;
    let half = User::new(UserId::new("admin").unwrap(), "admin", Role::Admin);
    store::Typed::put(&*house.store, &half).await.unwrap();
    house.restart().await;
    assert!(!house.gate.has_admin());
    let ticket = house.gate.setup_ticket().unwrap();
    house.gate.use_setup_ticket(&ticket, PASSWORD).await.unwrap();
    house.gate.sign_in("admin", PASSWORD, home()).await.unwrap();
}

#[tokio::test]
async fn a_set_up_that_was_broken_off_can_be_begun_again() {
    let house = House::new().await;
    let ticket = house.gate.setup_ticket().unwrap();
    let begun = house.gate.use_setup_ticket(&ticket, PASSWORD);
    assert!(tokio::time::timeout(Millis(0).to_std(), begun).await.is_err());
    house.gate.use_setup_ticket(&ticket, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn signing_out_is_noted_and_a_made_up_cookie_is_not() {
    let house = House::with_admin().await;
    let session = house.gate.sign_in("admin", PASSWORD, home()).await.unwrap();
    house.gate.sign_out("made up").await.unwrap();
    house.gate.sign_out(session.cookie_value.expose()).await.unwrap();
    assert_eq!(house.audit().await, ["admin sign in done", "admin sign out done"]);
}

#[tokio::test]
async fn what_a_token_makes_ends_with_the_person_behind_it() {
    let house = House::with_admin().await;
    let console = Principal::console();
    let by = By::new(&console, "console");
    let zoe = UserId::new("zoe").unwrap();
    house
        .gate
        .create_user(&by, User::new(zoe.clone(), "Zoe", Role::Admin))
        .await
        .unwrap();
    let mut maker = house.principal("zoe").await;
    let mut made = Vec::new();
    for name in ["first", "second", "third"] {
        let wanted = Token::new(name, Role::Admin);
        let token = house
            .gate
            .create_token(&By::new(&maker, "native"), wanted)
            .await
            .unwrap();
        maker = house.gate.principal_of_bearer(token.expose()).await.unwrap();
        made.push(token);
    }
    house.gate.delete_user(&by, &zoe, Past::Keep).await.unwrap();
    for token in made {
        assert_eq!(house.gate.principal_of_bearer(token.expose()).await, None);
    }
    assert!(house.gate.tokens().is_empty());
}

#[tokio::test]
async fn who_is_disabled_or_deleted_is_out_at_once() {
    let mut house = House::with_admin().await;
    let console = Principal::console();
    let by = By::new(&console, "console");
    let zoe = User::new(UserId::new("zoe").unwrap(), "Zoe", Role::Admin);
    house.gate.create_user(&by, zoe.clone()).await.unwrap();
    assert!(matches!(
        house.gate.create_user(&by, zoe.clone()).await,
        Err(Denied::Taken { .. })
    ));
    let set = PasswordChange {
        password: PASSWORD,
        current: None,
        cookie: None,
        source: home(),
    };
    house.gate.set_password(&by, &zoe.id, set).await.unwrap();
    assert!(house.gate.has_password(&zoe.id));
    let session = house.gate.sign_in("zoe", PASSWORD, home()).await.unwrap();
    let as_zoe = session.principal.clone();
    let token = house
        .gate
        .create_token(&By::new(&as_zoe, "native"), Token::new("hers", Role::Admin))
        .await
        .unwrap();
    house.gate.basic("zoe", PASSWORD, home()).await.unwrap();

    let mut changed = zoe.clone();
    changed.role = Some(Role::Viewer);
    house.gate.change_user(&by, changed).await.unwrap();
    let capped = house.gate.principal_of_bearer(token.expose()).await.unwrap();
    assert_eq!(capped.grant, Grant::Roles(Roles::everywhere(Role::Viewer)));

    let mut disabled = zoe.clone();
    disabled.enabled = false;
    house.gate.change_user(&by, disabled).await.unwrap();
    let ticket = house.gate.sign_in_ticket("zoe").unwrap();
    for _ in 0..2 {
        assert!(house.session(session.cookie_value.expose()).await.is_none());
        assert!(house.gate.principal_of_bearer(token.expose()).await.is_none());
        assert!(house.gate.basic("zoe", PASSWORD, home()).await.is_err());
        assert!(house.gate.sign_in("zoe", PASSWORD, home()).await.is_err());
        assert!(house.gate.use_sign_in_ticket(&ticket).await.is_err());
        house.restart().await;
    }
    house.gate.change_user(&by, zoe.clone()).await.unwrap();
    assert!(house.session(session.cookie_value.expose()).await.is_none());
    assert!(house.gate.principal_of_bearer(token.expose()).await.is_some());

    house
        .gate
        .delete_user(&by, &zoe.id, Past::Anonymise)
        .await
        .unwrap();
    house.gate.create_user(&by, zoe.clone()).await.unwrap();
    for _ in 0..2 {
        assert!(house.gate.principal_of_bearer(token.expose()).await.is_none());
        assert!(house.gate.sign_in("zoe", PASSWORD, home()).await.is_err());
        assert!(!house.gate.has_password(&zoe.id));
        house.restart().await;
    }
}

fn card(id: &str, user: &str, kind: CardKind) -> Card {
    Card {
        id: CardId::new(id).unwrap(),
        user: UserId::new(user).unwrap(),
        kind,
        name: id.to_owned(),
        enabled: true,
        valid_until: None,
        budget: None,
        phases: None,
        tariff: None,
        vehicle: None,
        rules: Vec::new(),
    }
}

#[tokio::test]
async fn cards_are_known_by_number_and_charge_where_their_user_may() {
    let mut house = House::with_admin().await;
    let console = Principal::console();
    let by = By::new(&console, "console");
    let (at_home, yard) = (SiteId::new("home").unwrap(), SiteId::new("yard").unwrap());
    let mut zoe = User::new(UserId::new("zoe").unwrap(), "Zoe", Role::User);
    zoe.sites.insert(yard.clone(), Role::Viewer);
    house.gate.create_user(&by, zoe.clone()).await.unwrap();
    let rfid = card("rfid", "zoe", CardKind::Rfid);
    let made = house
        .gate
        .create_card(&by, rfid.clone(), "04:a2:3b:11")
        .await
        .unwrap();
    assert_eq!(made.hint.as_deref(), Some("3B11"));
    let pin = house
        .gate
        .create_card(&by, card("pin", "zoe", CardKind::Pin), "0815")
        .await
        .unwrap();
    assert_eq!(pin.hint, None);
    for (again, number) in [("rfid", "99999999"), ("other", "04A23B11"), ("other", "08 15")] {
        let denied = house
            .gate
            .create_card(&by, card(again, "admin", CardKind::Rfid), number)
            .await
            .unwrap_err();
        let is_unfit = number == "08 15";
        assert_eq!(
            matches!(denied, Denied::Unfit { .. }),
            is_unfit,
            "{number} {denied:?}"
        );
        assert_eq!(
            matches!(denied, Denied::Taken { .. }),
            !is_unfit,
            "{number} {denied:?}"
        );
    }
    assert!(matches!(
        house
            .gate
            .create_card(&by, card("lost", "nobody", CardKind::Rfid), "88888888")
            .await,
        Err(Denied::Unknown { .. })
    ));
    let found = async |house: &House, site: &SiteId, number: &str| {
        let found = house.gate.card_by_number(site, number, home()).await;
        found.map(|(user, card)| format!("{} {}", user.id, card.id))
    };
    for _ in 0..2 {
        for (site, number, expected) in [
            (&at_home, "04a23b11", Some("zoe rfid")),
            (&at_home, "04 A2 3B 11", Some("zoe rfid")),
            (&at_home, "0815", Some("zoe pin")),
            (&yard, "0815", None),
            (&at_home, "0816", None),
            (&at_home, "", None),
        ] {
            assert_eq!(
                found(&house, site, number).await.as_deref(),
                expected,
                "{site} {number}"
            );
        }
        let number = house.gate.card_number(&rfid.id).await.unwrap().unwrap();
        assert_eq!(number.expose(), "04A23B11");
        house.restart().await;
    }
    for (name, secret) in store::Secrets::secrets(&*house.store, "card").await.unwrap() {
        let has = |text: &[u8]| secret.bytes.windows(text.len()).any(|part| part == text);
        assert!(!has(b"04A23B11") && !has(b"0815"), "{name} is kept in clear");
    }

    let changed = |change: fn(&mut Card)| {
        let mut card = rfid.clone();
        change(&mut card);
        card
    };
    let disable: fn(&mut Card) = |card| card.enabled = false;
    let end: fn(&mut Card) = |card| card.valid_until = Some(Timestamp(0));
    let same: fn(&mut Card) = |_| {};
    for (change, expected) in [(disable, None), (end, None), (same, Some("zoe rfid"))] {
        house.gate.change_card(&by, changed(change), None).await.unwrap();
        assert_eq!(found(&house, &at_home, "04a23b11").await.as_deref(), expected);
    }
    house
        .gate
        .change_card(&by, rfid.clone(), Some("11111111"))
        .await
        .unwrap();
    assert_eq!(found(&house, &at_home, "04a23b11").await, None);
    assert!(found(&house, &at_home, "11111111").await.is_some());
    zoe.enabled = false;
    house.gate.change_user(&by, zoe.clone()).await.unwrap();
    assert_eq!(found(&house, &at_home, "11111111").await, None);
    zoe.enabled = true;
    house.gate.change_user(&by, zoe.clone()).await.unwrap();
    house.gate.delete_card(&by, &zoe.id, "rfid").await.unwrap();
    assert!(house.gate.delete_card(&by, &zoe.id, "rfid").await.is_err());
    house.gate.delete_user(&by, &zoe.id, Past::Keep).await.unwrap();
    house.restart().await;
    assert_eq!(found(&house, &at_home, "0815").await, None);
    assert!(house.gate.cards_of(&zoe.id).is_empty());
    assert!(!house.audit().await.join("\n").contains("04A23B11"));
}

#[tokio::test]
async fn tried_pins_wait_for_the_site_and_a_right_one_does_not() {
    let house = House::with_admin().await;
    let console = Principal::console();
    let by = By::new(&console, "console");
    let site = SiteId::new("home").unwrap();
    house
        .gate
        .create_card(&by, card("pin", "admin", CardKind::Pin), "0815")
        .await
        .unwrap();
    // Thirty sources, one failure each: none of them is slowed down by itself.
    for n in 0..30 {
        let source = IpAddr::from([10, 0, 0, n]);
        assert!(house.gate.card_by_number(&site, "9999", source).await.is_none());
    }
    let waiting: Vec<_> = (100..108)
        .map(|n| {
            let (gate, site) = (Arc::clone(&house.gate), site.clone());
            tokio::spawn(async move {
                gate.card_by_number(&site, "9998", IpAddr::from([10, 0, 0, n]))
                    .await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    let right = async |last| {
        let source = IpAddr::from([10, 0, 0, last]);
        house.gate.card_by_number(&site, "0815", source).await.is_some()
    };
    assert!(right(200).await, "from where nobody has failed");
    assert!(!right(100).await, "not looked at, since its source tries numbers");
    let reader = evse("left");
    assert!(house.gate.card_by_number(&site, "0815", &reader).await.is_some());
    for task in waiting {
        task.abort();
        let _ = task.await;
    }
    assert!(right(100).await);
}
