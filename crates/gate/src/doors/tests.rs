//! Doors of dialects as north uses them. The dialects here are made up, but for the words of one that databases
//! have held before doors were for all.

use std::sync::Mutex;

use model::dialect::Dialect;
use model::id::{DeviceId, EvseId, SiteId};
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use model::user::Role;
use store::{Audit, Nouns, Secrets, StoredSecret};

use super::{Access, Account, Claim, DoorCaller, DoorSession, Life, Login, Passing, Switches, Thing};
use crate::tests::{House, home};
use crate::{Action, By, Denied, Gate, Grant, Principal, Subject, may};

const BOX: Dialect = Dialect {
    name: "boxes",
    title: "Boxes",
    switched: "cloud form",
};
const SUN: Dialect = Dialect {
    name: "sun",
    title: "Sun",
    switched: "answers",
};
const LIFE: Millis = Millis(604_800_000);

fn evse(id: &str) -> Thing {
    Thing::Evse(EvseId::new(id).unwrap())
}

fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}

async fn settle(gate: &Gate, id: &str, name: &str, token: Option<&str>) -> Result<(), crate::GateError> {
    let token = token.map(Secret::new);
    let access = Access::new(BOX, name, evse(id));
    gate.settle_credential(&access, token.as_ref()).await
}

fn token_of(gate: &Gate, id: &str) -> Option<String> {
    let token = gate.credential(&BOX, &evse(id)).unwrap();
    token.map(|token| token.expose().to_owned())
}

async fn by_token(gate: &Gate, name: Option<&str>, token: &str) -> Option<Thing> {
    let found = gate.by_token(&BOX, name, token, home()).await;
    found.map(|(access, _)| access.thing)
}

#[test]
fn things_are_read_as_they_are_written() {
    for text in ["evse:left", "device:meter", "site:home", "account:7"] {
        let thing: Thing = text.parse().unwrap();
        assert_eq!(thing.to_string(), text);
        assert_eq!(Thing::of_secret_name(&thing.secret_name()), Some(thing));
    }
    for text in ["", "left", "evse:", "evse:Left", "car:blue", "account:x"] {
        assert!(text.parse::<Thing>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn names_are_assigned_once_and_numbers_never_given_away_again() {
    let mut house = House::new().await;
    let meter = Thing::Device(DeviceId::new("meter").unwrap());
    let (home, yard) = (Thing::Site(site("home")), Thing::Site(site("yard")));
    for _ in 0..2 {
        let gate = &house.gate;
        assert_eq!(gate.number(&SUN, "plant", &home).await.unwrap(), 1);
        assert_eq!(gate.number(&SUN, "plant", &yard).await.unwrap(), 2);
        assert_eq!(gate.number(&SUN, "pn", &yard).await.unwrap(), 1);
        gate.assign(&SUN, "device:B,1,1,X", &meter).await.unwrap();
        gate.assign(&SUN, "device:A,1,1,X", &meter).await.unwrap();
        gate.assign(&BOX, "device:A,1,1,X", &yard).await.unwrap();
        assert!(gate.assign(&SUN, "device:A,1,1,X", &yard).await.is_err());
        for odd in ["", "two words", "ü", &"x".repeat(129)] {
            assert!(gate.assign(&SUN, odd, &yard).await.is_err(), "{odd}");
        }
        assert_eq!(gate.named(&SUN, "plant:2"), Some(yard.clone()));
        assert_eq!(gate.named(&SUN, "plant:3"), None);
        assert_eq!(gate.names_of(&SUN, &meter), ["device:A,1,1,X", "device:B,1,1,X"]);
        assert_eq!(gate.names_of(&BOX, &meter), [""; 0]);
        assert_eq!(gate.accesses(&SUN), []);
        house.restart().await;
    }
}

#[tokio::test]
async fn things_are_known_by_name_and_token() {
    let mut house = House::new().await;
    settle(&house.gate, "left", "000001", Some("myapitoken"))
        .await
        .unwrap();
    settle(&house.gate, "right", "000002", None).await.unwrap();
    let generated = token_of(&house.gate, "right").unwrap();
    assert_eq!(generated.len(), 32);
    for _ in 0..2 {
        let gate = house.gate.clone();
        settle(&gate, "left", "000001", None).await.unwrap();
        settle(&gate, "right", "000002", None).await.unwrap();
        for (name, token, expected) in [
            ("000001", "myapitoken", Some("left")),
            ("000002", generated.as_str(), Some("right")),
            ("000001", generated.as_str(), None),
            ("000002", "myapitoken", None),
            ("000001", "", None),
            ("000003", "myapitoken", None),
            ("000003", "", None),
            ("1", "myapitoken", None),
            ("", "", None),
        ] {
            let expected = expected.map(evse);
            let at_once = gate.at_once(&BOX, Some(name), token);
            assert_eq!(at_once.map(|(thing, _)| thing), expected, "{name} {token}");
            let found = gate.by_token(&BOX, Some(name), token, home()).await;
            let thing = found.as_ref().map(|(access, _)| access.thing.clone());
            assert_eq!(thing, expected, "{name} {token}");
            if let Some((access, principal)) = found {
                let Thing::Evse(evse) = access.thing else {
                    panic!("{access:?}")
                };
                assert_eq!(
                    (principal.name, principal.grant),
                    (format!("boxes:{name}"), Grant::Evse(evse))
                );
            }
        }
        assert_eq!(by_token(&gate, None, "myapitoken").await, Some(evse("left")));
        assert_eq!(by_token(&gate, None, &generated).await, Some(evse("right")));
        assert_eq!(by_token(&gate, None, "").await, None);
        let elsewhere = gate.by_token(&SUN, Some("000001"), "myapitoken", home()).await;
        assert!(elsewhere.is_none(), "the token of one dialect in another");
        let names: Vec<_> = gate
            .accesses(&BOX)
            .into_iter()
            .map(|access| access.name)
            .collect();
        assert_eq!(names, ["000001", "000002"]);
        assert_eq!(token_of(&gate, "right").as_deref(), Some(generated.as_str()));
        house.restart().await;
    }
}

/// Out of the configuration is out of force, and back in it everything is as it was.
#[tokio::test]
async fn a_name_that_was_not_settled_since_the_start_opens_nothing() {
    let mut house = House::new().await;
    settle(&house.gate, "left", "000001", None).await.unwrap();
    settle(&house.gate, "right", "000002", None).await.unwrap();
    let token = token_of(&house.gate, "left").unwrap();
    let admin = Principal::console();
    let by = By::new(&admin, "native");
    let off = Switches {
        enabled: Some(false),
        ..Switches::default()
    };
    let left = evse("left");
    let put = house.gate.put_switches(&by, &BOX, &left, off.clone());
    put.await.unwrap();

    house.restart().await;
    let gate = house.gate.clone();
    settle(&gate, "right", "000002", None).await.unwrap();
    for name in [Some("000001"), None] {
        assert_eq!(by_token(&gate, name, &token).await, None);
        assert_eq!(gate.at_once(&BOX, name, &token), None);
    }
    assert_eq!(gate.access(&BOX, "000001"), None);
    assert_eq!(gate.access_of(&BOX, &evse("left")), None);
    assert_eq!(gate.switches(&BOX, &evse("left")), Switches::default());
    let renewed = gate.renew_credential(&by, &BOX, &evse("left")).await;
    assert!(matches!(renewed, Err(Denied::Unknown { .. })), "{renewed:?}");
    let taken = settle(&gate, "new", "000001", None).await;
    assert!(taken.is_err(), "its name stays its own");

    settle(&gate, "left", "000001", None).await.unwrap();
    assert_eq!(by_token(&gate, None, &token).await, Some(evse("left")));
    assert_eq!(gate.switches(&BOX, &evse("left")), off);
}

#[tokio::test]
async fn tried_tokens_wait_and_a_right_one_does_not() {
    let house = House::new().await;
    for (id, name, token) in [
        ("left", "000001", "myapitoken"),
        ("right", "000002", "0123456789abcdef"),
    ] {
        settle(&house.gate, id, name, Some(token)).await.unwrap();
    }
    for n in 0..30 {
        let name = (n % 2 == 0).then_some("000001");
        assert!(by_token(&house.gate, name, "wrong").await.is_none());
    }
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let gate = house.gate.clone();
            tokio::spawn(async move { by_token(&gate, None, "wrong").await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    // However many wrong ones wait, a right one is answered.
    for token in ["myapitoken", "0123456789abcdef"] {
        assert!(by_token(&house.gate, None, token).await.is_some(), "{token}");
    }
    for task in waiting {
        task.abort();
        let _ = task.await;
    }
    assert!(by_token(&house.gate, None, "myapitoken").await.is_some());
}

#[tokio::test]
async fn names_are_not_reused_and_shared_tokens_name_nobody() {
    let house = House::new().await;
    let gate = &house.gate;
    let known = |name, token| gate.known_token(&BOX, name, token).is_some();
    settle(gate, "left", "000001", Some("same")).await.unwrap();
    assert!(settle(gate, "right", "000001", Some("other")).await.is_err());
    settle(gate, "right", "000002", Some("same")).await.unwrap();
    assert!(!known(None, "same"));
    assert!(known(Some("000002"), "same"));
    settle(gate, "right", "000003", None).await.unwrap();
    assert!(!known(Some("000002"), "same"), "a replaced charger");
    assert!(known(Some("000003"), "same"));
    settle(gate, "right", "000003", Some("another")).await.unwrap();
    assert!(known(None, "same"), "it is one thing's again");
    for (name, token) in [
        ("", None),
        ("00 1", None),
        ("7", Some("")),
        ("7", Some("with space")),
        ("7", Some("ä")),
    ] {
        assert!(
            settle(gate, "new", name, token).await.is_err(),
            "{name} {token:?}"
        );
    }
}

/// The configuration has a say again when it names another token.
#[tokio::test]
async fn a_token_made_anew_stays_while_the_configuration_does() {
    let mut house = House::new().await;
    let admin = Principal::console();
    let by = By::new(&admin, "native");
    settle(&house.gate, "left", "000001", Some("of-the-file"))
        .await
        .unwrap();
    let made = house
        .gate
        .renew_credential(&by, &BOX, &evse("left"))
        .await
        .unwrap();
    assert_eq!(house.audit().await, ["console new Boxes token for left done"]);
    for _ in 0..2 {
        settle(&house.gate, "left", "000001", Some("of-the-file"))
            .await
            .unwrap();
        assert_eq!(token_of(&house.gate, "left").as_deref(), Some(made.expose()));
        assert_eq!(by_token(&house.gate, None, "of-the-file").await, None);
        house.restart().await;
    }
    settle(&house.gate, "left", "000001", Some("another"))
        .await
        .unwrap();
    assert_eq!(by_token(&house.gate, None, "another").await, Some(evse("left")));
    assert_eq!(by_token(&house.gate, None, made.expose()).await, None);
}

#[tokio::test]
async fn another_installation_key_is_refused_at_the_start() {
    let mut house = House::new().await;
    settle(&house.gate, "left", "000001", None).await.unwrap();
    let error = house.restart_with([2; 32]).await.err().unwrap().to_string();
    assert!(error.contains("another installation key"), "{error}");
}

#[tokio::test]
async fn decisions_about_a_door_last_and_are_noted() {
    let mut house = House::new().await;
    settle(&house.gate, "left", "000001", None).await.unwrap();
    let admin = Principal::console();
    let by = By::new(&admin, "native");
    let left = evse("left");
    assert_eq!(house.gate.switches(&BOX, &left), Switches::default());
    let nobody = evse("nobody");
    let unknown = house.gate.put_switches(&by, &BOX, &nobody, Switches::default());
    let unknown = unknown.await;
    assert!(matches!(unknown, Err(Denied::Unknown { .. })), "{unknown:?}");
    let switches = |enabled, granted: &[&str]| Switches {
        enabled,
        granted: granted.iter().map(|key| (*key).to_owned()).collect(),
    };
    for (put, noted) in [
        (switches(None, &[]), None),
        (
            switches(Some(false), &["rst", "wifis"]),
            Some("cloud form off, granted rst wifis"),
        ),
        (switches(Some(false), &["rst", "wifis"]), None),
        (
            switches(Some(true), &["cwe", "rst"]),
            Some("cloud form on, granted cwe, withdrawn wifis"),
        ),
        (
            switches(None, &["cwe"]),
            Some("cloud form as configured, withdrawn rst"),
        ),
    ] {
        let before = house.store.recent(10).await.unwrap().len();
        house
            .gate
            .put_switches(&by, &BOX, &left, put.clone())
            .await
            .unwrap();
        assert_eq!(house.gate.switches(&BOX, &left), put);
        let entries = house.store.recent(10).await.unwrap();
        let added: Vec<_> = entries.iter().take(entries.len() - before).collect();
        let expected: Vec<_> = noted
            .into_iter()
            .map(|text| format!("Boxes door of left: {text}"))
            .collect();
        let actions: Vec<_> = added.iter().map(|entry| entry.action.clone()).collect();
        assert_eq!(actions, expected);
        house.restart().await;
        settle(&house.gate, "left", "000001", None).await.unwrap();
        assert_eq!(house.gate.switches(&BOX, &left), put);
    }
}

/// Rows of a database that a program from before this module wrote: a charger whose token was made anew while
/// the configuration named another and whose door was switched off, and one with a made token.
#[tokio::test]
async fn databases_from_before_are_read() {
    const GOE: Dialect = Dialect {
        name: "goe",
        title: "go-e",
        switched: "cloud form",
    };
    let key = bytes("f44712d1c60677329cb5963ab880a6846062acca67d643433a994806d6a180cb");
    let mut house = House::new().await;
    let store = house.store.clone();
    for (kind, name, owner, sealed) in [
        (
            "goe",
            "left",
            "000001",
            "01d74e03943f6cd6ae0581312acc3597d1be0f76d58f375b322237f3c01c7326b665580def466fb08aaf13548ce515191e715a\
             d8365f3bc7a7aa73c339e36e26adf1d5b8ccae16e7a4",
        ),
        (
            "goe",
            "right",
            "000002",
            "014709a1cb278a27206465e70ecb6cddc03b99f0280b92b521358e8e66ab614e72b6c276f1644ee9e20ff29094e2882165140f\
             3bdc3ecb4033c045662d10b35fd9eef3f195aad41aae",
        ),
        (
            "goe-named",
            "left",
            "000001",
            "01cc48012220707fd78162be0652ebfe696296e4d82103f141b27af0d78ab41f820bc9d20999918aa8adbc1b1b4b73782a42c3",
        ),
    ] {
        let secret = StoredSecret {
            owner: owner.to_owned(),
            bytes: bytes(sealed),
            expires: None,
        };
        store.put_secret(kind, name, &secret).await.unwrap();
    }
    for (name, means) in [("000001", "evse:left"), ("000002", "evse:right")] {
        store::Aliases::put_alias(&*store, "goe", name, means)
            .await
            .unwrap();
    }
    let door = r#"{"id":"goe:000001","enabled":false,"granted":["rst"]}"#;
    store.put_noun("door", "goe:000001", door).await.unwrap();

    house.restart_with(key.try_into().unwrap()).await.unwrap();
    let gate = &house.gate;
    let named = Secret::new("myapitoken");
    for (id, name, given) in [("left", "000001", Some(&named)), ("right", "000002", None)] {
        let access = Access::new(GOE, name, evse(id));
        gate.settle_credential(&access, given).await.unwrap();
    }
    for (token, expected) in [
        ("dw7wsJKxU2GBwvSN06PCgOh8ybG8PM_A", Some(("left", Some(false)))),
        ("B7yz1R_GaiUUYCHAXvCQyhhjLBUf7eHF", Some(("right", None))),
        ("myapitoken", None),
    ] {
        let expected = expected.map(|(id, enabled)| (evse(id), enabled));
        assert_eq!(gate.at_once(&GOE, None, token), expected, "{token}");
    }
    let granted = gate.switches(&GOE, &evse("left")).granted;
    assert_eq!(granted, ["rst".to_owned()].into());
    // Nothing had to be written anew: an older program still reads all of it.
    let kept = store.secret("goe", "right").await.unwrap().unwrap();
    assert_eq!((kept.owner.as_str(), kept.bytes[1]), ("000002", 0x47));
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .map(|digit| (char::from(digit).to_digit(16).unwrap()).try_into().unwrap())
        .collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

/// A signature as a test needs it: what was sent is the secret backwards.
fn signed(with: &str) -> impl Fn(&Secret) -> bool + Send + Sync {
    let sent: String = with.chars().rev().collect();
    move |secret: &Secret| secret.expose().chars().rev().collect::<String>() == sent
}

fn owner(name: &str) -> Account {
    Account {
        email: Some(format!("{name}@example.org").replace(' ', "")),
        sites: [(site("home"), Role::Operator)].into(),
        ..Account::new(name)
    }
}

async fn made(house: &House, name: &str, password: &str) -> u32 {
    let console = Principal::console();
    let by = By::new(&console, "console");
    let password = Secret::new(password);
    let number = house.gate.create_account(&by, &SUN, owner(name), &password).await;
    number.unwrap()
}

async fn proved(house: &House, name: &str, password: &str) -> Result<DoorCaller, Denied> {
    let claim = Claim::Name(name);
    let proof = signed(password);
    house.gate.prove(&SUN, &[claim, claim], home(), &proof).await
}

async fn session(house: &House, name: &str, password: &str) -> DoorSession {
    let caller = proved(house, name, password).await.unwrap();
    house.gate.open_door_session(&caller, LIFE).await.unwrap()
}

/// The number of the account whose session a caller with that secret has, or why it has none.
async fn of_session(house: &House, session: &DoorSession, secret: &str) -> Result<Thing, Denied> {
    let token = session.token.expose();
    let caller = house.gate.by_door_session(&SUN, token, home(), signed(secret));
    caller.await.map(|caller| caller.access.thing)
}

async fn lives(house: &House, session: &DoorSession) -> bool {
    of_session(house, session, session.secret.expose()).await.is_ok()
}

#[tokio::test]
async fn a_signature_proves_who_knows_the_secret() {
    let mut house = House::new().await;
    assert_eq!(made(&house, "vplant", "bd19f1").await, 1);
    assert_eq!(made(&house, "solar home", "0000ff").await, 2);
    for _ in 0..2 {
        for (claims, with, expected) in [
            (&[Claim::Name("vplant")][..], "bd19f1", Some("vplant")),
            (&[Claim::Name("vplant")], "0000ff", None),
            (&[Claim::Name("vplant")], "", None),
            (&[Claim::Name("VPLANT")], "bd19f1", None),
            (&[Claim::Name("nobody")], "bd19f1", None),
            (&[Claim::Name("")], "", None),
            (&[Claim::Name("1")], "bd19f1", None),
            (&[Claim::Email("vplant@example.org")], "bd19f1", Some("vplant")),
            (&[Claim::Email("vplant")], "bd19f1", None),
            (&[Claim::Name("vplant@example.org")], "bd19f1", None),
            // One text read in two ways.
            (
                &[Claim::Name("solar+home"), Claim::Name("solar home")],
                "0000ff",
                Some("solar home"),
            ),
            (&[], "bd19f1", None),
        ] {
            let caller = house.gate.prove(&SUN, claims, home(), &signed(with)).await;
            match (caller, expected) {
                (Ok(caller), Some(name)) => {
                    assert_eq!(caller.access.name, name);
                    assert_eq!(caller.secret().expose(), with);
                    assert!(!format!("{caller:?}").contains(with), "{caller:?}");
                    let home = site("home");
                    assert!(may(&caller.principal, &Action::Steer, &Subject::Site(&home)));
                    let yard = site("yard");
                    assert!(!may(&caller.principal, &Action::Read, &Subject::Site(&yard)));
                }
                (Err(Denied::Wrong), None) => {}
                (outcome, _) => panic!("{claims:?} {with}: {outcome:?}"),
            }
            let elsewhere = house.gate.prove(&BOX, claims, home(), &signed(with)).await;
            assert!(matches!(elsewhere, Err(Denied::Wrong)), "{elsewhere:?}");
        }
        house.restart().await;
    }
}

/// Every claim is computed with, known or not, after a right one too; and a name that nobody has runs on a
/// secret that is as long as the others and that nothing goes with.
#[tokio::test]
async fn unknown_names_are_computed_with_as_often() {
    let house = House::new().await;
    made(&house, "vplant", "bd19f193c5f9afed25a79761ea2a13a10d6e2c74").await;
    let (known, unknown) = (Claim::Name("vplant"), Claim::Name("nobody"));
    for (claims, lengths) in [
        ([known, known], [40, 40]),
        ([unknown, unknown], [40, 40]),
        ([known, unknown], [40, 40]),
        ([unknown, known], [40, 40]),
    ] {
        for answer in [true, false] {
            let seen = Mutex::new(Vec::new());
            let holds = |secret: &Secret| {
                seen.lock().unwrap().push(secret.expose().len());
                answer
            };
            let caller = house.gate.prove(&SUN, &claims, home(), &holds).await;
            assert_eq!(seen.into_inner().unwrap(), lengths, "{claims:?} {answer}");
            // Even if what was sent went with the dummy: it is nobody's.
            let is_known = claims.contains(&known);
            assert_eq!(caller.is_ok(), answer && is_known, "{claims:?} {answer}");
        }
    }
}

#[tokio::test]
async fn tried_signatures_wait_alike_for_known_and_unknown_names() {
    for name in ["vplant", "nobody"] {
        let house = House::new().await;
        made(&house, "vplant", "bd19f1").await;
        for _ in 0..30 {
            let denied = proved(&house, name, "wrong").await;
            assert!(matches!(denied, Err(Denied::Wrong)), "{denied:?}");
        }
        let claim = [Claim::Name(name)];
        let proof = signed("wrong");
        let next = house.gate.prove(&SUN, &claim, home(), &proof);
        assert!(
            tokio::time::timeout(Millis(1).to_std(), next).await.is_err(),
            "{name}"
        );
        // A right one is answered.
        proved(&house, "vplant", "bd19f1").await.unwrap();
    }
}

#[tokio::test]
async fn who_is_disabled_learns_it_after_a_right_proof_only() {
    let house = House::new().await;
    let number = made(&house, "vplant", "bd19f1").await;
    let before = session(&house, "vplant", "bd19f1").await;
    let console = Principal::console();
    let by = By::new(&console, "console");
    let mut account = house.gate.account(&SUN, number).unwrap();
    account.enabled = false;
    house
        .gate
        .change_account(&by, &SUN, account.clone())
        .await
        .unwrap();
    let denied = proved(&house, "vplant", "bd19f1").await;
    assert!(matches!(denied, Err(Denied::Disabled)), "{denied:?}");
    let denied = proved(&house, "vplant", "wrong").await;
    assert!(matches!(denied, Err(Denied::Wrong)), "{denied:?}");
    assert!(!lives(&house, &before).await);
    account.enabled = true;
    house.gate.change_account(&by, &SUN, account).await.unwrap();
    proved(&house, "vplant", "bd19f1").await.unwrap();
    assert!(!lives(&house, &before).await, "a session that ended stays so");
}

#[tokio::test]
async fn many_sessions_of_one_account_live_at_once_and_survive_a_restart() {
    let mut house = House::new().await;
    let number = made(&house, "vplant", "bd19f1").await;
    let first = session(&house, "vplant", "bd19f1").await;
    house.pass(Millis(1_000));
    let second = session(&house, "vplant", "bd19f1").await;
    let is_hex = |text: &str| text.bytes().all(|digit| b"0123456789abcdef".contains(&digit));
    for opened in [&first, &second] {
        let (token, secret) = (opened.token.expose(), opened.secret.expose());
        assert_eq!((token.len(), secret.len()), (64, 40));
        assert!(is_hex(token) && is_hex(secret));
        assert!(!format!("{opened:?}").contains(secret));
    }
    assert_eq!(
        (first.expires, second.expires.0),
        (Timestamp(LIFE.0), LIFE.0 + 1_000)
    );
    for _ in 0..2 {
        for (opened, secret, expected) in [
            (&first, &first.secret, true),
            (&second, &second.secret, true),
            (&first, &second.secret, false),
            (&second, &first.secret, false),
        ] {
            let found = of_session(&house, opened, secret.expose()).await;
            match (found, expected) {
                (Ok(thing), true) => assert_eq!(thing, Thing::Account(number)),
                (Err(Denied::Wrong), false) => {}
                (found, _) => panic!("{found:?}"),
            }
        }
        let elsewhere = house
            .gate
            .by_door_session(&BOX, first.token.expose(), home(), |_| true);
        let elsewhere = elsewhere.await;
        assert!(matches!(elsewhere, Err(Denied::Ended)), "{elsewhere:?}");
        house.restart().await;
    }
    let kept = house.store.secrets("sun-session").await.unwrap();
    assert_eq!(kept.len(), 2);
    for (name, stored) in kept {
        let has = |text: &str| {
            stored
                .bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(
            !has(first.secret.expose()) && !has(second.secret.expose()),
            "{name}"
        );
        assert_ne!(name, first.token.expose());
    }
}

#[tokio::test]
async fn sessions_end_in_time_by_their_owner_and_are_renewed_by_themselves() {
    let mut house = House::new().await;
    made(&house, "vplant", "bd19f1").await;
    let first = session(&house, "vplant", "bd19f1").await;
    house.pass(Millis(LIFE.0 - 1));
    let caller = house
        .gate
        .by_door_session(&SUN, first.token.expose(), home(), |_| true);
    let caller = caller.await.unwrap();
    let renewed = house.gate.open_door_session(&caller, LIFE).await.unwrap();
    assert_ne!(renewed.token, first.token);
    assert_ne!(renewed.secret, first.secret);
    assert!(lives(&house, &first).await, "until its own end");
    house.pass(Millis(1));
    let ended = of_session(&house, &first, first.secret.expose()).await;
    assert!(matches!(ended, Err(Denied::Ended)), "{ended:?}");
    assert!(lives(&house, &renewed).await);
    let late = house.gate.open_door_session(&caller, LIFE).await;
    assert!(matches!(late, Err(Denied::Ended)), "{late:?}");

    // What has ended is swept out when the next one opens, and at a start.
    assert_eq!(house.store.secrets("sun-session").await.unwrap().len(), 2);
    let third = session(&house, "vplant", "bd19f1").await;
    assert_eq!(house.store.secrets("sun-session").await.unwrap().len(), 2);
    let caller = house
        .gate
        .by_door_session(&SUN, third.token.expose(), home(), |_| true);
    let caller = caller.await.unwrap();
    house.gate.end_door_session(&caller).await.unwrap();
    assert!(!lives(&house, &third).await);
    assert!(lives(&house, &renewed).await);
    let late = house.gate.open_door_session(&caller, LIFE).await;
    assert!(matches!(late, Err(Denied::Ended)), "{late:?}");
    house.pass(Millis(LIFE.0 + 1));
    house.restart().await;
    assert!(house.store.secrets("sun-session").await.unwrap().is_empty());
    assert!(!lives(&house, &renewed).await);
}

#[tokio::test]
async fn a_session_is_known_at_once_where_what_was_sent_is_right() {
    let house = House::new().await;
    let number = made(&house, "vplant", "bd19f1").await;
    let own = session(&house, "vplant", "bd19f1").await;
    let other = session(&house, "vplant", "bd19f1").await;
    let ask = |dialect: &Dialect, token: &Secret, secret: &Secret| {
        let holds = |known: &Secret| known == secret;
        let caller = house.gate.door_session_at_once(dialect, token.expose(), holds);
        caller.map(|caller| caller.access.thing)
    };
    let account = Some(Thing::Account(number));
    assert_eq!(ask(&SUN, &own.token, &own.secret), account);
    assert_eq!(ask(&SUN, &own.token, &other.secret), None);
    assert_eq!(ask(&SUN, &own.secret, &own.secret), None);
    assert_eq!(ask(&BOX, &own.token, &own.secret), None);
    house.pass(LIFE);
    assert_eq!(ask(&SUN, &own.token, &own.secret), None);
}

#[tokio::test]
async fn an_account_has_at_most_a_thousand_sessions() {
    let house = House::new().await;
    made(&house, "vplant", "bd19f1").await;
    made(&house, "other", "0000ff").await;
    let others = session(&house, "other", "0000ff").await;
    let first = session(&house, "vplant", "bd19f1").await;
    let caller = proved(&house, "vplant", "bd19f1").await.unwrap();
    for n in 1..1_000 {
        let life = Millis(LIFE.0 + n);
        house.gate.open_door_session(&caller, life).await.unwrap();
    }
    assert!(lives(&house, &first).await);
    house.gate.open_door_session(&caller, LIFE).await.unwrap();
    assert!(!lives(&house, &first).await, "the one that would end first");
    assert!(lives(&house, &others).await);
    assert_eq!(house.store.secrets("sun-session").await.unwrap().len(), 1_001);
}

#[tokio::test]
async fn a_session_can_be_known_beforehand() {
    let mut house = House::new().await;
    let number = made(&house, "vplant", "bd19f1").await;
    let known = DoorSession {
        token: Secret::new("88d22d819e31897eea2d9d5b9f7792cf4065ac5372aad3672f5e4e147cd25b5f"),
        secret: Secret::new("ffa1655ee3726840822063a02ac5017795809b18"),
        expires: Timestamp(LIFE.0),
    };
    let short = DoorSession {
        token: Secret::new("88d22d819e31897eea2d9d5b9f7792c"),
        ..known.clone()
    };
    let account = Thing::Account(number);
    assert!(
        house
            .gate
            .adopt_door_session(&SUN, &account, &short)
            .await
            .is_err()
    );
    for _ in 0..2 {
        house
            .gate
            .adopt_door_session(&SUN, &account, &known)
            .await
            .unwrap();
        assert!(lives(&house, &known).await);
        house.restart().await;
    }
    assert_eq!(house.store.secrets("sun-session").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_all_others() {
    let mut house = House::new().await;
    let number = made(&house, "vplant", "bd19f1").await;
    made(&house, "other", "0000ff").await;
    let own = session(&house, "vplant", "bd19f1").await;
    let other = session(&house, "vplant", "bd19f1").await;
    let foreign = session(&house, "other", "0000ff").await;
    let proof = proved(&house, "vplant", "bd19f1").await.unwrap();
    let caller = house
        .gate
        .by_door_session(&SUN, own.token.expose(), home(), |_| true);
    let caller = caller.await.unwrap();
    let by = By::new(&caller.principal, "sun");
    let long = "x".repeat(1_025);
    for unfit in ["", &long] {
        let unfit = Secret::new(unfit);
        let denied = house.gate.set_account_password(&by, &SUN, number, &unfit, None);
        let denied = denied.await;
        assert!(matches!(denied, Err(Denied::Unfit { .. })), "{denied:?}");
    }
    let new = Secret::new("c0ffee");
    let set = house
        .gate
        .set_account_password(&by, &SUN, number, &new, Some(&caller));
    set.await.unwrap();
    // Whoever had signed in with the old one a moment ago comes too late.
    let late = house.gate.open_door_session(&proof, LIFE).await;
    assert!(matches!(late, Err(Denied::Ended)), "{late:?}");
    for _ in 0..2 {
        assert!(lives(&house, &own).await);
        assert!(!lives(&house, &other).await);
        assert!(lives(&house, &foreign).await);
        assert!(proved(&house, "vplant", "bd19f1").await.is_err());
        proved(&house, "vplant", "c0ffee").await.unwrap();
        house.restart().await;
    }
    let nobody = house.gate.set_account_password(&by, &SUN, 9, &new, None).await;
    assert!(matches!(nobody, Err(Denied::Unknown { .. })), "{nobody:?}");
    let audit = house.audit().await;
    let line = format!("sun:{number} set password of Sun account {number} done");
    assert!(audit.contains(&line), "{audit:?}");
    assert!(!audit.join("\n").contains("c0ffee"), "{audit:?}");
}

#[tokio::test]
async fn accounts_are_made_changed_and_deleted_and_it_is_noted() {
    let mut house = House::new().await;
    let console = Principal::console();
    let by = By::new(&console, "console");
    let password = Secret::new("bd19f1");
    let number = made(&house, "张三", "bd19f1").await;
    let create = async |wanted| house.gate.create_account(&by, &SUN, wanted, &password).await;
    for (wanted, expected) in [
        (owner(""), "name"),
        (owner("a\nb"), "name"),
        (owner(&"x".repeat(65)), "name"),
        (
            Account {
                email: Some("nobody".to_owned()),
                ..owner("new")
            },
            "email",
        ),
        (
            Account {
                role: Some(Role::Admin),
                ..owner("new")
            },
            "role",
        ),
        (
            Account {
                sites: [(site("home"), Role::Admin)].into(),
                ..owner("new")
            },
            "role",
        ),
        (
            Account {
                texts: [("desc".to_owned(), "x".repeat(8_189))].into(),
                ..owner("new")
            },
            "texts",
        ),
    ] {
        let denied = create(wanted).await;
        assert!(
            matches!(denied, Err(Denied::Unfit { what, .. }) if what == expected),
            "{expected}: {denied:?}"
        );
    }
    let same_email = Account {
        email: owner("张三").email,
        ..owner("new")
    };
    for (wanted, expected) in [(owner("张三"), "the name"), (same_email, "the e-mail address")] {
        let denied = create(wanted).await;
        assert!(
            matches!(denied, Err(Denied::Taken { what }) if what == expected),
            "{expected}: {denied:?}"
        );
    }
    // In another dialect the name is free, and numbers begin anew.
    let elsewhere = house
        .gate
        .create_account(&by, &BOX, owner("张三"), &password)
        .await;
    assert_eq!(elsewhere.unwrap(), 1);

    let changed = Account {
        name: "zhang".to_owned(),
        role: Some(Role::Viewer),
        created: Timestamp(7),
        texts: [("mobile".to_owned(), "0".to_owned())].into(),
        ..house.gate.account(&SUN, number).unwrap()
    };
    house
        .gate
        .change_account(&by, &SUN, changed.clone())
        .await
        .unwrap();
    for _ in 0..2 {
        let kept = house.gate.account(&SUN, number).unwrap();
        let expected = Account {
            created: Timestamp(0),
            ..changed.clone()
        };
        assert_eq!(kept, expected);
        assert_eq!(house.gate.accounts(&SUN), [expected]);
        assert!(proved(&house, "张三", "bd19f1").await.is_err());
        let caller = proved(&house, "zhang", "bd19f1").await.unwrap();
        let yard = site("yard");
        assert!(may(&caller.principal, &Action::Read, &Subject::Site(&yard)));
        house.restart().await;
    }

    let opened = session(&house, "zhang", "bd19f1").await;
    house.gate.delete_account(&by, &SUN, number).await.unwrap();
    assert!(house.store.secrets("sun").await.unwrap().is_empty());
    assert!(house.store.secrets("sun-session").await.unwrap().is_empty());
    for _ in 0..2 {
        assert!(!lives(&house, &opened).await);
        assert!(proved(&house, "zhang", "bd19f1").await.is_err());
        assert_eq!(house.gate.accounts(&SUN), []);
        house.restart().await;
    }
    let gone = house.gate.delete_account(&by, &SUN, number).await;
    assert!(matches!(gone, Err(Denied::Unknown { .. })), "{gone:?}");
    assert_eq!(made(&house, "zhang", "bd19f1").await, number + 1);
    let audit = house.audit().await;
    for line in [
        "console create Sun account 张三 done",
        "console create Sun account 张三 refused: the name is taken already; choose another",
        "console change Sun account 1 done",
        "sun:1 sign in done",
        "console delete Sun account 1 done",
    ] {
        assert!(audit.iter().any(|entry| entry == line), "{line}: {audit:?}");
    }
}

#[tokio::test]
async fn logins_are_noted_once_an_hour_from_one_address_and_refused_ones_too() {
    let house = House::new().await;
    let number = made(&house, "vplant", "bd19f1").await;
    let elsewhere = "10.0.0.9".parse().unwrap();
    for (minutes, from, expected) in [
        (0, home(), 0),
        (59, home(), 0),
        (60, home(), 60),
        (61, elsewhere, 61),
    ] {
        let passed = Millis(minutes * 60_000 - house.gate.clock.now().wall.0);
        house.pass(passed);
        let claim = [Claim::Name("vplant")];
        let proof = signed("bd19f1");
        let caller = house.gate.prove(&SUN, &claim, from, &proof).await.unwrap();
        house.gate.open_door_session(&caller, LIFE).await.unwrap();
        let login = house.gate.account(&SUN, number).unwrap().last_login.unwrap();
        let expected = Login {
            at: Timestamp(expected * 60_000),
            from,
        };
        assert_eq!(login, expected, "{minutes}");
    }
    assert!(proved(&house, "vplant", "wrong").await.is_err());
    house.pass(Millis(1_000));
    assert!(proved(&house, "secret typed as a name", "wrong").await.is_err());
    let entries = house.store.recent(9).await.unwrap();
    let entries = entries.iter().rev().filter(|entry| entry.action == "sign in");
    let noted: Vec<_> = entries
        .map(|entry| format!("{} {} {}", entry.principal, entry.door, entry.outcome))
        .collect();
    let expected = [
        "sun:1 sun done",
        "sun:1 sun done",
        "sun:1 sun done",
        "sun:1 sun refused",
        "unknown sun refused",
    ];
    assert_eq!(noted, expected);
}

#[tokio::test]
async fn a_code_is_redeemed_once_by_who_has_the_number_too() {
    let mut house = House::new().await;
    let console = Principal::console();
    let by = By::new(&console, "console");
    let home_site = Thing::Site(site("home"));
    let make = async |house: &House, name: &str| {
        let code = house
            .gate
            .make_code(&by, &SUN, name, &home_site, Millis(10_000))
            .await;
        code.unwrap()
    };
    let odd = house
        .gate
        .make_code(&by, &SUN, "no number", &home_site, LIFE)
        .await;
    assert!(matches!(odd, Err(Denied::Unfit { .. })), "{odd:?}");
    let void = make(&house, "W0011223344556").await;
    let code = make(&house, "W0011223344556").await;
    let other = make(&house, "W0000000000000").await;
    house.restart().await;
    let redeem = async |dialect: &Dialect, name: &str, code: &str| {
        let thing = house.gate.redeem_code(dialect, name, code, home()).await;
        thing
            .map_err(|denied| assert!(matches!(denied, Denied::Wrong), "{denied:?}"))
            .ok()
    };
    let typed = format!(" {} ", code.expose());
    for (dialect, name, code, expected) in [
        (&SUN, "W0011223344556", void.expose(), false),
        (&SUN, "W0011223344556", "", false),
        (&SUN, "W0011223344556", other.expose(), false),
        (&SUN, "nothing", code.expose(), false),
        (&BOX, "W0011223344556", code.expose(), false),
        (&SUN, "W0011223344556", &typed, true),
        (&SUN, "W0011223344556", &typed, false),
    ] {
        let expected = expected.then(|| home_site.clone());
        assert_eq!(redeem(dialect, name, code).await, expected, "{name}");
    }
    house.pass(Millis(10_000));
    assert_eq!(
        redeem(&SUN, "W0000000000000", other.expose()).await,
        None,
        "too late"
    );
    let audit = house.audit().await.join("\n");
    assert!(
        audit.contains("console make a Sun code for W0011223344556 done"),
        "{audit}"
    );
    assert!(
        audit.contains("redeem the code of W0011223344556 done"),
        "{audit}"
    );
    assert!(!audit.contains(code.expose()), "{audit}");
}

const PASS: Life = Life {
    idle: Millis(12 * 3_600_000),
    longest: Millis(7 * 24 * 3_600_000),
};

async fn pass(house: &House, name: &str, secret: &str) -> Secret {
    let caller = proved(house, name, secret).await.unwrap();
    house.gate.open_pass(&caller, PASS).await.unwrap()
}

async fn passes(house: &House, name: &str, token: &str, secret: &str) -> Result<Access, Denied> {
    let passing = Passing {
        dialect: &SUN,
        name,
        token,
        source: home(),
    };
    house.gate.by_pass(passing, PASS.idle, signed(secret)).await
}

#[tokio::test]
async fn a_pass_is_good_with_the_credential_and_name_of_its_thing() {
    let mut house = House::new().await;
    let number = made(&house, "vplant", "bd19f1").await;
    made(&house, "other", "0000ff").await;
    let own = pass(&house, "vplant", "bd19f1").await;
    let second = pass(&house, "vplant", "bd19f1").await;
    let others = pass(&house, "other", "0000ff").await;
    assert_eq!(own.expose().len(), 43);
    for _ in 0..2 {
        for (name, token, secret, expected) in [
            ("vplant", &own, "bd19f1", "done"),
            ("vplant", &second, "bd19f1", "done"),
            ("vplant", &own, "0000ff", "wrong"),
            ("vplant", &own, "", "wrong"),
            ("other", &own, "0000ff", "ended"),
            ("other", &own, "bd19f1", "ended"),
            ("other", &others, "0000ff", "done"),
            ("nobody", &own, "bd19f1", "ended"),
            ("vplant", &Secret::new(""), "bd19f1", "ended"),
        ] {
            let got = match passes(&house, name, token.expose(), secret).await {
                Ok(access) => {
                    assert_eq!(access.name, name);
                    "done"
                }
                Err(Denied::Wrong) => "wrong",
                Err(Denied::Ended) => "ended",
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(got, expected, "{name} {secret}");
        }
        house.restart().await;
    }
    let mut account = house.gate.account(&SUN, number).unwrap();
    account.enabled = false;
    let console = Principal::console();
    let by = By::new(&console, "console");
    house.gate.change_account(&by, &SUN, account).await.unwrap();
    let ended = passes(&house, "vplant", own.expose(), "bd19f1").await;
    assert!(matches!(ended, Err(Denied::Ended)), "{ended:?}");
}

#[tokio::test]
async fn use_prolongs_a_pass_up_to_its_end() {
    let mut house = House::new().await;
    made(&house, "vplant", "bd19f1").await;
    let (used, idle) = (
        pass(&house, "vplant", "bd19f1").await,
        pass(&house, "vplant", "bd19f1").await,
    );
    let lives =
        async |house: &House, token: &Secret| passes(house, "vplant", token.expose(), "bd19f1").await.is_ok();
    let hour = Millis(3_600_000);
    // Two days of a call every eleven hours, with a restart in between.
    for call in 0..4 {
        house.pass(Millis(11 * hour.0));
        assert!(lives(&house, &used).await, "call {call}");
        house.restart().await;
    }
    assert!(!lives(&house, &idle).await);
    // The store is behind by less than an hour.
    house.pass(Millis(hour.0 / 2));
    assert!(lives(&house, &used).await);
    house.pass(Millis(12 * hour.0 - 1));
    assert!(lives(&house, &used).await);
    house.pass(PASS.idle);
    assert!(!lives(&house, &used).await);

    let longest = pass(&house, "vplant", "bd19f1").await;
    for _ in 0..15 {
        house.pass(Millis(11 * hour.0));
        assert!(lives(&house, &longest).await);
    }
    // 165 hours of 168 are over.
    house.pass(Millis(3 * hour.0 - 1));
    assert!(lives(&house, &longest).await);
    house.pass(Millis(1));
    assert!(!lives(&house, &longest).await);
}

#[tokio::test]
async fn a_right_pass_is_never_delayed_and_many_of_one_thing_are_bounded() {
    let house = House::new().await;
    made(&house, "vplant", "bd19f1").await;
    let first = pass(&house, "vplant", "bd19f1").await;
    for _ in 0..30 {
        let wrong = passes(&house, "vplant", first.expose(), "0000ff").await;
        assert!(matches!(wrong, Err(Denied::Wrong)), "{wrong:?}");
    }
    // The next wrong one would wait; nobody waits here, or the clock would have to move.
    assert!(passes(&house, "vplant", first.expose(), "bd19f1").await.is_ok());
    house.pass(Millis(1));
    for _ in 0..1_000 {
        pass(&house, "vplant", "bd19f1").await;
    }
    let kept = house.store.secrets("sun-pass").await.unwrap();
    assert_eq!(kept.len(), 1_000);
    let gone = house.gate.by_pass(
        Passing {
            dialect: &SUN,
            name: "vplant",
            token: first.expose(),
            source: "10.9.9.9".parse().unwrap(),
        },
        PASS.idle,
        signed("bd19f1"),
    );
    let gone = gone.await;
    assert!(matches!(gone, Err(Denied::Ended)), "{gone:?}");
}

#[tokio::test]
async fn the_credential_before_holds_for_an_overlap() {
    let mut house = House::new().await;
    let number = made(&house, "vplant", "bd19f1").await;
    made(&house, "other", "0000ff").await;
    let token = pass(&house, "vplant", "bd19f1").await;
    let console = Principal::console();
    let by = By::new(&console, "console");
    let hour = Millis(3_600_000);
    let rotated = house.gate.rotate_credential(&by, &SUN, number, None, hour).await;
    let new = rotated.unwrap();
    assert_eq!(new.expose().len(), 40);
    let account = Thing::Account(number);
    for _ in 0..2 {
        assert!(house.gate.earlier_until(&SUN, &account).is_some());
        for secret in ["bd19f1", new.expose()] {
            assert!(
                passes(&house, "vplant", token.expose(), secret).await.is_ok(),
                "{secret}"
            );
            let again = pass(&house, "vplant", secret).await;
            assert!(
                passes(&house, "vplant", again.expose(), secret).await.is_ok(),
                "{secret}"
            );
        }
        // Every claim is computed with twice meanwhile, known or not.
        for name in ["vplant", "other", "nobody"] {
            let seen = Mutex::new(0);
            let holds = |_: &Secret| {
                *seen.lock().unwrap() += 1;
                false
            };
            let source = "10.0.0.9".parse().unwrap();
            let caller = house.gate.prove(&SUN, &[Claim::Name(name)], source, &holds).await;
            assert!(caller.is_err());
            assert_eq!(seen.into_inner().unwrap(), 2, "{name}");
        }
        assert!(proved(&house, "other", "bd19f1").await.is_err());
        house.restart().await;
    }
    house.pass(hour);
    assert_eq!(house.gate.earlier_until(&SUN, &account), None);
    assert!(proved(&house, "vplant", "bd19f1").await.is_err());
    assert!(passes(&house, "vplant", token.expose(), "bd19f1").await.is_err());
    assert!(
        passes(&house, "vplant", token.expose(), new.expose())
            .await
            .is_ok()
    );

    let given = Secret::new("c0ffee");
    let rotated = house
        .gate
        .rotate_credential(&by, &SUN, number, Some(&given), Millis::ZERO);
    assert_eq!(rotated.await.unwrap().expose(), "c0ffee");
    assert!(passes(&house, "vplant", token.expose(), "c0ffee").await.is_err());
    assert!(proved(&house, "vplant", new.expose()).await.is_err());
    assert!(proved(&house, "vplant", "c0ffee").await.is_ok());
    let nobody = house.gate.rotate_credential(&by, &SUN, 9, None, hour).await;
    assert!(matches!(nobody, Err(Denied::Unknown { .. })), "{nobody:?}");
    house.gate.delete_account(&by, &SUN, number).await.unwrap();
    let left = [
        house.store.secrets("sun-earlier").await.unwrap(),
        house.store.secrets("sun-pass").await.unwrap(),
    ];
    assert_eq!(left, [[], []]);
    let lines = house.audit().await;
    assert!(
        lines.contains(&format!("console new Sun secret of account {number} done")),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn the_token_that_we_show_opens_nothing_here_and_that_is_noted() {
    let mut house = House::new().await;
    let number = made(&house, "vplant", "bd19f1").await;
    let thing = Thing::Account(number);
    assert_eq!(house.gate.outward_token(&SUN, &thing).unwrap(), None);
    let shown = house.gate.settle_outward_token(&SUN, &thing).await.unwrap();
    for _ in 0..2 {
        let settled = house.gate.settle_outward_token(&SUN, &thing).await.unwrap();
        assert_eq!(settled.expose(), shown.expose());
        let kept = house.gate.outward_token(&SUN, &thing).unwrap().unwrap();
        assert_eq!(kept.expose(), shown.expose());
        house.restart().await;
    }
    let before = house.audit().await.len();
    let reflected = passes(&house, "vplant", shown.expose(), "bd19f1").await;
    assert!(matches!(reflected, Err(Denied::Ended)), "{reflected:?}");
    let unknown = passes(&house, "vplant", "unknown", "bd19f1").await;
    assert!(matches!(unknown, Err(Denied::Ended)), "{unknown:?}");
    let line = format!("sun:{number} call with the token that only we show refused");
    assert_eq!(house.audit().await.split_off(before), [line]);

    let console = Principal::console();
    let by = By::new(&console, "console");
    let renewed = house.gate.renew_outward_token(&by, &SUN, &thing).await.unwrap();
    assert_ne!(renewed.expose(), shown.expose());
    house.gate.delete_account(&by, &SUN, number).await.unwrap();
    assert_eq!(house.store.secrets("sun-outward").await.unwrap(), []);
}
