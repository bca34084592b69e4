//! Samples that were lost are asked for.

use model::time::Clock;
use serde_json::{Value, json};

use super::{City, Listener, OPERATOR, cell, is_ours, sample};

const REPORT: &str = "/platform/report/chargingMetaInfo";

impl City {
    /// Sends a sample until it is lost.
    async fn lose(&self, sample: &Value, answers: [u16; 4]) {
        for expected in answers {
            let answer = self.call("POST", REPORT, &sample.to_string()).await;
            assert_eq!(answer.status, expected, "{}", answer.text);
        }
    }

    async fn state_of(&self, port: &str) -> String {
        self.platform.authority().catch_up().await.unwrap();
        let failures = self.world.get("/api/v1/oversight/failures").await.json();
        let mut items = failures["items"].as_array().unwrap().iter();
        let item = items.find(|item| item["port"] == port);
        item.unwrap_or_else(|| panic!("{port}: {failures:#}"))["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn register(&self, id: &str) {
        let mut port = cell();
        port["cellId"] = json!(id);
        let answer = self
            .call("POST", "/platform/management/cell", &port.to_string())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_lost_sample_is_asked_for_once_when_it_can_be_used() {
    let city = City::new().await.with_a_port().await;
    city.change(|operator| operator.local = true).await;
    let listener = Listener::start().await;
    // As long as there is no address, nobody is asked, later neither.
    let unasked = sample(&city, "98", 0);
    city.lose(&unasked, [404, 404, 404, 410]).await;
    city.set_address("getChargingMetaInfo", &format!("{}/past", listener.base))
        .await;
    let mut sender = city.sender().await;
    let (kept, none) = (sample(&city, "96", -60), sample(&city, "97", -60));
    city.lose(&kept, [404, 404, 404, 410]).await;
    city.lose(&none, [404, 404, 404, 410]).await;
    // What is too old is too old when it comes again.
    city.lose(&sample(&city, "95", -90_000), [200, 200, 200, 410])
        .await;
    for _ in 0..3 {
        city.tell(&mut sender).await;
        city.world.step(40_000);
    }
    // The ports are not there yet: the answer could not be used.
    assert_eq!(listener.take().len(), 0);

    for port in ["96", "97", "98"] {
        city.register(port).await;
    }
    let asked = async |sender: &mut north::outbox::Sender, answer: Value| {
        listener.says(200, &answer.to_string());
        city.world.step(4_400_000);
        city.tell(sender).await;
        let heard = listener.take();
        assert!(heard.iter().all(|request| is_ours(&city, request)));
        heard
            .iter()
            .map(|request| request.uri().to_string())
            .collect::<Vec<_>>()
    };
    let busy = json!({"status": 503, "message": "later", "data": ""});
    let first = asked(&mut sender, busy).await;
    assert!(!first.is_empty());
    assert!(first.iter().all(|uri| !uri.contains("cellId=98")), "{first:?}");
    assert_eq!(city.state_of("96").await, "lost");

    // 96 is told, and what is said of 97 is another port's: it is not taken.
    let mut uris = Vec::new();
    let answer = json!({"status": 200, "message": "", "data": kept});
    for _ in 0..4 {
        uris.extend(asked(&mut sender, answer.clone()).await);
    }
    assert!(uris.iter().any(|uri| uri.contains("cellId=96")), "{uris:?}");
    assert_eq!(city.state_of("96").await, "repaired");
    assert_eq!(city.state_of("97").await, "lost");
    let at = city.world.clock.now().wall.0;
    let span = format!("from_ms={}&to_ms={at}", at - 20 * 3_600_000);
    let samples = format!("/api/v1/oversight/operators/{OPERATOR}/ports/96/samples?{span}");
    let samples = city.world.get(&samples).await.json();
    assert_eq!(samples["items"].as_array().unwrap().len(), 1, "{samples}");

    // It has none of 97: that is an answer, and the end.
    let gone = json!({"status": 404, "message": "none", "data": ""});
    let mut uris = Vec::new();
    for _ in 0..8 {
        uris.extend(asked(&mut sender, gone.clone()).await);
    }
    assert_eq!(uris.len(), 1, "{uris:?}");
    assert!(uris[0].contains("cellId=97"), "{uris:?}");
    let dead = city.world.get("/api/v1/outbox?state=dead").await.json();
    let why = dead["items"][0]["last_error"].as_str().unwrap();
    assert!(why.contains("no sample of that time"), "{dead:#}");
}
