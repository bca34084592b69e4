//! Printed signatures, computed ones, and signatures over another spelling than was sent.

use proptest::prelude::*;

use super::super::error::Refusal;
use super::super::rc4::PasswordHash;
use super::super::request::{self, Request};
use super::super::sign;
use super::{SALT, SECRET, TOKEN, sent_as, signed};
use crate::query;

/// Both pages of the vendor print the first one, the Chinese page the second.
#[test]
fn both_printed_signatures_are_right() {
    let query = "sign=675bd5418fce7be5e30b920a16a46ce075c90a35&salt=1491967716993\
                 &action=auth&usr=vplant&company-key=0123456789ABCDEF";
    let Ok(Request::Login(login)) = request::read(query).request else {
        panic!("no login");
    };
    assert_eq!(login.names, ["vplant"]);
    assert!(login.check_company_key(&["0123456789ABCDEF".to_owned()]).is_ok());
    let password = PasswordHash::of_password("vplant");
    assert_eq!(password.expose(), "bd19f193c5f9afed25a79761ea2a13a10d6e2c74");
    assert!(login.is_proved_by(password.expose()));
    assert!(!login.is_proved_by(PasswordHash::of_password("vplanT").expose()));
    assert!(!login.is_proved_by("BD19F193C5F9AFED25A79761EA2A13A10D6E2C74"));

    let query = "sign=f0c57c88bdd73a1867355068e9e3c49d735ae668&salt=1491967717697\
                 &token=88d22d819e31897eea2d9d5b9f7792cf4065ac5372aad3672f5e4e147cd25b5f\
                 &action=queryCollectorInfo&pn=G0916522248153";
    let read = request::read(query);
    assert_eq!(read.action, Some("queryCollectorInfo"));
    let Ok(Request::Business(call)) = read.request else {
        panic!("no business call");
    };
    assert_eq!(call.token(), TOKEN);
    assert_eq!(call.params().text("pn").unwrap(), "G0916522248153");
    assert_eq!(call.check(SECRET), Ok(()));
    let refusal = call.check(&SECRET.replace('f', "e")).unwrap_err();
    assert_eq!(refusal.text(), "ERR_SIGN");
}

#[test]
fn computed_signatures_agree() {
    let password = PasswordHash::of_password("vplant");
    let login = |tail: &str, sign: &str| {
        let fits = sign::fits(sign, "1491967716993", &[password.expose()], tail);
        assert!(fits, "{tail}");
    };
    let tail = |usr: &str| format!("&action=auth&usr={usr}&company-key=0123456789ABCDEF");
    login(
        "&action=authSource&usr=vplant&company-key=0123456789ABCDEF",
        "98abe7669524825791c30d116cae0fefbeafe282",
    );
    login(&tail("demo%20user"), "c288899bf2ff7b12ba564f6ed585c47f0f73f4d9");
    login(&tail("demo user"), "d1a19a89647722561d3847c1b5a3abdd36bec3c2");
    login(&tail("demo+user"), "faf8e547ec9272997f11f6f9346ddaa844d00dd8");
    login(
        &tail("%E5%BC%A0%E4%B8%89"),
        "5bb4d0f366135a6bea702a41ea7d45b766a6dad8",
    );
    let long = "&source=0&_app_client_=android&_app_id_=com.demo.test&_app_version_=3.6.2.1";
    login(
        &(tail("vplant") + long),
        "a1a1c2cf0377fe5d7adb4a0af2ad59e6f94416fc",
    );
    for (tail, sign) in [
        (
            "&action=queryPlants&page=0&pagesize=10&i18n=en_US&lang=en_US",
            "e4ddc6d0d0c8ed6495c8d28602d9ce282cdb2ed8",
        ),
        (
            "&action=queryDeviceStatus&device=COLLECTOR0001,512,1,687489900018;COLLECTOR0002,512,2,687489900019",
            "3cb4f412c22d8df87d01364957a6b8629a92f468",
        ),
        (
            "&action=webQueryPlantsWarning&sdate=2026-04-17%2000:00:00&edate=2026-04-18%2000:00:00\
             &handle=false&page=0&pagesize=8&i18n=en_US&lang=en_US",
            "440a7a99b6a95177dd1fa8086992163817f92b51",
        ),
    ] {
        assert!(sign::fits(sign, SALT, &[SECRET, TOKEN], tail), "{tail}");
    }
    let open = format!(
        "sign=66e4d2b2de4776cbb964caa2ef0b33c06cb8e1f5&salt={SALT}&action=queryDomainListNotLogin&source=1"
    );
    let Ok(Request::Open(open)) = request::read(&open).request else {
        panic!("not open");
    };
    assert_eq!(open.answer(), Ok(Some(serde_json::json!([]))));
}

/// One page prints a longer query beside the signature of the shorter one.
#[test]
fn a_login_is_proved_by_its_whole_text_or_up_to_the_company_key() {
    let tail = "&action=auth&usr=vplant&company-key=0123456789ABCDEF";
    let more = "&source=0&_app_client_=android&_app_id_=com.demo.test&_app_version_=3.6.2.1";
    let password = PasswordHash::of_password("vplant");
    for (sign, is_right) in [
        ("675bd5418fce7be5e30b920a16a46ce075c90a35", true),
        ("a1a1c2cf0377fe5d7adb4a0af2ad59e6f94416fc", true),
        ("98abe7669524825791c30d116cae0fefbeafe282", false),
        ("675BD5418FCE7BE5E30B920A16A46CE075C90A35", false),
    ] {
        let query = format!("sign={sign}&salt=1491967716993{tail}{more}");
        let Ok(Request::Login(login)) = request::read(&query).request else {
            panic!("no login");
        };
        assert_eq!(login.is_proved_by(password.expose()), is_right, "{sign}");
    }
}

#[test]
fn a_registration_is_signed_in_either_of_the_two_documented_ways() {
    let pwd = "673fd90073fce474a2a31718afa9f15ed008f82d5dad475fe01e9d0c6d2b342aca40e6a2f4b4f785";
    let tail = format!("&action=reg&usr=new&pwd={pwd}&sn=W0011223344556&company-key=0123456789ABCDEF");
    let known = ["0123456789ABCDEF".to_owned()];
    for (sign, expected) in [
        ("28cf3379547caaed720b4d770275a0d17d0ce8d5", Ok(())),
        ("20d999113b82939eff3b1ea4ffceabb1cefafe61", Ok(())),
        ("20d999113b82939eff3b1ea4ffceabb1cefafe62", Err(4)),
    ] {
        let query = format!("sign={sign}&salt=1491967716993{tail}");
        let Ok(Request::Registration(new)) = request::read(&query).request else {
            panic!("no registration");
        };
        assert_eq!(
            (new.name.as_str(), new.pn.as_str(), new.code.as_str()),
            ("new", "W0011223344556", "")
        );
        assert_eq!(new.password, PasswordHash::of_password("123456"));
        assert_eq!(
            new.check(&known).map_err(|refusal| refusal.code.number()),
            expected
        );
        assert_eq!(new.check(&[]).map_err(|refusal| refusal.code.number()), Err(15));
    }
    let refused = |tail: String| {
        let query = format!("sign=1&salt=1491967716993{tail}");
        request::read(&query).request.unwrap_err().text()
    };
    assert_eq!(
        refused(tail.replace("&sn=W0011223344556", "")),
        "ERR_MISSING_PARAMETER"
    );
    assert_eq!(
        refused(tail.replace("W0011223344556", "W0011223344557")),
        "ERR_PASSWORD_VERIF_FAIL"
    );
    assert_eq!(refused(tail.replace("673f", "zz")), "ERR_PASSWORD_FORMAT_ERROR");
}

/// What clients sign and what their libraries make of it on the way.
#[test]
fn clients_that_send_another_spelling_than_they_signed_are_met() {
    let check = |signed: &str, sent: &str, is_right: bool| {
        let query = sent_as(signed, sent);
        let Ok(Request::Business(call)) = request::read(&query).request else {
            panic!("{sent}");
        };
        assert_eq!(call.check(SECRET).is_ok(), is_right, "{signed} sent as {sent}");
    };
    let rows = [
        // A literal space, as httpx and requests, then as aiohttp sends it.
        (
            "&action=queryPlants&plantName=my home",
            "&action=queryPlants&plantName=my%20home",
        ),
        (
            "&action=queryPlants&plantName=my home",
            "&action=queryPlants&plantName=my+home",
        ),
        (
            "&action=queryPlants&plantName=张三",
            "&action=queryPlants&plantName=%E5%BC%A0%E4%B8%89",
        ),
        (
            "&action=queryPlants&plantName=a|b",
            "&action=queryPlants&plantName=a%7Cb",
        ),
        (
            "&action=queryPlants&plantName=a\"b",
            "&action=queryPlants&plantName=a%22b",
        ),
        (
            "&action=queryPlants&plantName=a+b",
            "&action=queryPlants&plantName=a%2Bb",
        ),
        // Escapes that aiohttp undoes, then escapes that requests writes in capitals.
        (
            "&action=queryPlants&plantName=a%40b",
            "&action=queryPlants&plantName=a@b",
        ),
        (
            "&action=queryPlants&plantName=a%2Cb%3A",
            "&action=queryPlants&plantName=a,b:",
        ),
        (
            "&action=queryPlants&plantName=a%27b",
            "&action=queryPlants&plantName=a'b",
        ),
        (
            "&action=queryPlants&plantName=a%2Cb",
            "&action=queryPlants&plantName=a%2cb",
        ),
        // `urlencode` with and without `safe='@'`, sent by a library that decodes what it may.
        (
            "&action=queryPlants&plantName=a%2Cb+c",
            "&action=queryPlants&plantName=a,b+c",
        ),
        (
            "&action=queryPlants&plantName=a@b%2C+c",
            "&action=queryPlants&plantName=a@b,+c",
        ),
        (
            "&action=queryPlants&plantName=a@b%2C%20c",
            "&action=queryPlants&plantName=a@b,%20c",
        ),
        (
            "&action=queryPlants&plantName=a,b:%20%40",
            "&action=queryPlants&plantName=a%2Cb%3A%20%40",
        ),
    ];
    for (signed, sent) in rows {
        check(signed, sent, true);
        check(signed, &format!("{sent}&page=1"), false);
    }
    // Where two requests could share a signed text, only the bytes that were sent count.
    for (signed, sent) in [
        ("&action=queryPlants&x=a&pn=1", "&action=queryPlants&x=a%26pn=1"),
        ("&action=queryPlants&x=a&pn=1", "&action=queryPlants&x=a%26pn%3D1"),
        ("&action=queryPlants&x=a=1", "&action=queryPlants&x=a%3D1"),
        ("&action=queryPlants&x=a#", "&action=queryPlants&x=a%23"),
        ("&action=queryPlants&x=a%41", "&action=queryPlants&x=a%2541"),
        ("&action=queryPlants&x=a\n", "&action=queryPlants&x=a%0A"),
        ("&action=queryPlants&x=a\0", "&action=queryPlants&x=a%00"),
        ("&action=queryPlants&x=a b", "&action=queryPlants&x=a%20b&y=%26"),
    ] {
        check(signed, sent, false);
        check(sent, sent, true);
    }
}

#[test]
fn a_user_name_with_a_plus_may_be_either() {
    let names = |usr: &str| {
        let query = format!("sign=1&salt=12345678&action=auth&usr={usr}&company-key=K");
        match request::read(&query).request {
            Ok(Request::Login(login)) => login.names,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(names("vplant"), ["vplant"]);
    assert_eq!(names("solar+home"), ["solar+home", "solar home"]);
    assert_eq!(names("solar%20home"), ["solar home"]);
    assert_eq!(names("solar%2Bhome"), ["solar+home"]);
    assert_eq!(names("%E5%BC%A0%E4%B8%89"), ["张三"]);
}

#[test]
fn the_signature_of_one_text_is_not_that_of_another() {
    let query = signed("&action=queryPlants&page=0");
    let moved = query.replace("page=0", "page=1");
    let Ok(Request::Business(call)) = request::read(&moved).request else {
        panic!("no call");
    };
    assert_eq!(
        call.check(SECRET),
        Err(super::super::error::Code::Signature.into())
    );
}

/// The libraries of clients, as far as they touch what is in a value.
fn httpx(text: &str) -> String {
    escaped(text, |c| {
        c == ' ' || !c.is_ascii() || c == '"' || c == '<' || c == '>' || c == '`'
    })
}

fn requests(text: &str) -> String {
    escaped(text, |c| {
        !c.is_ascii_alphanumeric() && !"-._~!#$%&'()*+,/:;=?@[]".contains(c)
    })
}

fn aiohttp(text: &str) -> String {
    requests(&text.replace(' ', "+"))
}

fn escaped(text: &str, wants: impl Fn(char) -> bool) -> String {
    let escape = |c: char| {
        if wants(c) {
            query::encode(&c.to_string())
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}

proptest! {
    #[test]
    fn reading_never_fails_badly(query in ".{0,300}") {
        let _ = request::read(&query);
    }

    #[test]
    fn reading_never_fails_badly_behind_an_action(tail in "[&=%a-c_,;+ -]{0,80}") {
        for action in ["auth", "reg", "queryPlants", "queryDomainListNotLogin"] {
            let query = format!("sign=s&salt=12345678&token=t&action={action}&usr=u&pwd=p&sn=s&company-key=k{tail}");
            match request::read(&query).request {
                Ok(Request::Login(login)) => prop_assert!(!login.is_proved_by(SECRET)),
                Ok(Request::Business(call)) => prop_assert!(call.check(SECRET).is_err()),
                Ok(Request::Registration(new)) => prop_assert!(new.check(&[]).is_err()),
                Ok(Request::Open(open)) => prop_assert!(open.answer().is_err()),
                Err(refusal) => prop_assert!(!refusal.text().is_empty()),
            }
        }
    }

    /// Whatever people name their plants: what a client signs is found again in what its library sends.
    #[test]
    fn what_clients_sign_fits_what_they_send(name in "[a-zA-Z0-9 @,:;'|\"张ü._~-]{1,20}") {
        let tail = format!("&action=queryPlants&plantName={name}&page=0");
        for library in [httpx, requests, aiohttp] {
            let sent = sent_as(&tail, &library(&tail));
            match request::read(&sent).request {
                Ok(Request::Business(call)) => prop_assert_eq!(call.check(SECRET), Ok::<(), Refusal>(())),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
