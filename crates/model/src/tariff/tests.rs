use jiff::tz::TimeZone;

use super::*;
use crate::id::{CardId, UserId};
use crate::session::Cost;
use crate::time::Timestamp;
use crate::user::{Card, CardKind, Role, User};

fn vienna() -> TimeZone {
    TimeZone::get("Europe/Vienna").unwrap()
}

fn site() -> SiteId {
    SiteId::new("home").unwrap()
}

/// `2026-03-29T02:30+01:00`
fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn local(instant: Timestamp) -> String {
    instant
        .to_jiff()
        .to_zoned(vienna())
        .strftime("%m-%d %H:%M %z")
        .to_string()
}

fn contract(name: &str, from: &str, until: Option<&str>, prices: Prices) -> Contract {
    Contract {
        name: name.to_owned(),
        from: from.parse().unwrap(),
        until: until.map(|day| day.parse().unwrap()),
        currency: Currency::EUR,
        vat: PerMille(200),
        monthly_fee: Micros(3_000_000),
        prices,
    }
}

fn fixed(price: i64) -> Prices {
    Prices::Fixed { price: PerKwh(price) }
}

fn band(weekdays: &[u8], months: &[u8], from_minute: u16, to_minute: u16, price: i64) -> Band {
    Band {
        weekdays: weekdays.to_vec(),
        months: months.to_vec(),
        from_minute,
        to_minute,
        price: PerKwh(price),
    }
}

fn bands(bands: Vec<Band>) -> Prices {
    Prices::TimeOfUse {
        bands,
        otherwise: PerKwh(300_000),
    }
}

fn dynamic() -> Prices {
    Prices::Dynamic {
        provider: "market".to_owned(),
        factor: PerMille(1_030),
        surcharge: PerKwh(15_000),
        fallback: PerKwh(250_000),
    }
}

fn tariff(id: &str, site: Option<&str>, contracts: Vec<Contract>) -> Tariff {
    Tariff {
        id: TariffId::new(id).unwrap(),
        name: id.to_owned(),
        direction: Direction::Import,
        site: site.map(|site| SiteId::new(site).unwrap()),
        contracts,
    }
}

fn book(tariffs: Vec<Tariff>) -> PriceBook {
    PriceBook::new(vienna(), tariffs)
}

fn known() -> Named {
    Named {
        sites: [site()].into(),
        providers: ["market".to_owned()].into(),
    }
}

/// The price without VAT, so that rows read like the contract.
fn net(book: &PriceBook, instant: &str) -> Option<i64> {
    let priced = book.price_at(&site(), None, None, at(instant))?;
    Some(priced.price.0 * 1_000 / 1_200)
}

#[test]
fn a_contract_counts_from_local_midnight_and_never_before() {
    let book = book(vec![tariff(
        "home",
        Some("home"),
        vec![
            // The order of the list does not matter.
            contract("new", "2026-07-01", None, fixed(200_000)),
            contract("old", "2024-02-29", Some("2025-12-31"), fixed(300_000)),
            contract("next", "2026-01-02", None, fixed(280_000)),
        ],
    )]);
    for (instant, expected) in [
        ("2024-02-28T23:59:59.999+01:00", None),
        ("2024-02-29T00:00+01:00", Some(300_000)),
        ("2025-12-31T23:59:59.999+01:00", Some(300_000)),
        // One day without a contract.
        ("2026-01-01T00:00+01:00", None),
        ("2026-01-01T23:59:59.999+01:00", None),
        ("2026-01-02T00:00+01:00", Some(280_000)),
        // In July midnight is two hours before that of UTC.
        ("2026-06-30T23:59:59.999+02:00", Some(280_000)),
        ("2026-07-01T00:00+02:00", Some(200_000)),
        ("2099-01-01T00:00Z", Some(200_000)),
    ] {
        assert_eq!(net(&book, instant), expected, "{instant}");
    }
}

#[test]
fn a_new_contract_changes_no_price_before_its_first_day() {
    let old = vec![contract(
        "old",
        "2025-01-01",
        None,
        bands(vec![band(&[], &[], 1_320, 360, 200_000)]),
    )];
    let mut both = old.clone();
    both.push(contract("new", "2026-03-29", None, fixed(1)));
    let (before, after) = (
        book(vec![tariff("home", Some("home"), old)]),
        book(vec![tariff("home", Some("home"), both)]),
    );
    let (from, change, to) = (
        at("2026-03-20T00:00+01:00"),
        at("2026-03-29T00:00+01:00"),
        at("2026-04-02T00:00+02:00"),
    );
    assert_eq!(
        before.site_spans(&site(), Direction::Import, from, change),
        after.site_spans(&site(), Direction::Import, from, change)
    );
    let last = after.site_spans(&site(), Direction::Import, from, to);
    let last = last.last().unwrap();
    assert_eq!((last.start, last.end), (change, to));
}

#[test]
fn bands_belong_to_the_day_and_month_they_start_in() {
    let night = [
        band(&[5], &[], 1_320, 360, 100_000),
        band(&[], &[12], 1_320, 360, 200_000),
    ];
    let book = book(vec![tariff(
        "home",
        Some("home"),
        vec![contract("only", "2020-01-01", None, bands(night.to_vec()))],
    )]);
    for (instant, expected) in [
        // 2026-11-27 is a Friday.
        ("2026-11-27T05:59+01:00", 300_000),
        ("2026-11-27T21:59+01:00", 300_000),
        ("2026-11-27T22:00+01:00", 100_000),
        ("2026-11-28T05:59:59+01:00", 100_000),
        ("2026-11-28T06:00+01:00", 300_000),
        ("2026-11-28T22:00+01:00", 300_000),
        ("2026-12-01T05:00+01:00", 300_000),
        ("2026-12-01T22:00+01:00", 200_000),
        // New Year's Eve is a Thursday; its night lasts into January.
        ("2026-12-31T23:00+01:00", 200_000),
        ("2027-01-01T05:59+01:00", 200_000),
        ("2027-01-01T06:00+01:00", 300_000),
        // The leap day of 2028 is a Tuesday.
        ("2028-02-29T23:00+01:00", 300_000),
    ] {
        assert_eq!(net(&book, instant), Some(expected), "{instant}");
    }
}

#[test]
fn the_first_band_counts_and_a_band_may_last_the_whole_day() {
    let week = [
        band(&[6, 7], &[], 0, 1_440, 100_000),
        band(&[], &[], 600, 600, 200_000),
    ];
    let book = book(vec![tariff(
        "home",
        Some("home"),
        vec![contract("only", "2020-01-01", None, bands(week.to_vec()))],
    )]);
    for (instant, expected) in [
        ("2026-11-28T00:00+01:00", 100_000),
        ("2026-11-29T23:59+01:00", 100_000),
        ("2026-11-30T00:00+01:00", 200_000),
        ("2026-11-30T12:00+01:00", 200_000),
    ] {
        assert_eq!(net(&book, instant), Some(expected), "{instant}");
    }
}

#[test]
fn spans_follow_the_clock_through_both_changes() {
    let cheap = [band(&[], &[], 150, 1_290, 100_000)];
    let book = book(vec![tariff(
        "home",
        Some("home"),
        vec![contract("only", "2020-01-01", None, bands(cheap.to_vec()))],
    )]);
    let check = |from: &str, to: &str, expected: &[(&str, i64)]| {
        let spans = book.site_spans(&site(), Direction::Import, at(from), at(to));
        let found: Vec<(String, i64)> = spans
            .iter()
            .map(|span| (local(span.start), span.priced.as_ref().unwrap().price.0 / 1_200))
            .collect();
        let expected: Vec<(String, i64)> = expected.iter().map(|(t, p)| ((*t).to_owned(), *p)).collect();
        assert_eq!(found, expected);
        gapless(&spans, at(from), at(to));
    };
    // 02:30 does not exist; the band starts when the clock has passed it.
    check(
        "2026-03-29T00:00+01:00",
        "2026-03-30T00:00+02:00",
        &[
            ("03-29 00:00 +0100", 300),
            ("03-29 03:00 +0200", 100),
            ("03-29 21:30 +0200", 300),
        ],
    );
    // 02:30 comes twice, and so does the half hour before it.
    check(
        "2026-10-25T00:00+02:00",
        "2026-10-26T00:00+01:00",
        &[
            ("10-25 00:00 +0200", 300),
            ("10-25 02:30 +0200", 100),
            ("10-25 02:00 +0100", 300),
            ("10-25 02:30 +0100", 100),
            ("10-25 21:30 +0100", 300),
        ],
    );
    check(
        "2027-12-31T12:00+01:00",
        "2028-01-01T12:00+01:00",
        &[
            ("12-31 12:00 +0100", 100),
            ("12-31 21:30 +0100", 300),
            ("01-01 02:30 +0100", 100),
        ],
    );
}

fn gapless(spans: &[Span], from: Timestamp, to: Timestamp) {
    assert_eq!(spans.first().map(|span| span.start), Some(from));
    assert_eq!(spans.last().map(|span| span.end), Some(to));
    for pair in spans.windows(2) {
        assert_eq!(pair[0].end, pair[1].start);
        assert_ne!(pair[0].priced, pair[1].priced);
    }
}

/// Every minute of the days around changes of the clock and the year, bands of all sorts: what the spans say is what the clock says.
#[test]
fn spans_and_instants_agree() {
    let odd = [
        band(&[1, 3], &[3, 10], 125, 170, 100_000),
        band(&[6, 7], &[], 1_380, 200, 110_000),
        band(&[], &[12], 1_439, 1, 120_000),
        band(&[7], &[], 0, 0, 130_000),
    ];
    let mut book = book(vec![tariff(
        "home",
        Some("home"),
        vec![
            contract("a", "2026-01-01", Some("2026-10-25"), bands(odd.to_vec())),
            contract("b", "2026-10-27", None, dynamic()),
        ],
    )]);
    let first = at("2026-10-26T20:00Z");
    let slots = (0..400)
        .filter(|n| n % 7 != 3)
        .map(|n| (first.0 + n * 900_000, n))
        .map(|(start, n)| {
            (
                Timestamp(start),
                Timestamp(start + 900_000),
                PerKwh(n % 3 * 40_000 - 20_000),
            )
        });
    book.set_prices("market", slots.collect());
    for (from, to) in [
        ("2026-03-27T00:00Z", "2026-04-01T00:00Z"),
        ("2026-10-23T11:11Z", "2026-11-01T00:00Z"),
        ("2025-12-30T00:00Z", "2026-01-03T00:00Z"),
    ] {
        let spans = book.site_spans(&site(), Direction::Import, at(from), at(to));
        gapless(&spans, at(from), at(to));
        for span in &spans {
            let mut now = span.start;
            while now < span.end {
                assert_eq!(book.price_at(&site(), None, None, now), span.priced, "{now}");
                now = Timestamp(now.0 + 60_000);
            }
            let last = Timestamp(span.end.0 - 1);
            assert_eq!(book.price_at(&site(), None, None, last), span.priced, "{last}");
        }
    }
}

#[test]
fn dynamic_prices_are_factored_surcharged_taxed_and_replaced_by_the_fallback() {
    let mut book = book(vec![tariff(
        "home",
        Some("home"),
        vec![contract("only", "2020-01-01", None, dynamic())],
    )]);
    let start = at("2026-11-27T10:00+01:00");
    let quarter = |n: i64, price| {
        let start = Timestamp(start.0 + n * 900_000);
        (start, Timestamp(start.0 + 900_000), PerKwh(price))
    };
    let hour = (start, Timestamp(start.0 + 3_600_000), PerKwh(90_000));
    book.set_prices("market", vec![quarter(4, -100_000), hour, quarter(1, 100_001)]);
    for (instant, expected, fallback) in [
        ("2026-11-27T09:59:59.999+01:00", 300_000, true),
        // (0.09 x 1.03 + 0.015) x 1.2
        ("2026-11-27T10:00+01:00", 129_240, false),
        // A quarter-hour stands above the hour it lies in. (0.100001 x 1.03 + 0.015) x 1.2 = 0.141601236
        ("2026-11-27T10:15+01:00", 141_601, false),
        ("2026-11-27T10:30+01:00", 129_240, false),
        ("2026-11-27T11:00+01:00", -105_600, false),
        ("2026-11-27T11:15+01:00", 300_000, true),
    ] {
        let priced = book.price_at(&site(), None, None, at(instant)).unwrap();
        assert_eq!(
            (priced.price.0, priced.from_fallback),
            (expected, fallback),
            "{instant}"
        );
    }
    assert_eq!(book.providers(), ["market"].into());
}

#[test]
fn the_card_stands_above_the_user_and_the_user_above_the_site() {
    let mut export = tariff(
        "sun",
        Some("home"),
        vec![contract("only", "2020-01-01", None, fixed(80_000))],
    );
    export.direction = Direction::Export;
    let one = |id, site, from, price| tariff(id, site, vec![contract("only", from, None, fixed(price))]);
    let book = book(vec![
        export,
        one("site", Some("home"), "2020-01-01", 100_000),
        one("user", None, "2020-01-01", 200_000),
        one("card", None, "2026-12-01", 300_000),
    ]);
    let named = |id: &'static str| TariffId::new(id).unwrap();
    for (user, card, instant, expected) in [
        (None, None, "2026-12-01T12:00Z", "site"),
        (Some("user"), None, "2026-12-01T12:00Z", "user"),
        (Some("user"), Some("card"), "2026-12-01T12:00Z", "card"),
        (None, Some("card"), "2026-12-01T12:00Z", "card"),
        // No contract yet, unknown, for the other direction: passed over.
        (Some("user"), Some("card"), "2026-11-30T12:00Z", "user"),
        (Some("gone"), None, "2026-12-01T12:00Z", "site"),
        (Some("sun"), None, "2026-12-01T12:00Z", "site"),
    ] {
        let (user, card) = (user.map(named), card.map(named));
        let priced = book
            .price_at(&site(), user.as_ref(), card.as_ref(), at(instant))
            .unwrap();
        assert_eq!(priced.tariff.as_str(), expected, "{user:?} {card:?} {instant}");
    }
    let change = book.charging_spans(
        &site(),
        None,
        Some(&named("card")),
        at("2026-11-30T12:00Z"),
        at("2026-12-01T12:00Z"),
    );
    let tariffs: Vec<_> = change
        .iter()
        .map(|s| s.priced.as_ref().unwrap().tariff.as_str())
        .collect();
    assert_eq!(tariffs, ["site", "card"]);
    let earned = book.feed_in_at(&site(), at("2026-12-01T12:00Z")).unwrap();
    assert_eq!((earned.tariff.as_str(), earned.price), ("sun", PerKwh(96_000)));
    let nowhere = SiteId::new("elsewhere").unwrap();
    assert_eq!(book.price_at(&nowhere, None, None, at("2026-12-01T12:00Z")), None);
}

#[test]
fn it_is_known_which_tariff_has_no_price_and_since_when() {
    let one = |id, site, prices| tariff(id, site, vec![contract("only", "2020-01-01", None, prices)]);
    let mut book = book(vec![
        one("home", Some("home"), dynamic()),
        one("guest", None, dynamic()),
        one("fixed", None, fixed(1)),
    ]);
    let hour = |from: &str| (at(from), at(from) + crate::time::Millis(3_600_000), PerKwh(1));
    book.set_prices(
        "market",
        vec![hour("2026-11-27T09:00Z"), hour("2026-11-27T12:00Z")],
    );
    let named = ["guest", "fixed"].map(|id| TariffId::new(id).unwrap());
    let check = |named: &[TariffId], instant: &str, expected: &[&str], since: Option<&str>| {
        let found = book.without_prices(&site(), &named.iter().collect(), at(instant));
        let names: Vec<&str> = found.iter().map(|one| one.tariff.as_str()).collect();
        assert_eq!(names, expected, "{instant}");
        assert!(
            found.iter().all(|one| one.since == since.map(at)),
            "{instant}: {found:?}"
        );
    };
    check(&[], "2026-11-27T09:59Z", &[], None);
    check(&[], "2026-11-27T10:00Z", &["home"], Some("2026-11-27T10:00Z"));
    check(
        &named,
        "2026-11-27T11:59Z",
        &["guest", "home"],
        Some("2026-11-27T10:00Z"),
    );
    check(&named, "2026-11-27T12:00Z", &[], None);
    check(&[], "2026-11-27T08:00Z", &["home"], None);
}

#[test]
fn monthly_fees_are_spread_over_the_local_month_and_add_up() {
    let francs = Contract {
        currency: "CHF".parse().unwrap(),
        vat: PerMille(0),
        ..contract("swiss", "2026-04-11", None, fixed(1))
    };
    let tariff = tariff(
        "home",
        Some("home"),
        vec![
            contract("first", "2026-01-01", None, fixed(1)),
            contract("second", "2026-03-16", Some("2026-03-31"), fixed(1)),
            francs,
        ],
    );
    let check = |from: &str, to: &str, expected: &[(i64, &str)]| {
        let fees = tariff.fees(&vienna(), at(from), at(to));
        let fees: Vec<(i64, &str)> = fees.iter().map(|f| (f.amount.0, f.currency.as_str())).collect();
        assert_eq!(fees, expected, "{from} {to}");
    };
    check(
        "2026-01-01T00:00+01:00",
        "2026-02-01T00:00+01:00",
        &[(3_600_000, "EUR")],
    );
    check(
        "2025-01-01T00:00+01:00",
        "2026-02-01T00:00+01:00",
        &[(3_600_000, "EUR")],
    );
    check(
        "2026-02-01T00:00+01:00",
        "2026-02-08T00:00+01:00",
        &[(900_000, "EUR")],
    );
    // March has 743 hours, and two contracts with the same fee.
    check(
        "2026-03-01T00:00+01:00",
        "2026-04-01T00:00+02:00",
        &[(3_600_000, "EUR")],
    );
    check(
        "2026-03-29T00:00+01:00",
        "2026-03-30T00:00+02:00",
        &[(111_440, "EUR")],
    );
    check(
        "2026-03-31T00:00+02:00",
        "2026-04-12T00:00+02:00",
        &[(116_285, "EUR"), (100_000, "CHF")],
    );
    let (mut now, end) = (at("2026-01-13T07:31Z"), at("2026-03-30T00:00Z"));
    let mut sum = Micros(0);
    while now < end {
        let next = Timestamp(now.0 + 7_654_321).min(end);
        sum += tariff
            .fees(&vienna(), now, next)
            .iter()
            .map(|fee| fee.amount)
            .sum();
        now = next;
    }
    let whole = tariff.fees(&vienna(), at("2026-01-13T07:31Z"), end);
    assert_eq!(
        whole,
        [Cost {
            amount: sum,
            currency: Currency::EUR
        }]
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let nonsense = [
        band(&[0], &[], 1_440, 1_441, 0),
        band(&[1], &[13], 0, 60, i64::MAX),
        band(&[], &[], 0, 1_440, 0),
        band(&[2], &[6], 60, 120, 0),
    ];
    let mut wrong = tariff(
        "wrong",
        Some("away"),
        vec![
            contract("b", "2026-06-30", None, bands(nonsense.to_vec())),
            contract("a", "2026-01-01", Some("2026-06-30"), fixed(i64::MIN)),
            contract(
                "",
                "2027-01-01",
                Some("2026-12-31"),
                Prices::Dynamic {
                    provider: "exchange".to_owned(),
                    factor: PerMille(-1),
                    surcharge: PerKwh(0),
                    fallback: PerKwh(0),
                },
            ),
        ],
    );
    wrong.name = "\u{7}".to_owned();
    wrong.contracts[1].vat = PerMille(1_001);
    wrong.contracts[1].monthly_fee = Micros(-1);
    let found = problems(&[wrong, tariff("empty", None, Vec::new())], &known());
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let expected = [
        "tariff `wrong` has no name of 1 to 80 characters",
        "tariff `wrong` is the default of site `away`, which does not exist",
        "contract \"a\" of tariff `wrong` has a VAT of 1001 ‰, expected 0 to 1000 ‰",
        "contract \"a\" of tariff `wrong` has a monthly fee of -1 millionths, expected 0 to 1000000000000",
        "the price of contract \"a\" of tariff `wrong` is -9223372036854775808 millionths, expected -1000000000000 to 1000000000000",
        "the price in band 2 of contract \"b\" of tariff `wrong` is 9223372036854775807 millionths, expected -1000000000000 to 1000000000000",
        "band 1 of contract \"b\" of tariff `wrong` starts at minute 1440, expected 0 to 1439",
        "band 1 of contract \"b\" of tariff `wrong` ends at minute 1441, expected 0 to 1440",
        "band 1 of contract \"b\" of tariff `wrong` names weekday 0, expected 1 (Monday) to 7 (Sunday)",
        "band 2 of contract \"b\" of tariff `wrong` names month 13, expected 1 to 12",
        "band 4 of contract \"b\" of tariff `wrong` can never count, because band 3 stands before it",
        "contract \"\" of tariff `wrong` has no name of 1 to 80 characters",
        "contract \"\" of tariff `wrong` ends on 2026-12-31, before it starts on 2027-01-01",
        "contract \"\" of tariff `wrong` has a factor of -1 ‰, expected 0 to 100000",
        "contract \"\" of tariff `wrong` names price provider `exchange`, which does not exist; known are market",
        "contracts \"a\" and \"b\" of tariff `wrong` overlap: 2026-01-01 to 2026-06-30 and from 2026-06-30",
        "tariff `empty` has no contract",
    ];
    assert_eq!(found, expected);
}

#[test]
fn two_defaults_that_overlap_are_refused_with_both_names() {
    let one = |id, from, until, direction| Tariff {
        direction,
        ..tariff(id, Some("home"), vec![contract("only", from, until, fixed(1))])
    };
    let check = |one: &Tariff, other: &Tariff, expected: &[&str]| {
        let found = problems(&[one.clone(), other.clone()], &known());
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    };
    let day = one("day", "2026-01-01", Some("2026-06-30"), Direction::Import);
    check(&day, &one("next", "2026-07-01", None, Direction::Import), &[]);
    check(&day, &one("sun", "2026-01-01", None, Direction::Export), &[]);
    check(
        &day,
        &tariff(
            "guest",
            None,
            vec![contract("only", "2026-01-01", None, fixed(1))],
        ),
        &[],
    );
    let expected = "tariffs `day` and `night` overlap: both are the default of site `home` for energy taken on 2026-06-30; end one before the other starts";
    check(
        &day,
        &one("night", "2026-06-30", None, Direction::Import),
        &[expected],
    );
    check(&day, &day, &["tariff `day` is there twice"]);
    // An open contract ends where the next one of its tariff starts, or has ended already.
    let mut moved = one("moved", "2025-01-01", None, Direction::Import);
    moved
        .contracts
        .push(contract("short", "2025-06-01", Some("2025-12-31"), fixed(1)));
    check(&moved, &day, &[]);
}

#[test]
fn users_and_cards_name_tariffs_that_exist() {
    let mut export = tariff("sun", Some("home"), Vec::new());
    export.direction = Direction::Export;
    let user = |id: &str, tariff: &str| User {
        tariff: Some(TariffId::new(tariff).unwrap()),
        ..User::new(UserId::new(id).unwrap(), id, Role::User)
    };
    let card = Card {
        id: CardId::new("blue").unwrap(),
        user: UserId::new("resident-1").unwrap(),
        kind: CardKind::Rfid,
        name: "Blue".to_owned(),
        enabled: true,
        valid_until: None,
        budget: None,
        phases: None,
        tariff: Some(TariffId::new("gone").unwrap()),
        vehicle: None,
        rules: Vec::new(),
    };
    let found = named_problems(
        &[tariff("guest", None, Vec::new()), export],
        &[user("resident-1", "guest"), user("resident-2", "sun")],
        &[card],
    );
    assert_eq!(
        found,
        [
            "user `resident-2` names tariff `sun`, which is for energy fed in, not for energy taken",
            "card `blue` of user `resident-1` names tariff `gone`, which does not exist",
        ]
    );
}

#[test]
fn a_tariff_survives_the_store() {
    let one = tariff(
        "home",
        Some("home"),
        vec![
            contract(
                "a",
                "2024-02-29",
                Some("2025-12-31"),
                bands(vec![band(&[1], &[2], 3, 4, 5)]),
            ),
            contract("b", "2026-01-01", None, dynamic()),
        ],
    );
    let json = serde_json::to_string(&one).unwrap();
    assert!(json.contains("\"from\":\"2024-02-29\""), "{json}");
    assert_eq!(serde_json::from_str::<Tariff>(&json).unwrap(), one);
    assert!(serde_json::from_str::<Tariff>(&json.replace("2024-02-29", "2025-02-29")).is_err());
}
