//! The page: files of `web/dist`, compressed when the page was built and embedded when we are.
//!
//! A build without them works and says how to make them. Below the paths of the APIs nothing is answered
//! from here, so that a mistyped API path never gets a page.

use std::borrow::Cow;
use std::net::SocketAddr;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::address::host_of;
use crate::door::{Door, first_segment};
use crate::native::{no_such_method, no_such_route};
use crate::{State, Transport};

#[derive(RustEmbed)]
#[folder = "../../web/dist/"]
#[allow_missing = true]
struct Dist;

const INDEX: &str = "index.html";
/// First segments that belong to others than the doors: to our own API, and to dialects that are to come.
const RESERVED: [&str; 7] = ["api", "metrics", "healthz", "readyz", "public", "platform", "ui"];

/// The page loads nothing from elsewhere and runs nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Ohmstead</title>\
    <h1>Ohmstead is running</h1><p>This build has no web page in it. To make it, run <code>./run</code>, or \
    <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code> and then <code>cargo build --release</code> \
    again. The API is at <a href=\"/api/v1/openapi.json\">/api/v1</a>.</p></html>\n";

/// Answers whatever no route took. From other machines the page is read over TLS where there is TLS; what
/// dialects ask is not redirected, since their clients would not follow.
pub async fn serve(
    Shared(state): Shared<State>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    transport: Option<Extension<Transport>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let is_plain = !matches!(transport, Some(Extension(Transport::Tls)));
    let is_foreign = !peer.ip().to_canonical().is_loopback();
    if is_plain
        && is_foreign
        && !is_reserved(&uri)
        && let Some(tls) = state.settings.tls.listen
        && let Some(there) = secure_address(host_of(&uri, &headers), tls.port(), &uri)
    {
        return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, there)]).into_response();
    }
    serve_from::<Dist>(&method, &uri, &headers).await
}

/// The same path on the port that speaks TLS. The host has been checked to be ours.
fn secure_address(host: &str, port: u16, uri: &Uri) -> Option<HeaderValue> {
    let end = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let name = host.get(..end).filter(|name| !name.is_empty())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    HeaderValue::from_str(&format!("https://{name}:{port}{path}")).ok()
}

fn is_reserved(uri: &Uri) -> bool {
    RESERVED.contains(&first_segment(uri.path())) || Door::of(uri.path()).is_some()
}

async fn serve_from<Files: RustEmbed>(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if is_reserved(uri) {
        return no_such_route().await.into_response();
    }
    if *method != Method::GET && *method != Method::HEAD {
        return no_such_method().await.into_response();
    }
    if let Some(file) = Files::get(path).filter(|_| !is_compressed_form(path)) {
        return answer::<Files>(path, file, headers);
    }
    let is_page = !path.rsplit('/').next().unwrap_or_default().contains('.');
    match (is_page, Files::get(INDEX)) {
        (true, Some(file)) => answer::<Files>(INDEX, file, headers),
        (true, None) => not_built(),
        (false, _) => no_such_route().await.into_response(),
    }
}

fn is_compressed_form(path: &str) -> bool {
    path.ends_with(".br") || path.ends_with(".gz")
}

fn not_built() -> Response {
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response();
    protect(response.headers_mut());
    response
}

fn answer<Files: RustEmbed>(path: &str, plain: EmbeddedFile, asked: &HeaderMap) -> Response {
    let (file, encoding) = best_form::<Files>(path, plain, asked);
    let tag = entity_tag(&file, encoding);
    let mut response = if is_known(&tag, asked) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(bytes_of(file.data)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
        response
    };
    let headers = response.headers_mut();
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    // Names below assets/ hold a hash of their content.
    let caching = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    protect(headers);
    response
}

fn protect(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// The smallest form the client takes that was made when the page was built.
fn best_form<Files: RustEmbed>(
    path: &str,
    plain: EmbeddedFile,
    asked: &HeaderMap,
) -> (EmbeddedFile, Option<&'static str>) {
    for (encoding, ending) in [("br", "br"), ("gzip", "gz")] {
        if takes(asked, encoding)
            && let Some(file) = Files::get(&format!("{path}.{ending}"))
        {
            return (file, Some(encoding));
        }
    }
    (plain, None)
}

/// Whether `Accept-Encoding` names the encoding and does not give it the weight 0.
pub(crate) fn takes(asked: &HeaderMap, encoding: &str) -> bool {
    let texts = asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let weight = weight.trim().trim_start_matches("q=").trim();
        let is_refused = !weight.is_empty() && weight.parse().is_ok_and(|weight: f32| weight <= 0.0);
        name.trim().eq_ignore_ascii_case(encoding) && !is_refused
    })
}

fn entity_tag(file: &EmbeddedFile, encoding: Option<&str>) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}-{}\"", encoding.unwrap_or("plain"))
}

fn is_known(tag: &str, asked: &HeaderMap) -> bool {
    let text = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    text.is_some_and(|text| {
        text.split(',')
            .any(|one| one.trim().trim_start_matches("W/") == tag)
    })
}

fn bytes_of(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("webp") => "image/webp",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        Some(_) | None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page in miniature; its compressed forms hold other texts, so that one sees which was sent.
    #[derive(RustEmbed)]
    #[folder = "testdata/page/"]
    struct Sample;

    async fn ask(path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        serve_from::<Sample>(&Method::GET, &path.parse().unwrap(), &pairs.collect()).await
    }

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap().trim().to_owned()
    }

    #[tokio::test]
    async fn the_smallest_form_a_client_takes_is_sent() {
        const ACCEPT: header::HeaderName = header::ACCEPT_ENCODING;
        for (path, accept, encoding, expected) in [
            ("/", "gzip, br", Some("br"), "the page, brotli"),
            ("/", "gzip", Some("gzip"), "the page, gzip"),
            ("/", "", None, "<title>the page</title>"),
            ("/sites/home", "br", Some("br"), "the page, brotli"),
            (
                "/assets/app-1a2b.js",
                "br, gzip",
                Some("gzip"),
                "the script, gzip",
            ),
        ] {
            let response = ask(path, &[(ACCEPT, accept)]).await;
            let sent = response.headers().get(header::CONTENT_ENCODING);
            assert_eq!(
                sent.map(|value| value.to_str().unwrap()),
                encoding,
                "{path} {accept}"
            );
            assert_eq!(response.headers()[header::VARY], "accept-encoding");
            assert_eq!(text(response).await, expected, "{path} {accept}");
        }
        assert_eq!(ask("/index.html.br", &[]).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(ask("/assets/other.js", &[]).await.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn hashed_names_are_kept_for_good_and_the_page_is_asked_for_again() {
        for (path, caching) in [
            ("/", "no-cache"),
            ("/assets/app-1a2b.js", "public, max-age=31536000, immutable"),
        ] {
            let first = ask(path, &[]).await;
            assert_eq!(first.headers()[header::CACHE_CONTROL], caching);
            let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
            let again = ask(path, &[(header::IF_NONE_MATCH, &tag)]).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(again.headers()[header::ETAG], tag);
            assert_eq!(text(again).await, "");
            let coded = [
                (header::IF_NONE_MATCH, tag.as_str()),
                (header::ACCEPT_ENCODING, "gzip"),
            ];
            assert_eq!(ask(path, &coded).await.status(), StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn a_build_without_the_page_says_how_to_make_it() {
        let response = not_built();
        assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        assert!(text(response).await.contains("npm ci"));
    }

    #[test]
    fn an_encoding_is_taken_when_named_and_not_weighed_zero() {
        for (text, expected) in [
            ("gzip, deflate, br", true),
            ("BR", true),
            ("br;q=0.5", true),
            ("br;q=0", false),
            ("br; q=0.000", false),
            ("gzip", false),
            ("", false),
            ("brotli", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]);
            assert_eq!(takes(&headers, "br"), expected, "{text}");
        }
    }

    #[test]
    fn the_same_page_over_tls() {
        for (host, uri, expected) in [
            (
                "192.168.1.5:8080",
                "/sites/home?x=1",
                "https://192.168.1.5:8443/sites/home?x=1",
            ),
            ("[fd00::1]:8080", "/", "https://[fd00::1]:8443/"),
            ("[fd00::1]", "/", "https://[fd00::1]:8443/"),
            ("ohmstead.local", "/", "https://ohmstead.local:8443/"),
        ] {
            let found = secure_address(host, 8_443, &uri.parse().unwrap()).unwrap();
            assert_eq!(found, expected, "{host} {uri}");
        }
        assert!(secure_address("", 8_443, &Uri::from_static("/")).is_none());
    }

    #[test]
    fn files_have_their_types() {
        for (path, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("assets/index-8a1b.js", "text/javascript; charset=utf-8"),
            ("icon.svg", "image/svg+xml"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(content_type(path), expected, "{path}");
        }
    }
}
