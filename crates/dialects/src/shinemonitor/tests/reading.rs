//! Requests as they should not come.

use super::super::request;
use super::super::wire;
use super::{SALT, TOKEN};

fn refused(query: &str) -> String {
    let read = request::read(query);
    let refusal = read.request.unwrap_err();
    let (body, _) = wire::addressed(wire::envelope(&Err(refusal)), read.callback);
    String::from_utf8(body).unwrap()
}

#[test]
fn refusals_come_in_the_order_of_the_original() {
    let unknown = |name: &str| format!(r#"{{"err":8,"desc":"ERR_FORBIDDEN(can not found action: {name})"}}"#);
    for (query, expected) in [
        ("", unknown("")),
        ("action=auth&usr=a", unknown("")),
        ("x&action=&usr=a", unknown("")),
        ("x&action=queryNothing", unknown("queryNothing")),
        ("x&action=AUTH&usr=a", unknown("AUTH")),
        // The last of a name counts, here as everywhere.
        ("x&action=auth&action=b", unknown("b")),
    ] {
        assert_eq!(refused(query), expected, "{query}");
    }
    let login = |head: &str, rest: &str| format!("{head}&action=auth{rest}");
    let all = "&usr=a&company-key=K";
    for (query, expected) in [
        (login("sign=1&salt=12345678", "&usr=a"), "ERR_MISSING_PARAMETER"),
        (
            login("sign=1&salt=12345678", "&usr=&company-key=K"),
            "ERR_MISSING_PARAMETER",
        ),
        (login("salt=12345678", all), "ERR_MISSING_PARAMETER"),
        (login("sign=1", all), "ERR_MISSING_PARAMETER"),
        // In front of the signed text or not at all.
        (
            login("sign=1", &format!("{all}&salt=12345678")),
            "ERR_MISSING_PARAMETER",
        ),
        (login("sign=1&salt=1234567", all), "ERR_SALT"),
        (
            login(&format!("sign=1&salt={}", "1".repeat(129)), all),
            "ERR_SALT",
        ),
    ] {
        assert!(refused(&query).contains(&format!("\"{expected}\"")), "{query}");
    }
    for good in ["12345678", "-1491967716993", "%31%32%33", &"1".repeat(128)] {
        let query = login(&format!("sign=1&salt={good}"), all);
        assert!(request::read(&query).request.is_ok(), "{good}");
    }
    // A token behind the action signs nothing.
    for query in [
        format!("sign=1&salt={SALT}&action=updateToken"),
        format!("sign=1&salt={SALT}&token=&action=updateToken"),
        format!("sign=1&salt={SALT}&action=updateToken&token={TOKEN}"),
    ] {
        assert_eq!(refused(&query), r#"{"err":10,"desc":"ERR_NO_AUTH"}"#);
    }
}

#[test]
fn salts_and_signatures_are_looked_at_after_the_token() {
    for (head, expected) in [
        ("token=t", "ERR_SALT"),
        ("token=t&salt=1234567", "ERR_SALT"),
        ("token=t&salt=12345678", "ERR_SIGN"),
        ("token=t&salt=12345678&sign=", "ERR_SIGN"),
        ("token=t&salt=12345678&sign=0", "ERR_SIGN"),
    ] {
        let query = format!("{head}&action=updateToken");
        let Ok(request::Request::Business(call)) = request::read(&query).request else {
            panic!("{query}");
        };
        assert_eq!(call.check("secret").unwrap_err().text(), expected, "{query}");
    }
    for (head, expected) in [
        ("sign=1&salt=1", "ERR_SALT"),
        ("sign=1&salt=12345678", "ERR_SIGN"),
    ] {
        let query = format!("{head}&action=queryDomainListNotLogin");
        let Ok(request::Request::Open(open)) = request::read(&query).request else {
            panic!("{query}");
        };
        assert_eq!(open.answer().unwrap_err().text(), expected);
    }
}

#[test]
fn jsonp_is_outside_of_what_is_signed() {
    let query = super::signed("&action=updateToken&i18n=en_US");
    let asked = format!("{query}&callback=jQuery1_2&_=1491967716993");
    let read = request::read(&asked);
    let Ok(request::Request::Business(call)) = read.request else {
        panic!("no call");
    };
    assert_eq!(call.check(super::SECRET), Ok(()));
    let (body, content_type) = wire::addressed(b"{}".to_vec(), read.callback);
    assert_eq!(
        (body.as_slice(), content_type),
        (b"jQuery1_2({})".as_slice(), wire::SCRIPT)
    );
    // A refusal is called back as well, a bad name is not repeated.
    assert!(refused("x&action=nothing&callback=f").starts_with("f({\"err\":8,"));
    assert_eq!(
        refused(&format!("{query}&callback=alert(1)")),
        r#"{"err":6,"desc":"ERR_FORMAT(can not found callback)"}"#
    );
}
