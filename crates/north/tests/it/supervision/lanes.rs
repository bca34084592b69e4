//! One notice that an operator does not take holds back no others.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{City, Listener, sample};

/// The ports that a listener was told of since the last time.
fn ports(listener: &Listener) -> Vec<String> {
    let heard = listener.take().into_iter();
    heard
        .map(|request| {
            let told: Value = serde_json::from_slice(request.body()).unwrap();
            told["data"]["requestBody"]["cellId"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn four_calls_at_a_time_and_what_fails_steps_aside() {
    const PORTS: usize = 20;
    let city = City::new().await.with_a_port().await;
    city.change(|operator| operator.local = true).await;
    let listener = Listener::start().await;
    city.set_address("reportFailure", &format!("{}/failed", listener.base))
        .await;
    let mut sender = city.sender().await;
    for port in 0..PORTS {
        let body = sample(&city, &format!("u{port}"), 0).to_string();
        let answer = city
            .call("POST", "/platform/report/chargingMetaInfo", &body)
            .await;
        assert_eq!(answer.status, 404, "{}", answer.text);
    }

    listener.says(500, "");
    city.tell(&mut sender).await;
    let heads: BTreeSet<_> = ports(&listener).into_iter().collect();
    assert_eq!(heads.len(), 4, "{heads:?}");
    for _ in 0..4 {
        city.world.step(750_000);
        city.tell(&mut sender).await;
        let again: BTreeSet<_> = ports(&listener).into_iter().collect();
        assert_eq!(again, heads);
    }

    listener.says(204, "");
    let mut others = Vec::new();
    for _ in 0..PORTS {
        city.tell(&mut sender).await;
        others.extend(ports(&listener));
    }
    assert_eq!(others.len(), PORTS - heads.len(), "{others:?}");
    assert!(others.iter().all(|port| !heads.contains(port)), "{others:?}");
    city.world.step(4_400_000);
    let mut late = BTreeSet::new();
    for _ in 0..PORTS {
        city.tell(&mut sender).await;
        late.extend(ports(&listener));
    }
    assert_eq!(late, heads);
}
