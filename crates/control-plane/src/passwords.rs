//! Passwords: argon2id on a fixed pool of threads behind a bounded queue, with one buffer a thread, kept from one password
//! to the next.
//!
//! A flood of attempts fills the queue and is turned away (`Busy`); it takes no memory, and no thread that serves anything
//! else. An account that does not exist costs the same work as one that does. Passwords are never logged, and never
//! compared but through their hashes.

use crate::sign_in::throttle;
use argon2::password_hash::phc::PasswordHash as ParsedHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// OWASP Password Storage Cheat Sheet, the second of its equal choices: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT: usize = 32;
const SALT: usize = 16;
/// How long the buffers are kept when no password comes: they are two thirds of what an idle process would hold.
const KEPT: Duration = Duration::from_secs(10);
/// One address may hold this part of the queue.
const SHARE: usize = 4;

/// Characters (NIST SP 800-63B-4 §3.1.1.2: at least 8, at least 64 permitted; nothing about their kinds).
pub const SHORTEST: usize = 8;
pub const LONGEST: usize = 256;

/// A PHC string (`$argon2id$v=19$m=…`). Not secret as a password is, yet not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, and hashed anew with the parameters of today: to be stored.
    RightButOutdated(PasswordHash),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("a password must have at least {SHORTEST} characters")]
    TooShort,
    #[error("a password must have at most {LONGEST} characters")]
    TooLong,
    #[error("too many passwords are waiting to be checked")]
    Busy,
    #[error("passwords cannot be checked")]
    Unavailable,
}

/// The threads. Cheap to clone; they end, and are joined, with the last clone.
#[derive(Clone)]
pub struct PasswordPool(Arc<Pool>);

struct Pool {
    queue: Option<SyncSender<Job>>,
    waiting: Arc<Waiting>,
    /// How many places of the queue one address may hold.
    share: usize,
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    password: Zeroizing<String>,
    work: Work,
    /// Given back when a thread takes the job up.
    place: Option<Place>,
}

/// How many jobs wait for each address; an entry has at least one, so there are never more entries than places.
#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<String, usize>>);

/// One waiting job's share of the queue.
struct Place {
    waiting: Arc<Waiting>,
    address: String,
}

enum Work {
    Hash(oneshot::Sender<Result<PasswordHash, PasswordError>>),
    /// `None`: nobody's hash, for work that takes as long.
    Verify(Option<Vec<u8>>, oneshot::Sender<Result<Verdict, PasswordError>>),
}

impl PasswordHash {
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash")
    }
}

/// Whether `password` may be set.
pub fn check_policy(password: &str) -> Result<(), PasswordError> {
    match password.chars().count() {
        count if count < SHORTEST => Err(PasswordError::TooShort),
        count if count > LONGEST => Err(PasswordError::TooLong),
        _ => Ok(()),
    }
}

impl PasswordPool {
    /// `threads` at least one; `queue` is how many may wait for a thread.
    pub fn start(threads: usize, queue: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let bench = Arc::new(Bench { queue: Mutex::new(receiver), idle: Mutex::default() });
        let start = |index: usize| {
            let bench = bench.clone();
            std::thread::Builder::new().name(format!("password-{index}")).spawn(move || work(&bench))
        };
        let threads = (0..threads.max(1)).map(start).collect::<io::Result<_>>()?;
        let share = (queue / SHARE).max(1);
        Ok(Self(Arc::new(Pool { queue: Some(sender), waiting: Arc::default(), share, threads })))
    }

    /// A hash to store, if the password may be set.
    pub async fn hash(&self, password: &str) -> Result<PasswordHash, PasswordError> {
        check_policy(password)?;
        let (sender, receiver) = oneshot::channel();
        self.submit(password, Work::Hash(sender), None)?;
        receiver.await.map_err(|_| PasswordError::Unavailable)?
    }

    /// Does `password` match `stored` (a PHC string)? Without one the answer is `Wrong`, after the same work.
    ///
    /// `address` is whose guess it is: each may hold only a part of the queue, so that nobody alone can fill it.
    pub async fn verify(&self, password: &str, stored: Option<&[u8]>, address: Option<IpAddr>) -> Result<Verdict, PasswordError> {
        let (sender, receiver) = oneshot::channel();
        // A longer one cannot have been set: whatever is stored, it is wrong, but it costs the same.
        let stored = stored.filter(|_| password.chars().count() <= LONGEST).map(<[u8]>::to_vec);
        let password: String = password.chars().take(LONGEST).collect();
        let place = self.0.waiting.clone().take(throttle::prefix(address), self.0.share).ok_or(PasswordError::Busy)?;
        self.submit(&password, Work::Verify(stored, sender), Some(place))?;
        receiver.await.map_err(|_| PasswordError::Unavailable)?
    }

    fn submit(&self, password: &str, work: Work, place: Option<Place>) -> Result<(), PasswordError> {
        let queue = self.0.queue.as_ref().ok_or(PasswordError::Unavailable)?;
        let job = Job { password: Zeroizing::new(password.to_owned()), work, place };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => PasswordError::Busy,
            TrySendError::Disconnected(_) => PasswordError::Unavailable,
        })
    }
}

impl fmt::Debug for PasswordPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PasswordPool({} threads)", self.0.threads.len())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}

impl Waiting {
    /// `None` when the address has its share already.
    fn take(self: Arc<Self>, address: String, share: usize) -> Option<Place> {
        {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let count = waiting.get(&address).copied().unwrap_or(0);
            if count >= share {
                return None;
            }
            waiting.insert(address.clone(), count.saturating_add(1));
        }
        Some(Place { waiting: self, address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(&self.address) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            Some(_) | None => {
                waiting.remove(&self.address);
            }
        }
    }
}

/// What the threads share: the queue, and the buffers that nobody works in now. There are never more buffers than
/// threads, and none once nobody has signed in for a while.
struct Bench {
    queue: Mutex<Receiver<Job>>,
    idle: Mutex<Vec<Vec<Block>>>,
}

fn work(bench: &Bench) {
    let Ok(params) = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT)) else { return };
    let idle = || bench.idle.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let next = bench.queue.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(KEPT);
        let Job { password, work, place } = match next {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                idle().clear();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        drop(place);
        let kept = idle().pop();
        let mut memory = kept.unwrap_or_else(|| vec![Block::default(); params.block_count()]);
        // Whoever went away does not get an answer, so nobody needs the work.
        match work {
            Work::Hash(reply) if !reply.is_closed() => {
                let _ = reply.send(hash(&password, &params, &mut memory));
            }
            Work::Verify(stored, reply) if !reply.is_closed() => {
                let _ = reply.send(verify(&password, stored.as_deref(), &params, &mut memory));
            }
            Work::Hash(_) | Work::Verify(..) => {}
        }
        idle().push(memory);
    }
}

fn hash(password: &str, params: &Params, memory: &mut [Block]) -> Result<PasswordHash, PasswordError> {
    let salt: [u8; SALT] = runtime::random::bytes();
    let output = derive(password, &salt, params, memory).ok_or(PasswordError::Unavailable)?;
    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, bytes);
    let text = format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}", encode(&salt), encode(&output));
    Ok(PasswordHash(text))
}

fn verify(password: &str, stored: Option<&[u8]>, params: &Params, memory: &mut [Block]) -> Result<Verdict, PasswordError> {
    let Some(stored) = stored else {
        derive(password, &[0; SALT], params, memory).ok_or(PasswordError::Unavailable)?;
        return Ok(Verdict::Wrong);
    };
    // What cannot be read matches nothing; it is an error of ours, not the person's.
    let parsed =
        std::str::from_utf8(stored).ok().and_then(|text| ParsedHash::new(text).ok()).ok_or(PasswordError::Unavailable)?;
    let stored_params = Params::try_from(&parsed).map_err(|_| PasswordError::Unavailable)?;
    let (Some(salt), Some(expected)) = (parsed.salt, parsed.hash) else { return Err(PasswordError::Unavailable) };
    if parsed.algorithm.as_str() != "argon2id" || parsed.version != Some(19) || stored_params.block_count() > memory.len() {
        return Err(PasswordError::Unavailable);
    }
    let output = derive(password, salt.as_ref(), &stored_params, memory).ok_or(PasswordError::Unavailable)?;
    if !runtime::hash::equal(&output, expected.as_bytes()) {
        return Ok(Verdict::Wrong);
    }
    let current = stored_params.m_cost() >= MEMORY_KIB && stored_params.t_cost() >= PASSES;
    if current { Ok(Verdict::Right) } else { hash(password, params, memory).map(Verdict::RightButOutdated) }
}

fn derive(password: &str, salt: &[u8], params: &Params, memory: &mut [Block]) -> Option<Vec<u8>> {
    let mut output = vec![0; params.output_len().unwrap_or(OUTPUT)];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, memory)
        .ok()?;
    Some(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    #[tokio::test]
    async fn what_was_hashed_is_verified_and_nothing_else() {
        let pool = PasswordPool::start(1, 4).unwrap();
        let hash = pool.hash("correct horse").await.unwrap();
        assert_eq!(pool.verify("correct horse", Some(hash.as_bytes()), None).await, Ok(Verdict::Right));
        assert_eq!(pool.verify("correct horsf", Some(hash.as_bytes()), None).await, Ok(Verdict::Wrong));
        assert_eq!(pool.verify("", Some(hash.as_bytes()), None).await, Ok(Verdict::Wrong));
        assert_eq!(pool.verify("correct horse", None, None).await, Ok(Verdict::Wrong));
        let again = pool.hash("correct horse").await.unwrap();
        assert_ne!(hash, again, "each has a salt of its own");
        assert_eq!(format!("{hash:?}"), "PasswordHash");
        // The text is what other argon2 libraries read.
        let text = String::from_utf8(hash.into_bytes()).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &ParsedHash::new(&text).unwrap()).is_ok());
    }

    #[tokio::test]
    async fn an_older_hash_is_renewed_when_it_was_right() {
        let pool = PasswordPool::start(1, 4).unwrap();
        let weak = Params::new(8 * 1024, 1, 1, Some(32)).unwrap();
        let old = Argon2::new(Algorithm::Argon2id, Version::V0x13, weak.clone());
        let old: ParsedHash = old.hash_password_with_salt(b"correct horse", b"0123456789abcdef").unwrap();
        let old = old.to_string();
        assert_eq!(pool.verify("wrong horse", Some(old.as_bytes()), None).await, Ok(Verdict::Wrong));
        let Ok(Verdict::RightButOutdated(new)) = pool.verify("correct horse", Some(old.as_bytes()), None).await else {
            panic!("not renewed")
        };
        assert_eq!(pool.verify("correct horse", Some(new.as_bytes()), None).await, Ok(Verdict::Right));
    }

    #[tokio::test]
    async fn what_is_too_long_or_too_short_cannot_be_set_and_never_matches() {
        let pool = PasswordPool::start(1, 4).unwrap();
        assert_eq!(pool.hash("1234567").await.unwrap_err(), PasswordError::TooShort);
        assert_eq!(pool.hash(&"x".repeat(LONGEST + 1)).await.unwrap_err(), PasswordError::TooLong);
        let longest = "é".repeat(LONGEST);
        let hash = pool.hash(&longest).await.unwrap();
        assert_eq!(pool.verify(&longest, Some(hash.as_bytes()), None).await, Ok(Verdict::Right));
        // Not even when what is cut off is all that differs.
        assert_eq!(pool.verify(&format!("{longest}x"), Some(hash.as_bytes()), None).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_flood_is_turned_away_at_once_and_the_queue_serves_again_after() {
        let pool = PasswordPool::start(1, 2).unwrap();
        let address = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        let flood = (0..50).map(|number| pool.verify("guess", None, address(number)));
        let answers = futures_util::future::join_all(flood).await;
        let busy = answers.iter().filter(|answer| **answer == Err(PasswordError::Busy)).count();
        let wrong = answers.iter().filter(|answer| **answer == Ok(Verdict::Wrong)).count();
        assert_eq!(busy + wrong, 50);
        assert!((2..=10).contains(&wrong), "{wrong} were let into a queue of two");
        assert_eq!(pool.verify("guess", None, None).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn one_address_holds_only_its_share_of_the_queue() {
        let pool = PasswordPool::start(1, 8).unwrap();
        let hash = pool.hash("correct horse").await.unwrap();
        let address = |text: &str| Some(text.parse().unwrap());
        // One network, many addresses: all of them wait, none has been served yet, when the person comes.
        let flood = (0..50).map(|number| pool.verify("guess", None, address(&format!("2001:db8::{number}"))));
        let person = pool.verify("correct horse", Some(hash.as_bytes()), address("192.0.2.7"));
        let (flood, person) = futures_util::future::join(futures_util::future::join_all(flood), person).await;
        assert_eq!(person, Ok(Verdict::Right));
        let served = flood.iter().filter(|answer| **answer == Ok(Verdict::Wrong)).count();
        assert!((2..=4).contains(&served), "{served} of the flood were let into a share of two");
        assert!(pool.0.waiting.0.lock().unwrap().is_empty(), "every place is given back");
    }

    #[tokio::test]
    async fn an_unreadable_hash_is_an_error_not_a_match() {
        let pool = PasswordPool::start(1, 4).unwrap();
        for stored in [
            "",
            "plain",
            "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA",
            "$argon2id$v=19$m=999999,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(
                pool.verify("correct horse", Some(stored.as_bytes()), None).await,
                Err(PasswordError::Unavailable),
                "{stored}"
            );
        }
    }
}
