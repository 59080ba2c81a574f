//! Who has signed in with this browser before: a sealed cookie (OWASP's device cookie).
//!
//! It proves nothing and lets nobody in. It only counts this browser's wrong guesses apart from everybody else's, so that
//! strangers who guess at an account do not keep its owner out.

use http::HeaderValue;
use model::{Timestamp, UserId};
use runtime::seal::Sealer;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const PURPOSE: &str = "known browser";
pub(crate) const LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// People who share a browser; the one who came first is forgotten first.
const MOST: usize = 5;

/// What the cookie holds, each entry younger than a year.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    user: UserId,
    issued: Timestamp,
    /// Names the bucket of this browser for this person.
    id: String,
    /// A second factor, too, was proven here: whoever has no more than the password must not get fresh guesses at it.
    second_factor: bool,
}

impl Known {
    pub(crate) fn open(sealer: &Sealer, text: Option<&str>, now: Timestamp) -> Self {
        let plain = text.and_then(|text| sealer.open_text(PURPOSE, text));
        let entries: Vec<Entry> = plain.and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default();
        Self(entries.into_iter().filter(|entry| entry.issued.plus(LIFETIME) > now).take(MOST).collect())
    }

    /// The name of this browser's own bucket for guesses at the person's password.
    pub(crate) fn for_password(&self, user: &UserId) -> Option<&str> {
        self.entry(user).map(|entry| entry.id.as_str())
    }

    pub(crate) fn for_second_factor(&self, user: &UserId) -> Option<&str> {
        self.entry(user).filter(|entry| entry.second_factor).map(|entry| entry.id.as_str())
    }

    /// The cookie after `user` signed in here.
    pub(crate) fn after(&mut self, sealer: &Sealer, user: &UserId, second_factor: bool, now: Timestamp) -> Option<HeaderValue> {
        let before = self.entry(user).cloned();
        let entry = Entry {
            user: user.clone(),
            issued: now,
            id: before.as_ref().map_or_else(runtime::random::guid, |before| before.id.clone()),
            second_factor: second_factor || before.is_some_and(|before| before.second_factor),
        };
        self.0.retain(|other| other.user != *user);
        self.0.push(entry);
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
        let plain = serde_json::to_vec(&self.0).ok()?;
        Some(super::cookies::set_known(&sealer.seal_text(PURPOSE, &plain), LIFETIME))
    }

    fn entry(&self, user: &UserId) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.user == *user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(cookie: &HeaderValue) -> &str {
        cookie.to_str().unwrap().split_once('=').unwrap().1.split(';').next().unwrap()
    }

    #[test]
    fn five_people_are_remembered_for_a_year() {
        let sealer = Sealer::new(&[7; 32]);
        let now = Timestamp::from_seconds(1_000_000);
        let mut known = Known::default();
        let mut cookie = None;
        for number in 0..6 {
            cookie = known.after(&sealer, &UserId::new(&number.to_string()), number == 5, now);
        }
        let cookie = cookie.unwrap();
        assert!(cookie.to_str().unwrap().starts_with("__Host-known=") && cookie.len() < 2048, "{cookie:?}");
        let read = Known::open(&sealer, Some(value(&cookie)), now);
        assert_eq!(read, known);
        let (first, second, last) = (UserId::new("0"), UserId::new("1"), UserId::new("5"));
        assert_eq!((read.for_password(&first), read.for_second_factor(&second)), (None, None));
        assert!(read.for_password(&second).is_some() && read.for_second_factor(&last).is_some());
        // The same bucket as before, however often the person signs in.
        let mut again = read.clone();
        again.after(&sealer, &last, false, now);
        assert_eq!(again.for_second_factor(&last), read.for_second_factor(&last));
        assert_eq!(Known::open(&sealer, Some(value(&cookie)), now.plus(LIFETIME)), Known::default());
        assert_eq!(Known::open(&Sealer::new(&[8; 32]), Some(value(&cookie)), now), Known::default());
    }
}
