//! What the gateway counts, and who may read it.

use crate::platform::{METRICS_TOKEN, Platform};
use http::StatusCode;
use http::header::CONTENT_TYPE;

#[tokio::test]
async fn metrics_are_for_whoever_has_the_token() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    assert_eq!(browser.status().await, 200);
    assert_eq!(platform.browser("payroll").status().await, 401);
    let good = format!("Bearer {METRICS_TOKEN}");
    for headers in [
        vec![],
        vec![("authorization", "Bearer another")],
        vec![("authorization", METRICS_TOKEN)],
        vec![("authorization", good.as_str()), ("authorization", good.as_str())],
    ] {
        let answer = platform.browser("gateway").get("/metrics", &headers).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{headers:?}");
    }
    let answer = browser.get("/metrics", &[("authorization", &good)]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "on an application's host it is the application's");

    let answer = platform.browser("gateway").get("/metrics", &[("authorization", &good)]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    for line in [
        "# TYPE countersign_gateway_admitted_total counter",
        "countersign_gateway_admitted_total 1",
        // The way to sign in, nothing offered, and a token that is no access token.
        "countersign_gateway_refused_total{reason=\"unauthenticated\"} 3",
        "# TYPE countersign_gateway_flows gauge",
        "countersign_gateway_flows 0",
        "countersign_gateway_feed{state=\"live\"} 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in {text}");
    }
    let described = text.lines().filter(|line| line.starts_with("# HELP ")).count();
    assert_eq!(described, text.lines().filter(|line| line.starts_with("# TYPE ")).count());
    platform.stop().await;
}

#[tokio::test]
async fn without_a_token_there_are_no_metrics() {
    for token in [None, Some("")] {
        let platform = Platform::start_with(|config| config.metrics_token = token.map(Into::into)).await;
        for authorization in ["Bearer ", "Bearer", ""] {
            let answer = platform.browser("gateway").get("/metrics", &[("authorization", authorization)]).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        }
        platform.stop().await;
    }
}
