//! The request fields that only the relay, or a proxy in front of it, may write.
//!
//! Each is believed by some framework, server or platform without asking who wrote it: a client that writes one gives
//! itself another address, scheme, host, path or user. [H-14]

/// All reserved names in lower case and in order. One that ends in `*` is a family: all names that begin so.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "ali-cdn-real-ip",      // the client's address, from Alibaba Cloud CDN
    "cdn-real-ip",          // the client's address, from several CDNs
    "cdn-src-ip",           // the same
    "cf-*",                 // Cloudflare: CF-Connecting-IP, -IPv6, CF-Visitor (scheme), CF-IPCountry, CF-Access-*
    "client-cert",          // the client's certificate; a proxy must remove a foreign one (RFC 9440 §2.4)
    "client-cert-chain",    // the same
    "client-ip",            // the client's address, in Rails (RemoteIp) and many PHP applications
    "cloudfront-*",         // Amazon CloudFront: viewer's address, scheme, country
    "cluster-client-ip",    // the client's address, without the X- of Zeus and Riverbed
    "do-connecting-ip",     // the client's address, from DigitalOcean App Platform
    "fastly-client*",       // Fastly: Fastly-Client-IP, Fastly-Client
    "fastly-ssl",           // Fastly: the scheme
    "fly-client-ip",        // the client's address, from Fly.io
    "fly-forwarded-*",      // Fly.io: scheme and port
    "forwarded*",           // RFC 7239, and Forwarded-For, -Proto, -Host in PHP applications
    "front-end-https",      // the scheme, from Microsoft ISA and TMG
    "incap-client-ip",      // the client's address, from Imperva
    "oidc-*",               // the user, from mod_auth_openidc (OIDC_CLAIM_sub)
    "path-info",            // the path, in gunicorn (forwarder_headers)
    "proxy",                // becomes HTTP_PROXY in CGI: the proxy of the application's own requests (httpoxy)
    "proxy-client-ip",      // the client's address, from WebLogic's and Apache's plug-ins
    "remote-addr",          // the client's address, as CGI names it
    "remote-email",         // the user, from Authelia
    "remote-groups",        // the same
    "remote-host",          // the client's name, as CGI names it
    "remote-name",          // the user, from Authelia
    "remote-user",          // the user, from Authelia and as CGI names it
    "script-name",          // the mount, in gunicorn (forwarder_headers)
    "shib-*",               // the user, from Shibboleth (ShibUseHeaders)
    "ssl-client-*",         // the client's certificate, from ingress-nginx and others
    "tailscale-*",          // the user, from Tailscale Serve
    "true-client-*",        // the client's address and port, from Akamai and Cloudflare
    "wl-proxy-*",           // WebLogic: address, scheme, certificate
    "x-accel-*",            // paths of files, in Rack::Sendfile (X-Accel-Mapping)
    "x-akamai-edgescape",   // the client's place, from Akamai
    "x-amzn-mtls-*",        // the client's certificate, from Amazon's load balancers
    "x-amzn-oidc-*",        // the user, from Amazon's load balancers
    "x-anonymous-consumer", // the user, from Kong
    "x-apigateway-*",       // the user, from Google API Gateway
    "x-appengine-*",        // Google App Engine: the client's address, the user, cron jobs
    "x-appservice-*",       // Azure App Service: the scheme
    "x-arr-*",              // Microsoft ARR: TLS, the client's certificate
    "x-auth-request-*",     // the user, from oauth2-proxy
    "x-authenticated-*",    // the user, from Kong
    "x-authentik-*",        // the user, from authentik
    "x-azure-*",            // Azure Front Door: the client's address
    "x-cdn-src-ip",         // the client's address, from several CDNs
    "x-client-cert*",       // the client's certificate
    "x-client-dn",          // the same
    "x-client-ip",          // the client's address, in many applications
    "x-client-verify",      // the client's certificate
    "x-clientip",           // the client's address
    "x-cluster-client-ip",  // the client's address, from Rackspace, Zeus and Riverbed
    "x-consumer-*",         // the user, from Kong
    "x-credential-*",       // the same
    "x-endpoint-api-userinfo", // the user, from Google Cloud Endpoints
    "x-envoy-*",            // Envoy: address, path, host; its edge removes foreign ones, too
    "x-forwarded*",         // address, scheme, host, port, prefix, user, groups, certificate
    "x-goog-authenticated-user-*", // the user, from Google's Identity-Aware Proxy
    "x-goog-iap-*",         // the same
    "x-host",               // the host, in Symfony and PHP applications
    "x-http-host-override", // the same
    "x-https",              // the scheme
    "x-ms-client-principal*", // the user, from Azure App Service
    "x-ms-token-*",         // the user's tokens, from Azure App Service
    "x-nf-*",               // Netlify: the client's address and account
    "x-original-*",         // address, host and path before a proxy: ASP.NET, IIS, Symfony, ingress-nginx
    "x-originating-ip",     // the client's address, in many applications
    "x-plugboard-*",        // the plugboard's own
    "x-pomerium-*",         // the user, from Pomerium
    "x-proxyuser-ip",       // the client's address, from Google's services
    "x-real-*",             // X-Real-IP, and port and scheme likewise, from nginx
    "x-remote-*",           // address and user, as CGI names them; Kubernetes' request headers
    "x-replit-user-*",      // the user, from Replit
    "x-rewrite-*",          // the path before IIS rewrote it (X-Rewrite-URL)
    "x-scheme",             // the scheme, from ingress-nginx
    "x-script-name",        // the mount, in Python applications
    "x-sendfile-type",      // how files are sent, in Rack::Sendfile
    "x-ssl*",               // scheme and certificate, from HAProxy and others
    "x-sucuri-*",           // the client's address, from Sucuri
    "x-tls-client-*",       // the client's certificate
    "x-true-client-ip",     // the client's address
    "x-url-scheme",         // the scheme, in Python applications
    "x-userinfo",           // the user, from Kong's and APISIX's OpenID plug-ins
    "x-vercel-*",           // Vercel: the client's address and place
    "x-vouch-*",            // the user, from Vouch Proxy
    "x-waws-*",             // Azure App Service: the path as it was sent
    "x-webauth-*",          // the user, in Grafana (auth.proxy)
];

/// All reserved names, in lower case; one that ends in `*` is a family: all names that begin so.
pub fn reserved() -> impl Iterator<Item = &'static str> {
    RESERVED.iter().copied()
}

/// For each initial the reserved names that begin with it, behind the letters that they have in the second place, as bits
/// of their lower five bits: two bytes tell most names apart, and this runs for each field of each request.
#[rustfmt::skip]
const WITH_INITIAL: [(u32, &[&str]); 26] = [
    with(b'a'), with(b'b'), with(b'c'), with(b'd'), with(b'e'), with(b'f'), with(b'g'), with(b'h'), with(b'i'),
    with(b'j'), with(b'k'), with(b'l'), with(b'm'), with(b'n'), with(b'o'), with(b'p'), with(b'q'), with(b'r'),
    with(b's'), with(b't'), with(b'u'), with(b'v'), with(b'w'), with(b'x'), with(b'y'), with(b'z'),
];

const fn with(initial: u8) -> (u32, &'static [&'static str]) {
    let mut list = RESERVED;
    while let [known, rest @ ..] = list
        && !is_initial(known, initial)
    {
        list = rest;
    }
    while let [rest @ .., known] = list
        && !is_initial(known, initial)
    {
        list = rest;
    }
    (seconds(list), list)
}

const fn is_initial(known: &str, initial: u8) -> bool {
    matches!(known.as_bytes(), [first, ..] if *first == initial)
}

const fn seconds(mut list: &[&str]) -> u32 {
    let mut bits = 0;
    while let [known, rest @ ..] = list {
        match known.as_bytes() {
            // A `-` has many spellings.
            [_, second, ..] if second.is_ascii_lowercase() => bits |= 1 << (*second & 31),
            _ => bits = u32::MAX,
        }
        list = rest;
    }
    bits
}

/// Whether a name is reserved, in any spelling that a backend could take for it.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    let [initial, second, ..] = name else { return false };
    let letter = initial.to_ascii_lowercase().wrapping_sub(b'a');
    let Some((seconds, list)) = WITH_INITIAL.get(usize::from(letter)) else { return false };
    seconds >> (second & 31) & 1 == 1 && is_among(list, name)
}

fn is_among(list: &[&str], name: &[u8]) -> bool {
    // No entry lies within a family, so that the last one that is not behind the name is the only one that can be it.
    let behind = list.partition_point(|known| parts(known).0.iter().copied().le(name.iter().map(folded)));
    let Some(known) = behind.checked_sub(1).and_then(|index| list.get(index)) else { return false };
    let (start, is_family) = parts(known);
    is_same(start, if is_family { name.get(..start.len()).unwrap_or_default() } else { name })
}

/// An entry without its `*`, and whether it has one.
const fn parts(known: &str) -> (&[u8], bool) {
    match known.as_bytes() {
        [start @ .., b'*'] => (start, true),
        whole => (whole, false),
    }
}

/// Whether a name is that one, which is in lower case and with `-`, in any spelling.
pub(super) fn is_same(known: &[u8], name: &[u8]) -> bool {
    known.len() == name.len() && known.iter().zip(name).all(|(octet, other)| *octet == folded(other))
}

/// A byte of a name as backends may fold it: CGI-like ones write `_` for `-`, and some of them for all else that is
/// neither letter nor digit.
const fn folded(byte: &u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether a name has no other sign than `-`, so that each backend reads it in the same way.
pub(super) fn is_unambiguous(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}
