//! The address of a device: `ws://host:port`.

use std::fmt;

use crate::error::Error;

/// Where a device listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address; IPv6 without its brackets.
    host: String,
    port: u16,
}

impl Address {
    /// Reads `ws://host:port`, with or without a slash at the end; the scheme may be left out.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::bad_address(text, reason);
        let text_trimmed = text.trim();
        let rest = match text_trimmed.split_once("://") {
            None => text_trimmed,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("wss") => {
                return Err(Error::tls_unsupported(text));
            }
            Some((scheme, _)) => {
                return Err(wrong(&format!(
                    "it begins with {scheme}:// and not with ws://"
                )));
            }
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(wrong("nothing may follow the port"));
        }
        if authority.contains('@') {
            return Err(wrong("a device's address has no user name"));
        }
        let (host, port) = authority
            .rsplit_once(':')
            .ok_or_else(|| wrong("the port is missing"))?;
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err(wrong("the port is no number from 1 to 65535")),
            Ok(port) => port,
        };
        let host = match host.strip_prefix('[') {
            Some(bracketed) => bracketed
                .strip_suffix(']')
                .filter(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
                .ok_or_else(|| wrong("what stands in brackets is no IPv6 address"))?,
            None if host.contains(':') => {
                return Err(wrong(
                    "an IPv6 address stands in brackets, as in [::1]:7717",
                ));
            }
            None => host,
        };
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if !host.bytes().all(plain) {
            return Err(wrong("the host has a character no host has"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// What the operating system connects to.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "ws://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "ws://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_with_and_without_its_decoration() {
        for (text, shown) in [
            ("ws://127.0.0.1:7717", "ws://127.0.0.1:7717"),
            ("WS://laptop.local:7717/", "ws://laptop.local:7717"),
            (" laptop:1 ", "ws://laptop:1"),
            ("ws://[::1]:7717/", "ws://[::1]:7717"),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!(Address::parse(shown).expect(shown), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, reason) in [
            ("ws://laptop", "the port is missing"),
            ("ws://laptop:", "the port is no number"),
            ("ws://laptop:0", "the port is no number"),
            ("ws://laptop:70000", "the port is no number"),
            ("ws://:7717", "the host is missing"),
            ("ws://laptop:7717/path", "nothing may follow the port"),
            ("ws://me@laptop:7717", "no user name"),
            ("ws://::1:7717", "in brackets"),
            ("ws://[laptop]:7717", "no IPv6 address"),
            ("ws://lap top:7717", "a character no host has"),
            ("http://laptop:7717", "begins with http://"),
            ("", "the port is missing"),
        ] {
            let error = Address::parse(text).expect_err(text);
            assert_eq!(error.code(), "bad_address", "{text}");
            assert!(error.message().contains(reason), "{text}: {error}");
        }
        let error = Address::parse("wss://laptop:7717").expect_err("there is no TLS yet");
        assert_eq!(error.code(), "tls_unsupported");
    }
}
