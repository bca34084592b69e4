//! The ShineMonitor door over the wire, with what clients get wrong and what nobody should send.

use std::net::{SocketAddr, TcpStream};

use dialects::shinemonitor::rc4::PasswordHash;
use dialects::shinemonitor::sign::{digest, hex_text};
use serde_json::{Value, json};

use super::process::Demo;
use super::wire::{Answer, IP, request, talk};

const SALT: &str = "12345678";

/// A session of the demo's owner, and where to use it.
struct Door {
    address: SocketAddr,
    token: String,
    secret: String,
}

fn sha1(parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    hex_text(&digest(&parts))
}

async fn send(address: SocketAddr, bytes: Vec<u8>) -> Answer {
    let heard = tokio::task::spawn_blocking(move || talk(TcpStream::connect(address).unwrap(), &bytes));
    Answer::of(&heard.await.unwrap())
}

/// Sent as it stands, also what no client library would let pass.
async fn get(address: SocketAddr, target: &str) -> Answer {
    send(address, request(target.as_bytes(), IP, "")).await
}

async fn err(address: SocketAddr, target: &str) -> i64 {
    let answer = get(address, target).await;
    assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    let err = &answer.json()["err"];
    err.as_i64()
        .unwrap_or_else(|| panic!("{target}: {}", answer.body))
}

/// A login with one text in the request and another one below the signature.
fn login_spelt(shine: &Value, name: (&str, &str), password: &str) -> String {
    let key = shine["company_key"].as_str().unwrap();
    let [sent, signed] = [name.0, name.1].map(|name| format!("&action=auth&usr={name}&company-key={key}"));
    let sign = sha1(&[SALT, PasswordHash::of_password(password).expose(), &signed]);
    format!("/public/?sign={sign}&salt={SALT}{sent}")
}

impl Door {
    async fn of(demo: &Demo) -> Self {
        let address = demo.base.strip_prefix("http://").unwrap().parse().unwrap();
        let shine = &demo.json["shinemonitor"];
        let [usr, pwd] = ["usr", "pwd"].map(|name| shine[name].as_str().unwrap());
        let answer = get(address, &login_spelt(shine, (usr, usr), pwd)).await.json();
        let text = |name: &str| answer["dat"][name].as_str().unwrap().to_owned();
        Self {
            address,
            token: text("token"),
            secret: text("secret"),
        }
    }

    fn signed(&self, tail: &str) -> String {
        self.spelt(tail, tail)
    }

    /// One text is sent, another one was signed.
    fn spelt(&self, sent: &str, signed: &str) -> String {
        let sign = sha1(&[SALT, &self.secret, &self.token, signed]);
        format!("/public/?sign={sign}&salt={SALT}&token={}{sent}", self.token)
    }

    async fn ask(&self, tail: &str) -> Value {
        get(self.address, &self.signed(tail)).await.json()
    }
}

#[tokio::test]
async fn names_come_through_however_they_are_spelt() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let address = demo.base.strip_prefix("http://").unwrap().parse().unwrap();
    let shine = &demo.json["shinemonitor"];
    let text = |name: &str| shine[name].as_str().unwrap().to_owned();
    let (odd, odd_pwd) = (text("odd_usr"), text("odd_pwd"));
    let (cjk, cjk_pwd) = (text("cjk_usr"), text("cjk_pwd"));
    let encoded = |name: &str| {
        let bytes = name.bytes().map(|byte| format!("%{byte:02X}"));
        bytes.collect::<String>()
    };
    for (sent, signed, password, expected) in [
        ("solar%20home", "solar%20home", &odd_pwd, 0),
        ("solar+home", "solar+home", &odd_pwd, 0),
        // Signed before it was encoded.
        ("solar%20home", odd.as_str(), &odd_pwd, 0),
        ("solar%20home", "solar+home", &odd_pwd, 0),
        ("solar+home", odd.as_str(), &odd_pwd, 0),
        (encoded(&cjk).as_str(), encoded(&cjk).as_str(), &cjk_pwd, 0),
        (encoded(&cjk).as_str(), cjk.as_str(), &cjk_pwd, 0),
        // Never encoded at all.
        (cjk.as_str(), cjk.as_str(), &cjk_pwd, 0),
        (encoded(&cjk).as_str(), encoded(&cjk).as_str(), &odd_pwd, 16),
        ("%22solar%20home%22", "%22solar%20home%22", &odd_pwd, 16),
        ("\"solar home\"", "\"solar home\"", &odd_pwd, 16),
        ("%FF%FE", "%FF%FE", &odd_pwd, 16),
        ("", "", &odd_pwd, 7),
        // What would be two parameters once it is decoded has one spelling only.
        ("solar%26home", "solar&home", &odd_pwd, 16),
    ] {
        let target = login_spelt(shine, (sent, signed), password);
        assert_eq!(err(address, &target).await, expected, "{sent} signed as {signed}");
    }
    // After its company key a login may carry what was not signed.
    let target = login_spelt(shine, ("vplant", "vplant"), &text("pwd")) + "&source=1&_app_id_=a.b";
    assert_eq!(err(address, &target).await, 0);
    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn what_clients_get_wrong_is_an_answer_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let door = Door::of(&demo).await;
    let pn = demo.json["shinemonitor"]["pn"].as_str().unwrap();

    // Salts, tokens, and where they stand.
    let Door {
        address,
        token,
        secret,
    } = &door;
    let tail = "&action=queryPlantCount";
    let right = door.signed(tail);
    let salted = |salt: &str| {
        let sign = sha1(&[salt, secret, token, tail]);
        format!("/public/?sign={sign}&salt={salt}&token={token}{tail}")
    };
    let foreign = "0".repeat(64);
    for (target, expected) in [
        (right.clone(), 0),
        (salted("1234567"), 5),
        (salted(""), 5),
        (salted("-1234567"), 0),
        (salted("-1"), 5),
        (salted(&"1".repeat(128)), 0),
        (salted(&"1".repeat(129)), 5),
        (right.replace("?sign", "?plant=1&action2=x&sign"), 0),
        (right.replace(tail, &format!("{tail}&pagesize=1")), 4),
        (
            format!("/public/?action=queryPlantCount&salt={SALT}&token={token}"),
            8,
        ),
        (format!("/public/?x=1{tail}&token={token}&salt={SALT}"), 10),
        (right.replace(token.as_str(), &foreign), 10),
        (right.replace(token.as_str(), &token.to_uppercase()), 10),
        (right.replace(token.as_str(), ""), 10),
        (right.replace("sign=", "sign=0"), 4),
        ("/public/".to_owned(), 8),
        ("/public".to_owned(), 8),
        ("/public/?".to_owned(), 8),
        ("/public/?&&&==&action=&".to_owned(), 8),
    ] {
        assert_eq!(err(*address, &target).await, expected, "{target}");
    }

    // Business parameters.
    for (tail, expected) in [
        (
            "&action=queryPlantEnergyDay&plantid=1&date=2026-02-30",
            "ERR_FORMAT(can not found date)",
        ),
        (
            "&action=queryPlantEnergyDay&plantid=1&date=0000-01-01",
            "ERR_FORMAT(can not found date)",
        ),
        (
            "&action=queryPlantEnergyMonth&plantid=1&date=2026-13",
            "ERR_FORMAT(can not found date)",
        ),
        (
            "&action=queryPlantEnergyYear&plantid=1&date=0",
            "ERR_FORMAT(can not found date)",
        ),
        ("&action=queryPlantInfo", "ERR_FORMAT(can not found plantid)"),
        (
            "&action=queryPlantInfo&plantid=one",
            "ERR_FORMAT(can not found plantid)",
        ),
        (
            "&action=queryPlantInfo&plantid=99999999999999999999",
            "ERR_FORMAT(can not found plantid)",
        ),
        ("&action=queryDeviceLastData", "ERR_FORMAT(can not found pn)"),
        (
            "&action=queryNothingAtAll",
            "ERR_FORBIDDEN(can not found action: queryNothingAtAll)",
        ),
    ] {
        let answer = door.ask(tail).await;
        assert_eq!(answer["desc"], expected, "{tail}: {answer}");
    }
    for (size, expected) in [("0", 1), ("-1", 1), ("1000000000", 50), ("x", 1), ("2", 2)] {
        let answer = door
            .ask(&format!("&action=queryDevices&page=0&pagesize={size}"))
            .await;
        assert_eq!(answer["dat"]["pagesize"], expected, "{size}: {answer}");
    }

    // A list of devices with one wrong among them.
    let answer = door.ask(&format!("&action=queryCollectorDevices&pn={pn}")).await;
    let first = &answer["dat"]["dev"][0];
    let named = |sn: &str| format!("{pn},{},{},{sn}", first["devcode"], first["devaddr"]);
    let good = named(first["sn"].as_str().unwrap());
    let list = |count: usize, wrong: Option<String>| {
        let mut all = vec![good.clone(); count];
        if let Some(wrong) = wrong {
            all[count / 2] = wrong;
        }
        format!("&action=queryDeviceStatus&device={}", all.join(";"))
    };
    let elsewhere = named("1").replace(pn, "G0000000000000");
    for (tail, expected) in [
        (list(256, None), 0),
        (list(256, Some(named("1"))), 258),
        (list(256, Some(elsewhere)), 257),
        (list(256, Some("nonsense".to_owned())), 6),
        (list(257, None), 13),
    ] {
        let answer = door.ask(&tail).await;
        assert_eq!(answer["err"], expected, "{} bytes: {answer}", tail.len());
    }
    let encoded = list(2, None).replace(',', "%2C").replace(';', "%3B");
    let decoded = list(2, None);
    for (sent, signed) in [(&encoded, &encoded), (&decoded, &decoded), (&encoded, &decoded)] {
        let target = door.spelt(sent, signed);
        let answer = get(door.address, &target).await.json();
        let found = answer["dat"]["device"].as_array().map(Vec::len);
        assert_eq!((&answer["err"], found), (&json!(0), Some(2)), "{sent}");
    }

    // Below the API, where HTTP has its own words.
    let long = format!("/public/?x={}", "1".repeat(200_000));
    assert!([414, 431].contains(&get(door.address, &long).await.status));
    let put = request(right.as_bytes(), IP, "");
    let put = [b"PUT".as_slice(), &put[3..]].concat();
    assert_eq!(send(door.address, put).await.status, 405);
    assert_eq!(err(door.address, &right).await, 0, "all that has changed nothing");
    assert_eq!(demo.process.terminate().await, Some(0));
}
